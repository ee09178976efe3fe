import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Checkpoint,
  type CheckpointTensor,
  OUTPUTS_FIRST,
  OUTPUTS_LAST,
} from "../../../lib/convert/formats/checkpoint.ts";
import type { Operator } from "../../../lib/convert/formats/graph.ts";
import { inferNetwork, type InferOptions } from "../../../lib/convert/network/infer.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { CONFIGURATIONS } from "../../../lib/model/architecture.ts";

/** Names and shapes, in the order of the file. */
type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** What a network is made of, one letter an operator. */
const LETTERS: Partial<Record<Operator["kind"], string>> = {
  affine: "a",
  conv: "c",
  batchNorm: "n",
  relu: "r",
  maxPool: "P",
  globalAverage: "G",
  adaptiveAverage: "A",
  flatten: "F",
  dense: "d",
};

interface Case extends InferOptions {
  readonly order?: Checkpoint["order"];
  readonly layerNames?: readonly string[];
  /** Axes from the outputs to the inputs, or the other way round. */
  readonly layout?: "first" | "last";
}

function checkpointOf(
  shapes: Shapes,
  { order = "none", layerNames, layout = "first" }: Case,
): Checkpoint {
  const tensors = shapes.map(([name, shape]): CheckpointTensor => ({
    name,
    shape,
    layout: layout === "first" ? OUTPUTS_FIRST : OUTPUTS_LAST,
    read: (_, into) => void into.fill(name.endsWith("mean") ? 0.25 : 0.5),
  }));
  return {
    format: "test",
    tensors,
    order,
    layerNames,
    images: { preprocessing: "torch", isRead: false, because: "usual" },
    epsilon: 1e-5,
    close: () => {},
  };
}

/** The graph in letters, `[` and the input's size first, and a space behind each pool. */
async function infer(shapes: Shapes, options: Case = {}): Promise<string> {
  const { graph } = await inferNetwork(checkpointOf(shapes, options), "x.pth", options);
  return graph.nodes.map(({ operator }) => {
    if (operator.kind === "input") return `${operator.height} `;
    if (operator.kind === "unsupported") return `(${operator.type})`;
    return LETTERS[operator.kind]! + (operator.kind === "maxPool" ? " " : "");
  }).join("");
}

async function refuse(shapes: Shapes, options: Case, ...words: string[]): Promise<void> {
  const error = await assertRejects(() => infer(shapes, options), CheckpointFormatError);
  assert(error.message.includes("x.pth"), error.message);
  for (const word of words) {
    assert(error.message.includes(word), `"${word}" is not in: ${error.message}`);
  }
}

/** VGG11 and VGG16: the channels of each block, and the inputs of each layer. */
const WIDTHS = [4, 6, 8, 10, 12];

/** The convolutions of a configuration: their numbers of block and place, and their filters. */
function convolutions(configuration: "A" | "B" | "D" | "E") {
  let inputs = 3;
  return CONFIGURATIONS[configuration].flatMap((filters, block) =>
    filters.map((size, index) => {
      const shape = [WIDTHS[block]!, inputs, size, size];
      inputs = WIDTHS[block]!;
      return { block, index, shape, outputs: WIDTHS[block]! };
    })
  );
}

/** `features.N` as torchvision numbers them; `extra` modules without weights behind ReLUs, pools and norms. */
function features(
  configuration: "A" | "B" | "D" | "E",
  { norm, afterRelu = 0, afterPool = 0, first = 0, name = "features" }: {
    norm?: "before" | "after";
    afterRelu?: number;
    afterPool?: number;
    first?: number;
    name?: string;
  } = {},
): [string, number[]][] {
  let number = first;
  return convolutions(configuration).flatMap(({ block, index, shape, outputs }) => {
    const tensors: [string, number[]][] = [[`${name}.${number}.weight`, shape], [
      `${name}.${number}.bias`,
      [outputs],
    ]];
    const isLast = index === CONFIGURATIONS[configuration][block]!.length - 1;
    if (norm !== undefined) {
      const at = number + (norm === "before" ? 1 : 2);
      for (const part of ["weight", "bias", "running_mean", "running_var"]) {
        tensors.push([`${name}.${at}.${part}`, [outputs]]);
      }
      tensors.push([`${name}.${at}.num_batches_tracked`, []]);
    }
    number += 2 + (norm === undefined ? 0 : 1) + (isLast ? 1 + afterPool : afterRelu);
    return tensors;
  });
}

/** Dense layers `name.N`, from one number of inputs to the next. */
function dense(
  name: string,
  numbers: readonly number[],
  sizes: readonly number[],
): [string, number[]][] {
  return numbers.flatMap((number, i): [string, number[]][] => [
    [`${name}.${number}.weight`, [sizes[i + 1]!, sizes[i]!]],
    [`${name}.${number}.bias`, [sizes[i + 1]!]],
  ]);
}

const norm1d = (name: string, size: number): [string, number[]][] =>
  ["weight", "bias", "running_mean", "running_var"].map((part) => [`${name}.${part}`, [size]]);

/** Words in place of numbers: `names(convolution)` for each. */
function named(
  configuration: "A" | "B" | "D" | "E",
  name: (block: number, index: number, all: number) => string,
): [string, number[]][] {
  return convolutions(configuration).flatMap((
    { block, index, shape, outputs },
    all,
  ): [string, number[]][] => [
    [`${name(block + 1, index + 1, all)}.weight`, shape],
    [`${name(block + 1, index + 1, all)}.bias`, [outputs]],
  ]);
}

const sorted = (shapes: Shapes): Shapes => shapes.toSorted(([a], [b]) => a < b ? -1 : 1);

const HEAD = dense("classifier", [0, 3, 6], [12, 7, 9, 5]);
const BLOCKS_A = "crP crP crcrP crcrP crcrP ";
const BLOCKS_D = "crcrP crcrP crcrcrP crcrcrP crcrcrP ";

Deno.test("torchvision's numbers tell a network, in whatever order its tensors lie", async () => {
  const network = [...features("D"), ...HEAD];
  assertEquals(await infer(network), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(await infer(sorted(network)), `32 ${BLOCKS_D}Fdrdrd`);
  const prefixed = network.map(([name, shape]) => [`module.backbone.${name}`, shape] as const);
  assertEquals(await infer(prefixed), `32 ${BLOCKS_D}Fdrdrd`);
});

Deno.test("numbers tell whether batch normalization stands before the ReLU or after it", async () => {
  assertEquals(
    await infer(sorted([...features("A", { norm: "before" }), ...HEAD])),
    "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
  );
  assertEquals(
    await infer([...features("A", { norm: "after" }), ...HEAD]),
    "32 crnP crnP crncrnP crncrnP crncrnP Fdrdrd",
  );
});

Deno.test("pools at other places than a VGG's are refused", async () => {
  const moved = features("A").map(([name, shape]) => [name.replace(".6.", ".7."), shape] as const);
  await refuse([...moved, ...HEAD], {}, "features.7.weight", "must be features.6", "pools");
  // VGG19's up to its thirteenth convolution.
  const cut = features("E").slice(0, 26).map(([name, [o, ...rest]]) =>
    [name, [o!, ...rest]] as const
  );
  await refuse(cut, {}, "features.16.weight", "must be features.17");
  const bare = features("D", { afterPool: -1 });
  await refuse([...bare, ...HEAD], {}, "features.4.weight", "must be features.5");
});

Deno.test("dropout among the convolutions is understood where it is regular, and else refused", async () => {
  assertEquals(await infer([...features("D", { afterPool: 1 }), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer([...features("A", { norm: "before", afterRelu: 1 }), ...HEAD]),
    "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
  );
  const once = features("A").map(([name, shape]) => {
    const [, number] = name.split(".");
    return [
      Number(number) > 6 ? name.replace(`.${number}.`, `.${Number(number) + 1}.`) : name,
      shape,
    ] as const;
  });
  await refuse([...once, ...HEAD], {}, "features.9.weight", "without weights");
  // InstanceNorm2d has no tensors: conv, norm, ReLU.
  await refuse(
    [...features("D", { afterRelu: 1, afterPool: 1 }), ...HEAD],
    {},
    "features.0",
    "normalization",
  );
});

Deno.test("names such as conv4_3 tell the blocks, and other groups are refused", async () => {
  const network = named("D", (block, index) => `conv${block}_${index}`);
  assertEquals(await infer([...network, ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer([...named("D", (block, index) => `vgg.conv${block}${"abc"[index - 1]}`), ...HEAD]),
    `32 ${BLOCKS_D}Fdrdrd`,
  );
  // The first four blocks of VGG16 have as many convolutions as VGG13.
  let inputs = 3;
  const four = [2, 2, 3, 3].flatMap((count, block) =>
    Array.from({ length: count }, (_, index): [string, number[]] => {
      const shape = [WIDTHS[block]!, inputs, 3, 3];
      inputs = WIDTHS[block]!;
      return [`conv${block + 1}_${index + 1}.weight`, shape];
    })
  );
  await refuse([...four, ...HEAD], {}, "groups of 2, 2, 3, 3", "expected 2, 2, 2, 2, 2");
});

Deno.test("small sequences in a large one leave room for the pools between them", async () => {
  const of = (sizes: readonly number[]): Shapes => {
    let number = -1;
    const lasts = sizes.flatMap((size) => Array.from({ length: size }, (_, i) => i === size - 1));
    return convolutions("D").map(({ shape }, i): [string, number[]] => {
      number += 1 + Number(lasts[i - 1] ?? false);
      return [`features.${number}.0.weight`, shape];
    });
  };
  assertEquals(await infer([...of([2, 2, 3, 3, 3]), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  await refuse([...of([3, 3, 3, 2, 2]), ...HEAD], {}, "features.1.0", "no room for a max-pool");
});

Deno.test("numbers that go on through slices are those of one sequence", async () => {
  const slices = features("D").map(([name, shape]) => {
    const number = Number(name.split(".")[1]);
    const slice = [4, 9, 16, 23, 30].findIndex((end) => number < end) + 1;
    return [name.replace("features", `slice${slice}`), shape] as const;
  });
  assertEquals(await infer([...slices, ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
});

Deno.test("names of layers with a sequence each are in the order of their numbers", async () => {
  const network = convolutions("D").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`layer${i + 1}.0.weight`, shape],
    [`layer${i + 1}.0.bias`, [outputs]],
    ...norm1d(`layer${i + 1}.1`, outputs),
  ]);
  const head: Shapes = [["fc.1.weight", [7, 12]], ["fc1.1.weight", [9, 7]], ["fc2.0.weight", [
    5,
    9,
  ]]];
  assertEquals(
    await infer(sorted([...network, ...head])),
    "32 cnrcnrP cnrcnrP cnrcnrcnrP cnrcnrcnrP cnrcnrcnrP Fdrdrd",
  );
});

Deno.test("words are in the order in which a dictionary has them, and no other", async () => {
  const words = ["stem", "enter", "alpha", "beta", "nu", "delta", "eps", "zeta"];
  const network = convolutions("A").map(({ shape }, i): [string, number[]] => [
    `${words[i]}.weight`,
    i === 0 ? [12, 3, 3, 3] : [12, 12, ...shape.slice(2)],
  ]);
  assertEquals(await infer([...network, ...HEAD], { order: "declared" }), `32 ${BLOCKS_A}Fdrdrd`);
  await refuse(sorted([...network, ...HEAD]), {}, "order of the convolutions", "is not known");
  // A dictionary that somebody has sorted: biases come before their weights.
  await refuse(sorted([...network, ...HEAD]), { order: "declared" }, "order of the convolutions");
});

Deno.test("dense layers are ordered by the dictionary or by their shapes, never by an alphabet", async () => {
  const final: Shapes = [["linear1.weight", [12, 12]], ["linear2.weight", [12, 12]], [
    "final.weight",
    [12, 12],
  ]];
  assertEquals(
    await infer([...features("A"), ...final], { order: "declared" }),
    `32 ${BLOCKS_A}Fdrdrd`,
  );
  await refuse([...features("A"), ...final], {}, "order of the dense layers", "final");
  const shaped: Shapes = [["a_out.weight", [5, 9]], ["fc1.weight", [7, 12]], ["fc2.weight", [
    9,
    7,
  ]]];
  assertEquals(await infer([...features("A"), ...shaped]), `32 ${BLOCKS_A}Fdrdrd`);
});

Deno.test("an order that is declared, and another by numbers, are refused where both could be", async () => {
  const turned: Shapes = [["classifier.3.weight", [12, 12]], ["classifier.0.weight", [12, 12]]];
  await refuse([...features("A"), ...turned], { order: "declared" }, "declared", "classifier.3");
});

Deno.test("heads side by side are no chain", async () => {
  const tasks: Shapes = [["age.weight", [12, 12]], ["gender.weight", [2, 12]]];
  await refuse(
    [...features("A"), ...tasks],
    { order: "declared" },
    "age",
    "gender",
    "side by side",
  );
  const others: Shapes = [["age.weight", [8, 12]], ["gender.weight", [2, 12]]];
  await refuse([...features("A"), ...others], { order: "declared" }, "age", "gender", "heads");
});

Deno.test("modules between dense layers: two are a ReLU and dropout, one is asked for, none is none", async () => {
  const of = (
    ...numbers: number[]
  ): Shapes => [...features("A"), ...dense("classifier", numbers, [12, 7, 9, 5])];
  assertEquals(await infer(of(1, 4, 7)), `32 ${BLOCKS_A}Fdrdrd`);
  // Dropout before each layer but the last.
  assertEquals(await infer(of(1, 4, 6)), `32 ${BLOCKS_A}Fdrdrd`);
  await refuse(of(0, 3, 5), {}, "classifier.3", "classifier.5", "--activation relu");
  assertEquals(await infer(of(0, 1, 2)), `32 ${BLOCKS_A}Fddd`);
  await refuse(of(0, 2, 4), {}, "classifier.0", "classifier.2", "--activation relu");
  assertEquals(await infer(of(0, 2, 4), { activation: "relu" }), `32 ${BLOCKS_A}Fdrdrd`);
});

Deno.test("batch normalization among the dense layers stands where its number says", async () => {
  const of = (norm: number, next: number): Shapes => [
    ...features("A"),
    ...dense("classifier", [0, next], [12, 7, 5]),
    ...norm1d(`classifier.${norm}`, 7),
  ];
  assertEquals(await infer(of(1, 3)), `32 ${BLOCKS_A}Fdnrd`);
  assertEquals(await infer(of(1, 4)), `32 ${BLOCKS_A}Fdnrd`);
  assertEquals(await infer(of(2, 3)), `32 ${BLOCKS_A}Fdrnd`);
  await refuse(of(2, 4), {}, "classifier.2", "--activation relu", "--norm before-relu");
  assertEquals(await infer(of(2, 4), { activation: "relu" }), `32 ${BLOCKS_A}Fdrnd`);
  assertEquals(await infer(of(2, 4), { norm: "before-relu" }), `32 ${BLOCKS_A}Fdnrd`);
});

Deno.test("batch normalization of a whole flattened map stands before the first dense layer", async () => {
  const apart: Shapes = [
    ...features("A"),
    ...norm1d("classifier.0", 48),
    ...dense("classifier", [1, 4], [48, 7, 5]),
  ];
  assertEquals(await infer(apart), `64 ${BLOCKS_A}Fndrd`);
  await refuse([...apart, ...norm1d("bn", 48)], {}, "classifier.0", "bn", "the same values");
  // By its size alone.
  const named: Shapes = [...features("A"), ...norm1d("bn", 48), ...dense("fc", [0, 3], [48, 7, 5])];
  assertEquals(await infer(named), `64 ${BLOCKS_A}Fndrd`);
  // One sequence of all: ReLU, pool and Flatten before it.
  const one: Shapes = [
    ...features("A", { name: "net" }),
    ...norm1d("net.22", 48),
    ...dense("net", [23, 26], [48, 7, 5]),
  ];
  assertEquals(await infer(one), `64 ${BLOCKS_A}Fndrd`);
  const plain: Shapes = [
    ...features("A", { name: "net", norm: "before" }),
    ...dense("net", [30, 33], [48, 7, 5]),
  ];
  assertEquals(await infer(plain), "64 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd");
});

Deno.test("without numbers the place of batch normalization is asked for", async () => {
  const network = convolutions("A").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`conv${i + 1}.weight`, shape],
    ...norm1d(`bn${i + 1}`, outputs),
  ]);
  const both: Case[] = [{}, { order: "declared" }];
  for (const options of both) {
    await refuse([...network, ...HEAD], options, "bn1", "--norm before-relu");
    assertEquals(
      await infer([...network, ...HEAD], { ...options, norm: "before-relu" }),
      "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd",
    );
  }
});

Deno.test("a normalization that is a part of its convolution comes first", async () => {
  const network = convolutions("A").flatMap(({ shape, outputs }, i): [string, number[]][] => [
    [`conv${i + 1}/W`, shape],
    [`conv${i + 1}/bn/gamma`, [outputs]],
    [`conv${i + 1}/bn/mean/EMA`, [outputs]],
    [`conv${i + 1}/bn/variance/EMA`, [outputs]],
  ]);
  assertEquals(await infer([...network, ...HEAD]), "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrdrd");
});

Deno.test("Keras' layers without weights tell where ReLUs are, and what a weights file cannot say", async () => {
  const network = convolutions("A").flatMap((
    { shape: [o, i, h, w], outputs },
    n,
  ): [string, number[]][] => [
    [`conv${n}.kernel`, [h!, w!, i!, o!]],
    ...["gamma", "beta", "moving_mean", "moving_variance"].map((
      part,
    ): [string, number[]] => [`bn${n}.${part}`, [outputs]]),
  ]);
  const head: Shapes = [["dense.kernel", [12, 7]], ["dense_1.kernel", [7, 5]]];
  const names = (
    ...of: string[]
  ): string[] => [
    "input_1",
    ...convolutions("A").flatMap((_, n) => of.map((name) => `${name}${n}`)),
    "flatten",
    "dense",
    "dense_1",
  ];
  const infer2 = (layerNames: string[]): Promise<string> =>
    infer([...network, ...head], { layout: "last", order: "declared", layerNames });
  const before = "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd", after = before.replaceAll("nr", "rn");
  assertEquals(await infer2(names("conv", "bn", "activation_")), before);
  assertEquals(await infer2(names("conv", "activation_", "bn")), after);
  assertEquals(await infer2(names("conv", "bn")), after);
  const infer3 = (layerNames: string[]) =>
    refuse([...network, ...head], { layout: "last", order: "declared", layerNames }, "rescaling");
  await infer3(["rescaling", ...names("conv", "bn", "re_lu_")]);
});

Deno.test("pools and an average that a file names are held against the tensors", async () => {
  const network = convolutions("A").map(({ shape: [o, i, h, w] }, n): [string, number[]] => [
    `conv2d_${n}.kernel`,
    [h!, w!, i!, o!],
  ]);
  const names = (pools: readonly number[], ...more: string[]): Case => ({
    layout: "last",
    order: "declared",
    layerNames: [
      ...convolutions("A").flatMap((_, n) => [
        `conv2d_${n}`,
        ...pools.includes(n) ? [`max_pooling2d_${n}`] : [],
      ]),
      ...more,
    ],
  });
  const one: Shapes = [...network, ["dense.kernel", [12, 5]]];
  assertEquals(await infer(one, names([0, 1, 3, 5, 7], "flatten", "dense")), `32 ${BLOCKS_A}Fd`);
  await refuse(one, names([0, 2, 4, 6, 7], "flatten", "dense"), "conv2d_1", "max-pool");
  await refuse(one, names([0, 1, 3, 5], "flatten", "dense"), "conv2d_7", "max-pool");
  await refuse(one, names([0, 1, 3, 5, 7], "gap", "dense"), "--input-size");
  // Of several dense layers, too: a file that names its layers would name a Flatten.
  const two: Shapes = [...network, ["dense.kernel", [12, 7]], ["dense_1.kernel", [7, 5]]];
  await refuse(two, names([0, 1, 3, 5, 7], "squash", "dense", "dense_1"), "--after-pool flatten");
});

Deno.test("as many inputs as channels are one position or an average: only several dense layers speak for one", async () => {
  const many: Shapes = [...features("A"), ...HEAD];
  const one: Shapes = [...features("A"), ...dense("classifier", [0], [12, 5])];
  await refuse(
    one,
    {},
    "classifier.0.weight",
    "--after-pool flatten",
    "--after-pool average",
    "--input-size",
  );
  await refuse(one, { inputSize: 64 }, "--after-pool average");
  await refuse(one, { afterPool: "average" }, "--input-size");
  assertEquals(await infer(one, { inputSize: 48 }), `48 ${BLOCKS_A}Fd`);
  assertEquals(await infer(one, { afterPool: "flatten" }), `32 ${BLOCKS_A}Fd`);
  assertEquals(await infer(one, { afterPool: "average", inputSize: 64 }), `64 ${BLOCKS_A}GFd`);
  assertEquals(await infer(many, { afterPool: "average", inputSize: 64 }), `64 ${BLOCKS_A}GFdrdrd`);
  await refuse(one, { layerNames: ["global_average_pooling2d"] }, "--input-size");
  assertEquals(await infer(one, { layerNames: ["flatten"] }), `32 ${BLOCKS_A}Fd`);
  assertEquals(
    await infer(one, { layerNames: ["global_max_pooling2d"] }),
    `undefined ${BLOCKS_A}(GlobalMaxPooling2D)d`,
  );
  // AdaptiveAvgPool2d and Flatten before it, within its sequence or beside it.
  await refuse(
    [...features("A"), ...dense("classifier", [2, 5], [12, 7, 5])],
    {},
    "--after-pool average",
  );
  const children = (
    head: number,
  ): Shapes => [...features("A", { name: "0" }), ...dense(`${head}`, [0, 3], [12, 7, 5])];
  await refuse(children(3), {}, "--after-pool average");
  assertEquals(await infer(children(2)), `32 ${BLOCKS_A}Fdrd`);
});

Deno.test("the inputs of the first dense layer tell the map; torchvision averages to 7x7", async () => {
  const of = (positions: number, name = "classifier"): Shapes => [
    ...features("A"),
    ...dense(name, [0, 3], [12 * positions, 7, 5]),
  ];
  assertEquals(await infer(of(9)), `96 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(of(49)), `224 ${BLOCKS_A}AFdrd`);
  assertEquals(await infer(of(49), { inputSize: 64 }), `64 ${BLOCKS_A}AFdrd`);
  assertEquals(await infer(of(49, "head")), `224 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(features("A")), `undefined ${BLOCKS_A}`);
});

Deno.test("timm and TF-Slim write dense layers as convolutions; other networks that do are refused", async () => {
  const timm: Shapes = [["pre_logits.fc1.weight", [7, 12, 2, 2]], ["pre_logits.fc2.weight", [
    7,
    7,
    1,
    1,
  ]], ["head.fc.weight", [5, 7]]];
  assertEquals(await infer(sorted([...features("A"), ...timm])), `64 ${BLOCKS_A}crcrd`);
  const slim = convolutions("D").map((
    { block, index, shape: [o, i, h, w] },
  ): [string, number[]] => [
    `vgg_16/conv${block + 1}/conv${block + 1}_${index + 1}/weights`,
    [h!, w!, i!, o!],
  ]);
  const head: Shapes = [
    ["vgg_16/fc6/weights", [2, 2, 12, 7]],
    ["vgg_16/fc7/weights", [1, 1, 7, 7]],
    ["vgg_16/fc8/weights", [1, 1, 7, 5]],
    ["vgg_16/fc8/weights/Momentum", [1, 1, 7, 5]],
    ["global_step", []],
  ];
  assertEquals(await infer([...slim, ...head], { layout: "last" }), `64 ${BLOCKS_D}crcrc`);
  const fcn: Shapes = [["fc6.weight", [7, 12, 7, 7]], ["fc7.weight", [7, 7, 1, 1]]];
  await refuse([...features("D"), ...fcn], {}, "fc6.weight", "fully convolutional");
  const dilated: Shapes = [["fc6.weight", [7, 12, 3, 3]]];
  await refuse([...features("D"), ...dilated], {}, "fc6.weight", "fully convolutional");
});

Deno.test("networks with other parts are refused by them", async () => {
  const decoder: Shapes = [["dec1.weight", [6, 12, 3, 3]], ["dec2.weight", [5, 6, 3, 3]]];
  await refuse([...features("A"), ...decoder], { order: "declared" }, "in parts", "dec1");
  const back = features("A", { name: "backend" }).slice(2, 8).map(([name]) =>
    [name, [12, 12, 3, 3]] as const
  );
  await refuse(
    [...features("B"), ...back.filter(([name]) => name.endsWith("weight"))],
    {},
    "in parts",
    "backend.3",
  );
});

Deno.test("several networks in a file are named, and one is chosen by what its names begin with", async () => {
  const of = (name: string, letter: "A" | "D"): Shapes =>
    [...features(letter), ...HEAD].map(([tensor, shape]) => [`${name}.${tensor}`, shape] as const);
  const both = [...of("student", "A"), ...of("teacher", "D")];
  await refuse(both, {}, "student", "teacher", "--state student");
  await refuse(both, { state: "pupil" }, "pupil", "teacher");
  assertEquals(await infer(both, { state: "teacher" }), `32 ${BLOCKS_D}Fdrdrd`);
  assertEquals(
    await infer(of("model", "A"), { state: "chosen by the reader" }),
    `32 ${BLOCKS_A}Fdrdrd`,
  );
  await refuse([...of("model", "A"), ...of("loss_fn.vgg", "D")], {}, "model", "loss_fn");
});

Deno.test("depthwise convolutions are no networks of their own", async () => {
  const depthwise: Shapes = [["dw.1.weight", [4, 1, 3, 3]], ["dw.2.weight", [4, 1, 3, 3]]];
  await refuse([...features("A"), ...depthwise, ...HEAD], {}, "in parts", "dw.1");
});

Deno.test("a mean and a std of colors are a step of the network", async () => {
  const network = [...features("A"), ...HEAD];
  const shapes: number[][] = [[3], [3, 1, 1], [1, 3, 1, 1]];
  for (const name of ["", "normalize.", "pixel_"]) {
    for (const shape of shapes) {
      const checkpoint = checkpointOf(
        [...network, [`${name}mean`, shape], [`${name}std`, shape]],
        {},
      );
      const { graph } = await inferNetwork(checkpoint, "x.pth", {});
      const { operator } = graph.nodes[1]!;
      if (operator.kind !== "affine") throw new Error(operator.kind);
      const values = async (of: unknown) => {
        const into = new Float32Array(3);
        await (of as CheckpointTensor).read({ start: 0, length: 3, stride: 3, count: 1 }, into);
        return [...into];
      };
      assertEquals(await values(operator.scale), [2, 2, 2]);
      assertEquals(await values(operator.shift), [-0.5, -0.5, -0.5]);
    }
  }
});

Deno.test("what training leaves beside a network is left out, and the rest is refused by name", async () => {
  const network = [...features("A"), ...HEAD];
  for (
    const name of [
      "criterion.weight",
      "loss_fn.weight",
      "center_loss.centers",
      "center",
      "focal_loss.alpha",
    ]
  ) {
    assertEquals(await infer([...network, [name, [5]]]), `32 ${BLOCKS_A}Fdrdrd`);
    assertEquals(await infer([...network, [name, [5, 1]]]), `32 ${BLOCKS_A}Fdrdrd`);
  }
  await refuse([...network, ["temperature", [1]]], {}, "temperature");
  await refuse([...network, ["features.1.weight", [1]]], {}, "features.1.weight", "PReLU");
  await refuse([...network, ["arr_0", [1]]], {}, "arr_0", "names of layers");
  await refuse(
    [...network, ["features.0.weight_g", [4, 1, 1, 1]]],
    {},
    "features.0.weight_g",
    "remove_weight_norm",
  );
  const group: Shapes = [["features.1.weight", [4]], ["features.1.bias", [4]]];
  await refuse([...network, ...group], {}, "features.1", "group, instance or layer normalization");
});

Deno.test("fastai's head is refused by its average and maximum", async () => {
  const body = features("A", { norm: "before", name: "0.0" });
  const head: Shapes = [...norm1d("1.2", 24), ["1.4.weight", [9, 24]], ...norm1d("1.6", 9), [
    "1.8.weight",
    [5, 9],
  ]];
  await refuse([...body, ...head], {}, "1.4.weight", "AdaptiveConcatPool2d");
});

/** The four tensors of Keras' batch normalization. */
const keras = (name: string, size: number): [string, number[]][] =>
  ["gamma", "beta", "moving_mean", "moving_variance"].map((part) => [`${name}.${part}`, [size]]);

Deno.test("a normalization of the colors stands before the first convolution", async () => {
  // nn.BatchNorm2d(3), then the convolutions.
  const numbered: Shapes = [...norm1d("features.0", 3), ...features("A", { first: 1 }), ...HEAD];
  assertEquals(await infer(numbered), `32 n${BLOCKS_A}Fdrdrd`);
  // Keras' Normalization, which divides by the deviation itself.
  const adapted: Shapes = [
    ["normalization.mean", [1, 1, 1, 3]],
    ["normalization.variance", [1, 1, 1, 3]],
    ["normalization.count", [1]],
    ...features("A"),
    ...HEAD,
  ];
  const { graph } = await inferNetwork(checkpointOf(adapted, {}), "x.h5", {});
  const norm = graph.nodes[1]!.operator;
  if (norm.kind !== "batchNorm") throw new Error(norm.kind);
  assertEquals([norm.epsilon, norm.gamma, norm.mean.shape], [0, undefined, [1, 1, 1, 3]]);
  await refuse(
    [...numbered, ...norm1d("input_norm", 3)],
    {},
    "features.0",
    "input_norm",
    "the same values",
  );
});

Deno.test("normalizations go with layers by their sizes, numbers and order, or are refused", async () => {
  const of = (block: number, index: number) => `conv${block}_${index}`;
  const network = named("A", of);
  const norms = convolutions("A").flatMap(({ block, index, outputs }) =>
    keras(`bn${block + 1}_${index + 1}`, outputs)
  );
  const normal = "cnrP cnrP cnrcnrP cnrcnrP cnrcnrP ";
  const head = dense("fc", [0, 3], [12, 7, 5]);
  const options: Case = { norm: "before-relu" };
  // Of all layers but the last, whatever their order in the file.
  const all = [...network, ...head, ...norms, ...keras("bn6_1", 7)];
  assertEquals(await infer(all.toReversed(), options), `32 ${normal}Fdnrd`);
  // Behind the layer that was declared last.
  const declared: Shapes = [
    ...convolutions("A").flatMap(({ block, index, shape, outputs }): [string, number[]][] => [
      [`${of(block + 1, index + 1)}.kernel`, shape],
      ...keras(`n${String(9 - block)}_${index}_x`, outputs),
    ]),
    ["fc1.kernel", [7, 12]],
    ...keras("last_norm", 7),
    ["fc2.kernel", [5, 7]],
  ];
  assertEquals(await infer(declared, { ...options, order: "declared" }), `32 ${normal}Fdnrd`);
  await refuse([...network, ...norms.slice(0, 12), ...HEAD], options, "normalizations", "bn1_1");
  await refuse([...network, ...norms, ...keras("other", 4), ...HEAD], options, "normalizations");
  const first: Shapes = [...keras("bn", 9), ...network, ...HEAD];
  await refuse(first, { ...options, order: "declared" }, "bn", "before all layers");
  const larger = features("A", { norm: "before" }).map(([name, shape]) =>
    [name, name.startsWith("features.1.") ? shape.map((size) => size + 1) : shape] as const
  );
  await refuse([...larger, ...HEAD], {}, "features.1", "5 numbers", "4 outputs");
  const twice = norm1d("features.0.bn", 4);
  await refuse(
    [...features("A", { norm: "before" }), ...twice, ...HEAD],
    {},
    "features.0",
    "another normalization",
  );
  const half: Shapes = [["features.1.running_mean", [4]]];
  await refuse([...features("A"), ...half, ...HEAD], {}, "features.1", "mean and a variance");
});

Deno.test("in one sequence of all, a normalization behind the last ReLU is that of its convolution", async () => {
  const net: Shapes = [
    ...features("A", { name: "net", norm: "after" }),
    ...dense("net", [30, 33], [12, 7, 5]),
  ];
  assertEquals(await infer(net), "32 crnP crnP crncrnP crncrnP crncrnP Fdrd");
});

Deno.test("the input's size is said to be assumed unless it is given", async () => {
  const assumed = async (shapes: Shapes, options: Case = {}): Promise<readonly string[]> =>
    (await inferNetwork(checkpointOf(shapes, options), "x.pth", options)).assumptions;
  const of = (
    inputs: number,
  ): Shapes => [...features("A"), ...dense("classifier", [0, 3], [inputs, 7, 5])];
  assertEquals((await assumed(of(48))).map((text) => /\d+x\d+/.exec(text)?.[0]), ["64x64"]);
  assertEquals((await assumed(of(12))).map((text) => /\d+x\d+/.exec(text)?.[0]), ["32x32"]);
  assertEquals(await assumed(of(48), { inputSize: 70 }), []);
  assertEquals(await assumed(of(12), { inputSize: 40 }), []);
  // A map of 3x1 is none of a square input, whose size is not known then.
  assertEquals(await infer(of(36)), `undefined ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(of(36), { inputSize: 96 }), `96 ${BLOCKS_A}Fdrd`);
  assertEquals(await infer(features("A"), { inputSize: 96 }), `96 ${BLOCKS_A}`);
  await refuse(of(48), { afterPool: "average", inputSize: 64 }, "takes 48 inputs", "12");
});

Deno.test("timm averages a map that is smaller than its filter", async () => {
  const timm: Shapes = [...features("A"), ["pre_logits.fc1.weight", [7, 12, 3, 3]], [
    "head.fc.weight",
    [5, 7],
  ]];
  assertEquals(await infer(timm), `96 ${BLOCKS_A}crd`);
  assertEquals(await infer(timm, { inputSize: 96 }), `96 ${BLOCKS_A}crd`);
  assertEquals(await infer(timm, { inputSize: 64 }), `64 ${BLOCKS_A}Acrd`);
});

Deno.test("room for an average beside a Flatten: in one sequence of all it is the fourth module", async () => {
  const of = (first: number): Shapes => [
    ...features("A", { name: "net" }),
    ...dense("net", [first, first + 3], [12, 7, 5]),
  ];
  // net.18 is the last convolution; then ReLU, pool and Flatten.
  assertEquals(await infer(of(22)), `32 ${BLOCKS_A}Fdrd`);
  await refuse(of(23), {}, "net.23.weight", "--after-pool average");
});

Deno.test("dense layers that take as many inputs are a chain if their names are those of one", async () => {
  const of = (...names: string[]): Shapes => [
    ...features("A"),
    ...names.map((name, i): [string, number[]] => [
      `${name}.weight`,
      [i === names.length - 1 ? 5 : 12, 12],
    ]),
  ];
  const chains = [
    ["classifier.0", "classifier.3"],
    ["0.head.0", "0.head.3"],
    ["fc1", "fc2"],
    ["model.linear", "model.classifier"],
    ["fc", "head.out"],
    ["dense", "dense_1"],
  ];
  for (const names of chains) {
    assertEquals(await infer(of(...names), { order: "declared" }), `32 ${BLOCKS_A}Fdrd`);
  }
  const heads = [
    ["head1", "head2"],
    ["out", "fc"],
    ["age", "classifier"],
    ["fc_age", "fc_gender"],
    ["a.0", "b.0"],
  ];
  for (const names of heads) {
    await refuse(of(...names), { order: "declared" }, names[0]!, names[1]!, "side by side");
  }
});

Deno.test("names of one series are in the order of their numbers, of letters behind them too", async () => {
  const letters = named("D", (block, index) => `conv_${block}${"abc"[index - 1]}`);
  assertEquals(await infer([...letters.toReversed(), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
  // Keras numbers all but the first.
  const counted = named("D", (_, __, all) => all === 0 ? "conv2d" : `conv2d_${all}`);
  assertEquals(await infer([...counted.toReversed(), ...HEAD]), `32 ${BLOCKS_D}Fdrdrd`);
});

Deno.test("a file without convolutions is no VGG", async () => {
  await refuse(HEAD, {}, "8, 10, 13 or 16", "found 0");
  await refuse([["features.0.weight", [4, 3, 3]]], {}, "features.0.weight", "2 or 4 dimensions");
  await refuse([["features.0.bias", [4]]], {}, "features.0.bias", "without a weight");
});

Deno.test("slices that are cut elsewhere than at pools keep the numbers of their network", async () => {
  const of = (shapes: Shapes, ends: readonly number[]): Shapes =>
    shapes.map(([name, shape]) => {
      const slice = ends.findIndex((end) => Number(name.split(".")[1]) < end) + 1;
      return [name.replace("features", `slice${slice}`), shape] as const;
    });
  // After the first ReLU of each block.
  assertEquals(
    await infer([...of(features("D"), [2, 7, 12, 19, 30]), ...HEAD]),
    `32 ${BLOCKS_D}Fdrdrd`,
  );
  const cut = of(features("E").slice(0, 26), [2, 7, 12, 21, 30]);
  await refuse(cut, {}, "slice4.16.weight", "must be slice4.17", "pools", "1 module");
});

Deno.test("a list of convolutions alone says nothing of what is between them, which is said", async () => {
  const list = named("A", (_, __, all) => `convs.${all}`);
  assertEquals(await infer([...list, ...HEAD]), `32 ${BLOCKS_A}Fdrdrd`);
  const said = async (shapes: Shapes): Promise<string> =>
    (await inferNetwork(checkpointOf(shapes, {}), "x.pth", {})).assumptions.join();
  assert((await said([...list, ...HEAD])).includes("max-pools"));
  assert((await said([...features("A", { afterPool: 1 }), ...HEAD])).includes("dropout"));
  assert(
    (await said([...features("D", { afterRelu: 1 }).filter(([name]) => name !== ""), ...HEAD]))
      .includes("pixels"),
  );
  assert(!(await said([...features("A"), ...HEAD])).includes("max-pools"));
  // Where a list holds other things too, nothing lies between convolutions that follow each other.
  const tight: Shapes = named("B", (block, index) => `net.${3 * block + index}`);
  assertEquals(
    await infer([...tight, ...HEAD]),
    "32 ccrP ccrP ccrP ccrP ccrP Fdrdrd",
  );
});

Deno.test("more modules than a ReLU, a pool and dropout are refused", async () => {
  for (const options of [{ afterRelu: 2, afterPool: 1 }, { afterPool: 2 }]) {
    await refuse([...features("D", options), ...HEAD], {}, "features.0", "without weights");
    await refuse(
      [...features("D", { ...options, norm: "before" }), ...HEAD],
      {},
      "without weights",
    );
  }
  const three = features("D", { norm: "before", afterRelu: 1, afterPool: 1 });
  assertEquals(
    await infer([...three, ...HEAD]),
    "32 cnrcnrP cnrcnrP cnrcnrcnrP cnrcnrcnrP cnrcnrcnrP Fdrdrd",
  );
});

Deno.test("names in other words: Frossard's, MXNet's, Chainer's, Paddle's, and a layer with its own norm", async () => {
  const of = (parts: (name: string, outputs: number, shape: readonly number[]) => Shapes): Shapes =>
    convolutions("A").flatMap(({ block, index, shape, outputs }) =>
      parts(`conv${block + 1}_${index + 1}`, outputs, shape)
    );
  const dense: Shapes = [["fc6_W", [7, 12]], ["fc6_b", [7]], ["fc7_W", [5, 7]]];
  assertEquals(
    await infer([...of((name, _, shape) => [[`${name}_W`, shape]]), ...dense]),
    `32 ${BLOCKS_A}Fdrd`,
  );
  const norms = "32 cnrP cnrP cnrcnrP cnrcnrP cnrcnrP Fdrd";
  const own = of((name, outputs, shape) => [
    [`${name}/weights`, shape],
    [`${name}/biases`, [outputs]],
    [`${name}/gamma`, [outputs]],
    [`${name}/moving_mean`, [outputs]],
    [`${name}/moving_variance`, [outputs]],
  ]);
  const checkpoint = checkpointOf([...own, ...dense], {});
  const { graph } = await inferNetwork(checkpoint, "x.npz", {});
  const [, conv, norm] = graph.nodes.map(({ operator }) => operator);
  if (conv?.kind !== "conv" || norm?.kind !== "batchNorm") throw new Error("another order");
  assertEquals([conv.weight.name, conv.bias?.name], ["conv1_1/weights", "conv1_1/biases"]);
  assertEquals([norm.gamma?.name, norm.beta, norm.mean.name, norm.variance.name], [
    ...["conv1_1/gamma", undefined, "conv1_1/moving_mean", "conv1_1/moving_variance"],
  ]);
  const paddle = of((name, outputs, shape) => [
    [`${name}.weight`, shape],
    ...["weight", "bias", "_mean", "_variance"].map((part) =>
      [`${name}.bn.${part}`, [outputs]] as const
    ),
  ]);
  assertEquals(await infer([...paddle, ...dense]), norms);
  const chainer = of((name, outputs, shape) => [
    [`${name}/W`, shape],
    ...["gamma", "beta", "avg_mean", "avg_var"].map((part) =>
      [`${name}/bn/${part}`, [outputs]] as const
    ),
    [`${name}/bn/N`, []],
  ]);
  assertEquals(await infer([...chainer, ...dense]), norms);
  const flax = of((name, outputs, shape) => [
    [`params/${name}/kernel`, shape],
    ...["scale", "bias"].map((part) => [`params/${name}/bn/${part}`, [outputs]] as const),
    ...["mean", "var"].map((part) => [`batch_stats/${name}/bn/${part}`, [outputs]] as const),
    [`opt_state/0/mu/${name}/kernel`, shape],
  ]);
  assertEquals(await infer([...flax, ...dense]), norms);
});

Deno.test("two tensors for one part are ambiguous", async () => {
  const network = [...features("A"), ...HEAD];
  await refuse(
    [...network, ["classifier.0.kernel", [7, 12]]],
    {},
    "classifier.0",
    "more than one weight",
  );
  const colors: Shapes = [["mean", [3]], ["std", [3]], ["norm.mean", [3]]];
  await refuse([...network, ...colors], {}, "mean", "norm.mean", "normalizes images");
});

Deno.test("constants that change no color are none of the network, and one alone is", async () => {
  const network = [...features("A"), ...HEAD];
  const withColors = async (
    mean: number | undefined,
    std: number | undefined,
    layout: Case["layout"],
  ) => {
    const shapes: Shapes = [
      ...network,
      ...mean === undefined ? [] : [["mean", [1]] as const],
      ...std === undefined ? [] : [["std", [3]] as const],
    ];
    const checkpoint = checkpointOf(shapes, { layout });
    const tensors = checkpoint.tensors.map((tensor): CheckpointTensor => ({
      ...tensor,
      read: (_, into) => void into.fill(tensor.name === "mean" ? mean! : std!),
    }));
    return (await inferNetwork({ ...checkpoint, tensors }, "x.pth", {})).graph.nodes[1]!.operator;
  };
  assertEquals((await withColors(0, 1, "first")).kind, "conv");
  assertEquals((await withColors(0, 2, "first")).kind, "affine");
  assertEquals((await withColors(1, 1, "first")).kind, "affine");
  assertEquals((await withColors(3, undefined, "first")).kind, "affine");
  const step = await withColors(undefined, 2, "first");
  if (step.kind !== "affine" || typeof step.scale !== "object") throw new Error(step.kind);
  // As it is broadcast over a map.
  assertEquals(step.scale.shape, [3, 1, 1]);
});

Deno.test("an alphabet is no order, even where it would be a chain", async () => {
  const words = ["a", "beta", "c", "d", "e_", "ff", "g", "h"].map((word) => `${word}x`);
  const network = convolutions("A").flatMap((_, i): [string, number[]][] => [
    [`${words[i]}.weight`, i === 0 ? [12, 3, 3, 3] : [12, 12, 3, 3]],
    [`${words[i]}.bias`, [12]],
  ]);
  const head = dense("zz", [0, 3], [12, 7, 5]);
  const declared: Case = { order: "declared" };
  assertEquals(await infer([...network, ...head], declared), `32 ${BLOCKS_A}Fdrd`);
  await refuse(sorted([...network, ...head]), declared, "order of the convolutions");
});

Deno.test("networks in a file are named as far as they differ; one of grey images has one channel", async () => {
  const of = (name: string): Shapes =>
    [...features("A"), ...HEAD].map(([tensor, shape]) =>
      [`model.net.${name}.${tensor}`, shape] as const
    );
  await refuse([...of("student"), ...of("teacher")], {}, "model.net.student, model.net.teacher");
  const grey = [...features("A"), ...HEAD].map(([name, shape]) =>
    [name, name === "features.0.weight" ? [4, 1, 3, 3] : shape] as const
  );
  assertEquals(await infer(grey), `32 ${BLOCKS_A}Fdrdrd`);
  const two = grey.map(([name, shape]) => [`b.${name}`, shape] as const);
  await refuse([...grey.map(([name, shape]) => [`a.${name}`, shape] as const), ...two], {}, "a, b");
});
