import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertObjectMatch,
  assertRejects,
} from "@std/assert";
import { concat } from "@std/bytes/concat";
import { toFileUrl } from "@std/path";
import { convert } from "../../../lib/convert/convert.ts";
import { openModel } from "../../../lib/model/file.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { readAll } from "../../../lib/convert/formats/checkpoint.ts";
import type { Checkpoint } from "../../../lib/convert/formats/checkpoint.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { choosePreprocessing } from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { mutate, seededRandom } from "../../fuzz/checkpoints.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";
import { honest, serveFlaky } from "../../support/flaky_server.ts";
import { message, type ProtoValue, varint } from "../../support/proto_writer.ts";

const CHECKPOINTS = new URL("../../fixtures/checkpoints/", import.meta.url);
const FIXTURES = new URL("tensorflow/", CHECKPOINTS);

/** What TensorFlow gives for the photo. */
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FIXTURES)),
);
const PHOTO = Deno.readFileSync(new URL("photo.rgb", CHECKPOINTS));

/** TensorFlow computes in float32, this test in float64. */
const TOLERANCE = 1e-4;

async function withCheckpoint<T>(
  file: URL | Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<T> | T,
  state?: string,
): Promise<T> {
  const source = await openConversionSource(file, {});
  try {
    const checkpoint = await openCheckpoint(source.bytes, { ...source, state });
    try {
      if ("inGraphOrder" in checkpoint) throw new Error("a reader of the old kind");
      return await use(checkpoint);
    } finally {
      checkpoint.close();
    }
  } finally {
    source.bytes.close();
  }
}

/** The logits of the photo, and who says how it is prepared. */
async function logitsOf(checkpoint: Checkpoint, file: string): Promise<[Float64Array, string]> {
  const { network, images } = await understand(checkpoint, file, { inputSize: 64 });
  const chosen = choosePreprocessing(network, images, undefined, file);
  const { scale, mean, std } = chosen.preprocessing;
  const values = Float64Array.from(PHOTO, (byte, i) => (byte * scale - mean[i % 3]) / std[i % 3]);
  const { height, width } = network.architecture.input;
  const layers = await networkLayers(network, chosen);
  return [forward(layers, { height, width, channels: 3, values }), chosen.from];
}

/** A file or folder to give, the fixture that it stands for, and who says how images are prepared. */
const NETWORKS: readonly (readonly [file: string, fixture: string, from: string])[] = [
  ["imported.tfmodel", "imported.tfmodel", "read"],
  ["fused.pb", "fused.pb", "assumed"],
  ["channels_first.pb", "channels_first.pb", "assumed"],
  ["keras2.zip", "keras2.zip", "read"],
  ["keras3.zip", "keras3.zip", "read"],
  ["keras3_module.zip", "keras3_module.zip", "read"],
  ["slim.ckpt.index", "slim.ckpt.index", "read"],
  ["slim_v1.ckpt", "slim_v1.ckpt", "read"],
  ["keras2.index", "keras2.index", "assumed"],
  ["keras3.data-00000-of-00001", "keras3.index", "assumed"],
  ["module", "module", "read"],
  ["graph_model/model.json", "module", "read"],
  ["module/saved_model.pb", "module", "read"],
  ["module/variables/variables.index", "module", "read"],
  ["module/variables/variables.data-00000-of-00001", "module", "read"],
];

for (const [file, fixture, from] of NETWORKS) {
  Deno.test(`${file} gives TensorFlow's logits`, async () => {
    const expected = EXPECTED[fixture];
    const largest = Math.max(...expected.map(Math.abs));
    await withCheckpoint(new URL(file, FIXTURES), async (checkpoint) => {
      const [logits, foundFrom] = await logitsOf(checkpoint, file);
      assertEquals(foundFrom, from);
      assertEquals(logits.length, expected.length);
      for (const [i, logit] of logits.entries()) {
        assertAlmostEquals(logit, expected[i], TOLERANCE * largest, `logit ${i}`);
      }
    });
  });
}

const SLIM_NAMES = ["conv1/conv1_1", "conv2/conv2_1", "conv3/conv3_1", "conv3/conv3_2"]
  .concat(["conv4/conv4_1", "conv4/conv4_2", "conv5/conv5_1", "conv5/conv5_2", "fc6", "fc7", "fc8"])
  .flatMap((name) => [`vgg_a/${name}/biases`, `vgg_a/${name}/weights`]);

for (
  const file of ["slim.ckpt.index", "slim.ckpt.data-00000-of-00001", "slim.ckpt", "slim_v1.ckpt"]
) {
  Deno.test(`${file} has TF-Slim's variables, without an optimizer's, and its mean`, async () => {
    await withCheckpoint(new URL(file, FIXTURES), ({ tensors, images, order }) => {
      const names = tensors.map(({ name }) => name).filter((name) => !name.endsWith("mean_rgb"));
      assertEquals(names.toSorted(), SLIM_NAMES);
      assertEquals(order, "none");
      assertEquals([images?.isRead, images?.colors], [true, "rgb"]);
      const mean = [123.68, 116.78, 103.94].map(Math.fround);
      assertEquals(images?.preprocessing, { scale: 1, mean, std: [1, 1, 1] });
      const fc6 = tensors.find(({ name }) => name === "vgg_a/fc6/weights")!;
      assertEquals(fc6.shape, [2, 2, 8, 12]);
    });
  });
}

Deno.test("a model has the name of the folder, or of what a checkpoint's files begin with", async () => {
  const idOf = async (file: string) => {
    const { bytes } = await convert(new URL(file, FIXTURES), { inputSize: 64 });
    const { id, provenance } = await openModel(bytes);
    return [id, provenance.source];
  };
  assertEquals(await idOf("module"), ["module", "module"]);
  assertEquals(await idOf("module/"), ["module", "module"]);
  assertEquals(await idOf("slim.ckpt"), ["slim", "slim.ckpt"]);
  assertEquals(await idOf("slim.ckpt.index"), ["slim.ckpt", "slim.ckpt.index"]);
});

Deno.test("a SavedModel and its variables come from a server", async () => {
  const read = (path: string) => Deno.readFileSync(new URL(`.${path}`, FIXTURES));
  await using server = serveFlaky((request) => honest(read(request.path), request));
  for (const file of ["saved_model.pb", "variables/variables.index"]) {
    const url = new URL(`${server.url}/module/${file}`);
    await withCheckpoint(url, async (checkpoint) => {
      const [logits] = await logitsOf(checkpoint, file);
      assertAlmostEquals(logits[0], EXPECTED.module[0], TOLERANCE * 10);
    });
  }
});

Deno.test("a SavedModel's only signature is its network, whatever it is called", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/variables`);
    for (const { name } of Deno.readDirSync(new URL("module/variables", FIXTURES))) {
      const file = `variables/${name}`;
      await Deno.copyFile(new URL(`module/${file}`, FIXTURES), `${folder}/${file}`);
    }
    const bytes = await Deno.readFile(new URL("module/saved_model.pb", FIXTURES));
    // A letter for each byte.
    const text = new TextDecoder("latin1").decode(bytes), name = "serving_default";
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
      bytes.set(new TextEncoder().encode("what_it_answers"), at);
    }
    await Deno.writeFile(`${folder}/saved_model.pb`, bytes);
    await withCheckpoint(toFileUrl(`${folder}/`), async (checkpoint) => {
      const [logits] = await logitsOf(checkpoint, "module");
      assertAlmostEquals(logits[0], EXPECTED.module[0], TOLERANCE * 10);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("both versions of a checkpoint have the same numbers", async () => {
  const read = (file: string) =>
    withCheckpoint(new URL(file, FIXTURES), async ({ tensors }) =>
      new Map(
        await Promise.all(
          tensors.map(async (tensor) => [tensor.name, await readAll(tensor)] as const),
        ),
      ));
  const [first, second] = [await read("slim_v1.ckpt"), await read("slim.ckpt")];
  assertEquals(first, second);
});

for (const file of ["keras2.index", "keras3.index"]) {
  Deno.test(`the variables of ${file} have the names of Keras' layers, in their order`, async () => {
    await withCheckpoint(new URL(file, FIXTURES), ({ tensors, order }) => {
      const layers = tensors.map(({ name }) => name.replace(/^sequential(_\d+)?\//, ""))
        .filter((name) => name.endsWith("kernel"));
      assertEquals(
        layers,
        [
          ...["block1_conv1", "block2_conv1", "block3_conv1", "block3_conv2", "block4_conv1"],
          ...["block4_conv2", "block5_conv1", "block5_conv2", "fc1", "predictions"],
        ].map((layer) => `${layer}/kernel`),
      );
      assertEquals(tensors.length, 2 * layers.length);
      assertEquals(order, "declared");
    });
  });
}

Deno.test("a layer of a graph is what its attributes say", async () => {
  await withCheckpoint(new URL("channels_first.pb", FIXTURES), ({ graph }) => {
    const [input, conv] = graph!.nodes.map(({ operator }) => operator);
    assertEquals(input, { kind: "input", layout: "NCHW", height: 64, width: 64, channels: 3 });
    assertObjectMatch(conv, {
      ...{ kind: "conv", layout: "NCHW", stride: [1, 1], padding: "same", dilation: [1, 1] },
      ...{ groups: 1, weight: { shape: [3, 3, 3, 4] } },
    });
    assertEquals(graph!.outputs.length, 1);
    // Dropout is gone with its mask.
    assert(graph!.nodes.every(({ operator }) => operator.kind !== "unsupported"));
  });
});

// Graphs that are written here.

type Attribute = readonly [name: string, value: Uint8Array];

function node(
  name: string,
  op: string,
  inputs: readonly string[] = [],
  ...attributes: Attribute[]
): readonly [1, Uint8Array] {
  return [
    1,
    message(
      [1, name],
      [2, op],
      ...inputs.map((input) => [3, input] as const),
      ...attributes.map(([name, value]) => [5, message([1, name], [2, value])] as const),
    ),
  ];
}

const FLOAT = 1, INT32 = 3, UINT8 = 4, STRING = 7, BOOL = 10;
const shape = (...sizes: number[]): Uint8Array =>
  message(...sizes.map((size) => [2, message([1, size])] as const));
const type = (value: number): Attribute => ["dtype", message([6, value])];
const constant = (
  name: string,
  sizes: readonly number[],
  dtype: number,
  ...fields: (readonly [number, ProtoValue])[]
) =>
  node(name, "Const", [], type(dtype), [
    "value",
    message([8, message([1, dtype], [2, shape(...sizes)], ...fields)]),
  ]);
const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
const images = node("x", "Placeholder", [], type(FLOAT), [
  "shape",
  message([7, shape(-1, 32, 32, 3)]),
]);
const filter = constant("w", [3, 3, 3, 2], FLOAT, [5, floats(0.5)]);
const conv = node("conv", "Conv2D", ["x", "w"], [
  "strides",
  message([1, message([3, Uint8Array.of(1, 1, 1, 1)])]),
], [
  "padding",
  message([2, "SAME"]),
]);
const VERSION = [4, message([1, 1000])] as const;

const graphOf = (...nodes: (readonly [number, Uint8Array])[]): Uint8Array =>
  message(...nodes, VERSION);

function operatorsOf(bytes: Uint8Array): Promise<unknown[]> {
  return withCheckpoint(
    bytes,
    ({ graph }) => graph!.nodes.map(({ operator, name }) => [name, operator]),
  );
}

Deno.test("one number of a constant stands for all that would follow it", async () => {
  await withCheckpoint(graphOf(images, filter, conv), async ({ tensors }) => {
    assertEquals(await readAll(tensors[0]), new Float32Array(54).fill(0.5));
  });
});

Deno.test("a constant's place in a file is where its bytes begin", async () => {
  const values = floats(...Array.from({ length: 54 }, (_, i) => i + 0.5));
  const file = graphOf(images, constant("w", [3, 3, 3, 2], FLOAT, [4, values]), conv);
  await withCheckpoint(file, ({ tensors: [{ position }] }) => {
    assertEquals(file.slice(position, position! + values.length), values);
  });
});

Deno.test("constants that are computed in many steps are read, however many there are", async () => {
  const turns = constant("order", [4], INT32, [4, Uint8Array.of(0, 1, 2, 3)]);
  for (const [op, ...more] of [["Neg"], ["Transpose", "order"]] as const) {
    const count = 10_000;
    const steps = Array.from(
      { length: count },
      (_, i) => node(i === 0 ? "w" : `w${i}`, op, [i === count - 1 ? "w0" : `w${i + 1}`, ...more]),
    );
    const first = constant("w0", [3, 3, 3, 2], FLOAT, [5, floats(0.5)]);
    const file = graphOf(images, first, turns, ...steps, conv);
    await withCheckpoint(file, async ({ tensors }) => {
      assertEquals(await readAll(tensors[0]), new Float32Array(54).fill(0.5));
    });
  }
});

Deno.test("what is not understood keeps its name, and says what it takes", async () => {
  const elu = node("act", "Elu", ["conv"]);
  const sum = node("sum", "Add", ["act", "conv"]);
  const operators = await operatorsOf(graphOf(images, filter, conv, elu, sum));
  assertEquals(operators.slice(2), [
    ["act", { kind: "unsupported", type: "Elu", because: undefined }],
    ["sum", { kind: "unsupported", type: "Add", because: "both of its values are computed" }],
  ]);
});

Deno.test("functions of constants are those of numbers", async () => {
  const unary = {
    ...{ Rsqrt: 0.5, Sqrt: 2, Square: 16, Neg: -4, Reciprocal: 0.25, Inv: 0.25 },
    ...{ Exp: Math.exp(4), Abs: 4 },
  };
  // Of 4 and 3.
  const binary = {
    ...{ Add: 7, AddV2: 7, Mul: 12, Sub: 1, RealDiv: 4 / 3, Div: 4 / 3, DivNoNan: 4 / 3 },
    ...{ FloorDiv: 1, Maximum: 4, Minimum: 3, Pow: 64 },
  };
  const four = constant("four", [3, 3, 3, 2], FLOAT, [5, floats(4)]);
  const three = constant("three", [], FLOAT, [5, floats(3)]);
  const given = (op: string, ...more: string[]) =>
    withCheckpoint(
      graphOf(images, four, three, node("w", op, ["four", ...more]), conv),
      async ({ tensors }) => [...new Set(await readAll(tensors[0]))],
    );
  for (const [op, expected] of Object.entries(unary)) {
    assertEquals(await given(op), [Math.fround(expected)], op);
  }
  for (const [op, expected] of Object.entries(binary)) {
    assertEquals(await given(op, "three"), [Math.fround(expected)], op);
  }
});

Deno.test("arithmetic of constants is done, that of images and a constant is a scale and a shift", async () => {
  const two = constant("two", [], FLOAT, [5, floats(2)]);
  const four = constant("four", [], FLOAT, [5, floats(4)]);
  const root = node("root", "Rsqrt", ["four"]);
  const factor = node("factor", "Mul", ["root", "two"]);
  const nodes = [
    node("less", "Sub", ["x", "factor"]),
    node("more", "Sub", ["two", "less"]),
    node("part", "RealDiv", ["more", "two"]),
    node("relu", "Maximum", ["part", "zero"]),
    constant("zero", [], FLOAT),
    node("conv", "Conv2D", ["relu", "w"], ["padding", message([2, "VALID"])]),
  ];
  const operators = await operatorsOf(graphOf(images, filter, two, four, root, factor, ...nodes));
  assertEquals(operators.slice(1, 5), [
    ["less", { kind: "affine", shift: -1 }],
    ["more", { kind: "affine", scale: -1, shift: 2 }],
    ["part", { kind: "affine", scale: 0.5 }],
    ["relu", { kind: "relu" }],
  ]);
});

Deno.test("an optimizer draws a bias, a ReLU or a sigmoid into a layer; what else it draws is refused", async () => {
  const bias = constant("b", [2], FLOAT, [5, floats(1, 2)]);
  const fused = (last: string) =>
    operatorsOf(graphOf(
      images,
      filter,
      bias,
      node("dense", "_FusedConv2D", ["x", "w", "b"], ["padding", message([2, "SAME"])], [
        "fused_ops",
        message([1, message([2, "BiasAdd"], [2, last])]),
      ]),
    ));
  for (const [last, kind] of [["Relu", "relu"], ["Sigmoid", "sigmoid"]]) {
    const operators = await fused(last);
    assertEquals(operators.length, 4);
    assertEquals(operators.at(-1), ["dense", { kind }]);
  }
  assertEquals((await fused("Tanh")).at(-1), [
    "dense",
    { kind: "unsupported", type: "_FusedConv2D", because: "it does Tanh, too" },
  ]);
});

Deno.test("an optimizer draws batch normalization into a layer, of which mean and variance must be known", async () => {
  const numbers = ["gamma", "beta", "mean", "variance"].map((name) =>
    constant(name, [2], FLOAT, [5, floats(1, 2)])
  );
  const fused = (...inputs: readonly string[]) =>
    operatorsOf(graphOf(
      images,
      filter,
      ...numbers,
      node("dense", "_FusedConv2D", ["x", "w", ...inputs], ["padding", message([2, "SAME"])], [
        "fused_ops",
        message([1, message([2, "FusedBatchNorm"])]),
      ]),
    ));
  const last = async (...inputs: readonly string[]) => (await fused(...inputs)).at(-1) as object;
  const whole = await last("gamma", "beta", "mean", "variance");
  assertObjectMatch(whole, { 0: "dense", 1: { kind: "batchNorm" } });
  assertObjectMatch(await last("gamma", "beta"), { 0: "dense", 1: { kind: "unsupported" } });
});

Deno.test("batch normalization in training is refused, and what has no equal", async () => {
  const numbers = ["gamma", "beta", "mean", "variance"].map((name) =>
    constant(name, [2], FLOAT, [5, floats(1)])
  );
  const norm = node("norm", "FusedBatchNormV3", ["conv", "gamma", "beta", "mean", "variance"]);
  const operators = await operatorsOf(graphOf(images, filter, conv, ...numbers, norm));
  assertEquals(
    (operators.at(-1) as [string, { because: string }])[1].because,
    "it takes the mean of the images, as in training",
  );
});

/** A graph that doubles its images in training, by a condition of this node, and takes what is positive of them else. */
function switchedGraph(
  condition: readonly [1, Uint8Array],
  ifTrue: string,
  ...others: (readonly [1, Uint8Array])[]
): Uint8Array {
  const two = constant("two", [], FLOAT, [5, floats(2)]);
  return graphOf(
    ...[images, filter, conv, two, constant("no", [], BOOL, [11, 0]), condition],
    node("switch", "Switch", ["conv", "training"]),
    node("in_training", "Mul", ["switch:1", "two"]),
    node("else", "Relu", ["switch:0"]),
    ...others,
    node("merge", "Merge", ["else", ifTrue]),
  );
}

Deno.test("a branch that is for training is left out", async () => {
  const byDefault = node("training", "PlaceholderWithDefault", ["no"], type(BOOL));
  const operators = await operatorsOf(switchedGraph(byDefault, "in_training"));
  assertEquals(operators.slice(2), [["else", { kind: "relu" }]]);
  const always = constant("training", [], BOOL, [11, 1]);
  assertEquals((await operatorsOf(switchedGraph(always, "in_training"))).slice(2), [
    ["in_training", { kind: "affine", scale: 2 }],
  ]);
});

Deno.test("dropout is left out if its mask is made of random numbers in eight steps at most", async () => {
  const kinds = async (steps: number) => {
    const chain = Array.from(
      { length: steps },
      (_, i) => node(`step${i}`, "Identity", [i === 0 ? "random" : `step${i - 1}`]),
    );
    const operators = await operatorsOf(graphOf(
      ...[images, filter, conv, node("random", "RandomUniform", ["two"]), ...chain],
      ...[node("kept", "RealDiv", ["conv", "half"]), constant("half", [], FLOAT, [5, floats(0.5)])],
      ...[node("drop", "Mul", ["kept", `step${steps - 1}`]), node("end", "Relu", ["drop"])],
    ));
    return operators.slice(2).map((entry) => (entry as [string, { kind: string }])[1].kind);
  };
  // The random numbers themselves are the last step.
  for (const steps of [1, 7]) assertEquals(await kinds(steps), ["relu"]);
  assertEquals(await kinds(8), ["affine", "unsupported", "relu"]);
});

Deno.test("dropout in a branch that is for training is left out with it", async () => {
  const byDefault = node("training", "PlaceholderWithDefault", ["no"], type(BOOL));
  const mask = [
    node("random", "RandomUniform", ["two"]),
    node("mask", "Floor", ["random"]),
    node("dropped", "Mul", ["in_training", "mask"]),
  ];
  for (const ifTrue of ["dropped", "in_training"]) {
    const operators = await operatorsOf(switchedGraph(byDefault, ifTrue, ...mask));
    assertEquals(operators.slice(2), [["else", { kind: "relu" }]]);
  }
});

Deno.test("branches of which nobody knows which is taken are refused", async () => {
  const isRefused = (found: unknown[]) =>
    assertObjectMatch(found.at(-1) as object, {
      0: "merge",
      1: { kind: "unsupported", type: "Merge" },
    });
  const fed = node("training", "Placeholder", [], type(BOOL));
  isRefused(await operatorsOf(switchedGraph(fed, "in_training")));
  // Both branches give something.
  const byDefault = node("training", "PlaceholderWithDefault", ["no"], type(BOOL));
  isRefused(await operatorsOf(switchedGraph(byDefault, "conv")));
});

Deno.test("a condition that calls a function calls the one that is taken", async () => {
  const body = (name: string, op: string) => {
    const signature = message([1, name], [2, message([1, "v"])], [3, message([1, "r"])]);
    const made = message([1, op], [2, op], [3, "v"]);
    const returned = message([1, "r"], [2, `${op}:r:0`]);
    return [1, message([1, signature], [3, made], [4, returned])] as const;
  };
  const called = (name: string) => message([10, message([1, name])]);
  const branches: Attribute[] = [["then_branch", called("yes")], ["else_branch", called("no")]];
  const choose = (condition: readonly [1, Uint8Array]) =>
    operatorsOf(
      message(
        ...[images, filter, conv, condition] as const,
        node("choose", "StatelessIf", ["training", "conv"], ...branches),
        VERSION,
        [2, message(body("yes", "Elu"), body("no", "Relu"))],
      ),
    );
  const never = constant("training", [], BOOL, [11, 0]);
  assertEquals((await choose(never)).slice(2), [["Relu", { kind: "relu" }]]);
  const fed = node("training", "Placeholder", [], type(BOOL));
  assertEquals((await choose(fed)).slice(2), [
    ["choose", {
      kind: "unsupported",
      type: "StatelessIf",
      because: "its condition has to be fed",
    }],
  ]);
});

Deno.test("a slice that turns colors round does so only with the colors", async () => {
  const list = (name: string, ...values: number[]) =>
    constant(name, [values.length], INT32, [7, concat(values.map(varint))]);
  const slice = (begin: number[], strides: number[], beginMask: number, endMask: number) => [
    list("begin", ...begin),
    list("end", 0, 0, 0, 0),
    list("strides", ...strides),
    node("slice", "StridedSlice", ["x", "begin", "end", "strides"], [
      "begin_mask",
      message([3, beginMask]),
    ], ["end_mask", message([3, endMask])]),
    node("conv", "Conv2D", ["slice", "w"], ["padding", message([2, "SAME"])]),
  ];
  const kinds = async (...nodes: (readonly [number, Uint8Array])[]) =>
    (await operatorsOf(graphOf(images, filter, ...nodes))).map((entry) =>
      (entry as [string, { kind: string }])[1].kind
    );
  assertEquals(await kinds(...slice([0, 0, 0, 0], [1, 1, 1, -1], 15, 15)), [
    "input",
    "reverseColors",
    "conv",
  ]);
  // Columns: the picture is mirrored.
  assertEquals(await kinds(...slice([0, 0, 0, 0], [1, 1, -1, 1], 15, 15)), [
    "input",
    "unsupported",
    "conv",
  ]);
  assertEquals(await kinds(...slice([0, 0, 0, 0], [1, 1, 1, 1], 15, 15)), ["input", "conv"]);
});

Deno.test("colors that are split, changed one by one and joined are a scale and a shift, turned round or not", async () => {
  const two = constant("two", [], FLOAT, [5, floats(2)]);
  const axis = constant("axis", [], INT32, [7, varint(3)]);
  const apart = node("split", "Split", ["axis", "x"], ["num_split", message([3, 3])]);
  const joined = async (op: string, order: readonly number[]) => {
    const inputs = order.map((color) => color === 0 ? "split" : `split:${color}`);
    const changed = inputs.map((input, i) => node(`color${i}`, op, [input, "two"]));
    const join = node("join", "ConcatV2", [...order.map((_, i) => `color${i}`), "axis"]);
    const last = node("conv", "Conv2D", ["join", "w"], ["padding", message([2, "SAME"])]);
    const file = graphOf(images, filter, two, axis, apart, ...changed, join, last);
    return await withCheckpoint(file, async ({ graph }) => {
      const operators = graph!.nodes.map(({ operator }) => operator).slice(1, -1);
      return await Promise.all(operators.map(async (operator) => {
        if (operator.kind !== "affine") return operator.kind;
        const { scale, shift } = operator;
        const [factors, terms] = await Promise.all(
          [scale, shift].map((tensor) => readAll(tensor as Checkpoint["tensors"][number])),
        );
        return [[...factors!], [...terms!]];
      }));
    });
  };
  const twos = [2, 2, 2], none = [0, 0, 0];
  assertEquals(await joined("Mul", [0, 1, 2]), [[twos, none]]);
  assertEquals(await joined("Mul", [2, 1, 0]), ["reverseColors", [twos, none]]);
  assertEquals(await joined("Add", [0, 1, 2]), [[[1, 1, 1], twos]]);
  assertEquals(await joined("Mul", [1, 0, 2]), ["unsupported"]);
});

/** What is given by `end`, which lists of constants lead to. */
async function endOf(...nodes: (readonly [number, Uint8Array])[]): Promise<unknown> {
  const operators = await operatorsOf(graphOf(images, filter, conv, ...nodes));
  return (operators.at(-1) as [string, unknown])[1];
}

const listOf = (name: string, ...values: number[]) =>
  constant(name, [values.length], INT32, [7, concat(values.map(varint))]);

Deno.test("lists that do not fit a value or each other are refused where they are used", async () => {
  const slice = node("end", "StridedSlice", ["conv", "four", "four", "two"]);
  const [four, two] = [listOf("four", 0, 0, 0, 0), listOf("two", 1, 1)];
  const unsupported = (type: string, because?: string) => ({ kind: "unsupported", type, because });
  assertEquals(await endOf(four, two, slice), unsupported("StridedSlice"));
  const many = listOf("many", ...new Array(33).fill(0));
  const parts = node("end", "StridedSlice", ["conv", "many", "many", "many"]);
  assertEquals(await endOf(many, parts), unsupported("StridedSlice"));
  // Of a value without axes there is no color.
  const none = node("end", "StridedSlice", ["flat", "none", "none", "none"]);
  const flat = node("flat", "Squeeze", ["conv"], [
    "squeeze_dims",
    message([1, message([3, Uint8Array.of(0, 1, 2, 3)])]),
  ]);
  assertEquals(
    await endOf(listOf("none"), flat, none),
    unsupported("StridedSlice", "it takes a part"),
  );
  const padded = node("end", "Pad", ["five", "eight"]);
  const five = node("five", "ExpandDims", ["conv", "first"]);
  const eight = constant("eight", [4, 2], INT32, [7, concat([0, 0, 1, 1, 1, 1, 0, 0].map(varint))]);
  assertEquals(
    await endOf(five, constant("first", [], INT32), eight, padded),
    unsupported("Pad", "it pads no map"),
  );
});

Deno.test("sizes are computed from lists and single numbers, in either order", async () => {
  // A map of 32x32x2 becomes a row of 2048, by the sizes [-1, 2048].
  const row = node("end", "Reshape", ["conv", "sizes"]);
  const lists = [listOf("a", 0, 2049), listOf("b", 1, 1), listOf("c", 0, 2050)];
  const one = constant("one", [], INT32, [7, varint(1)]);
  const two = constant("two", [], INT32, [7, varint(2)]);
  const nodes = (
    ...sizes: (readonly [number, Uint8Array])[]
  ) => [...lists, one, two, ...sizes, row];
  for (const inputs of [["a", "b"], ["a", "one"]]) {
    assertObjectMatch(
      await endOf(...nodes(node("sizes", "Sub", inputs))) as object,
      { kind: "flatten" },
      `${inputs}`,
    );
  }
  // 2 - [3, …] is [-1, …].
  const turned = [listOf("d", 3, 0), node("e", "Sub", ["two", "d"]), listOf("f", 0, 2046)];
  assertObjectMatch(
    await endOf(...nodes(...turned, node("sizes", "Add", ["e", "f"]))) as object,
    { kind: "flatten" },
  );
  // Another number is no flattening of it.
  assertObjectMatch(
    await endOf(...nodes(node("sizes", "Sub", ["c", "one"]))) as object,
    { kind: "unsupported", type: "Reshape" },
  );
});

Deno.test("a map's axes are known behind a transposition that moves its channels, and behind no other", async () => {
  /** What the mean over two axes is, behind transpositions of the map. */
  const meanOf = async (axes: readonly number[], ...orders: readonly number[][]) => {
    const turns = orders.flatMap((order, i) => [
      listOf(`order${i}`, ...order),
      node(`turn${i}`, "Transpose", [i === 0 ? "conv" : `turn${i - 1}`, `order${i}`]),
    ]);
    const from = orders.length === 0 ? "conv" : `turn${orders.length - 1}`;
    const mean = node("end", "Mean", [from, "axes"]);
    return (await endOf(...turns, listOf("axes", ...axes), mean) as { kind: string }).kind;
  };
  const first = [0, 3, 1, 2], last = [0, 2, 3, 1];
  assertEquals(await meanOf([1, 2]), "globalAverage");
  assertEquals(await meanOf([2, 3]), "unsupported");
  assertEquals(await meanOf([2, 3], first), "globalAverage");
  assertEquals(await meanOf([1, 2], first), "unsupported");
  assertEquals(await meanOf([1, 2], first, last), "globalAverage");
  // One position that is kept has its channels where the map had them: a convolution takes all of them at once.
  const kept: Attribute = ["keep_dims", message([5, 1])];
  for (const isFirst of [false, true]) {
    const operator = await endOf(
      ...[listOf("first", ...first), node("turn", "Transpose", ["conv", "first"])],
      listOf("axes", ...isFirst ? [2, 3] : [1, 2]),
      node("mean", "Mean", [isFirst ? "turn" : "conv", "axes"], kept),
      constant("point", [1, 1, 2, 5], FLOAT, [5, floats(0.5)]),
      node("end", "Conv2D", ["mean", "point"], ["padding", message([2, "SAME"])], [
        "data_format",
        message([2, isFirst ? "NCHW" : "NHWC"]),
      ]),
    );
    assertObjectMatch(operator as object, { kind: "conv", groups: 1 });
  }
  assertEquals(await meanOf([2, 3], first, last, first), "globalAverage");
  // Rows and columns change places, and it is not known any more what the last axes are.
  assertEquals(await meanOf([2, 3], [0, 2, 1, 3]), "unsupported");
  assertEquals(await meanOf([2, 3], first, [0, 1, 3, 2], first), "unsupported");
});

Deno.test("a shape without axes said nothing before version 24 of graphs; one with axes always did", async () => {
  const inputOf = async (version: number, ...sizes: number[]) => {
    const image = node("x", "Placeholder", [], type(FLOAT), [
      "shape",
      message([7, shape(...sizes)]),
    ]);
    const file = message(image, filter, conv, [4, message([1, version])]);
    const [[, input]] = await operatorsOf(file) as [string, { height: number; kind: string }][];
    return [input.kind, input.height];
  };
  for (const version of [23, 24]) {
    assertEquals(await inputOf(version, -1, 32, 32, 3), ["input", 32]);
  }
  assertEquals(await inputOf(23), ["input", undefined]);
  // A number is no image.
  await assertRejects(() => inputOf(24), CheckpointFormatError, "Expected a network of images");
});

Deno.test("a map is padded with zeros, whether they are named or not, and with nothing else", async () => {
  const amounts = constant("amounts", [4, 2], INT32, [
    7,
    concat([0, 0, 1, 2, 3, 4, 0, 0].map(varint)),
  ]);
  const padded = async (op: string, ...filling: number[]) =>
    await endOf(
      ...[amounts, constant("filling", [], FLOAT, [5, floats(...filling)])],
      node("end", op, ["conv", "amounts", ...filling.length > 0 ? ["filling"] : []]),
    ) as { kind: string; because?: string };
  const expected = { kind: "pad", padding: [1, 3, 2, 4], layout: "NHWC" };
  assertEquals(await padded("Pad") as unknown, expected);
  assertEquals(await padded("PadV2", 0) as unknown, expected);
  assertEquals((await padded("PadV2", 1)).because, "it pads with another number than zero");
});

Deno.test("a constant takes another shape, of which one size may be open", async () => {
  const flat = constant("flat", [54], FLOAT, [5, floats(0.5)]);
  const sizes = [listOf("a", 4, 0, 4, 3), listOf("b", 1, 1, 1, 1)];
  const point = node("v", "Reshape", ["flat", "sizes"]);
  const layer = node("end", "Conv2D", ["x", "v"], ["padding", message([2, "SAME"])]);
  const conv = await endOf(flat, ...sizes, node("sizes", "Sub", ["a", "b"]), point, layer);
  assertObjectMatch(conv as object, { kind: "conv", weight: { shape: [3, 3, 3, 2] } });
});

Deno.test("explicit padding has eight numbers", async () => {
  const explicit = (...sizes: number[]) =>
    endOf(
      node("end", "Conv2D", ["x", "w"], ["padding", message([2, "EXPLICIT"])], [
        "explicit_paddings",
        message([1, message([3, Uint8Array.from(sizes)])]),
      ]),
    );
  assertObjectMatch(await explicit(0, 0, 1, 2, 3, 4, 0, 0) as object, { padding: [1, 3, 2, 4] });
  assertObjectMatch(await explicit(0, 0, 1, 2) as object, { kind: "unsupported", type: "Conv2D" });
});

Deno.test("nothing that is joined is no image", async () => {
  const nothing = graphOf(images, listOf("axis", 0), node("end", "Concat", ["axis"]));
  await assertRejects(() => operatorsOf(nothing), CheckpointFormatError, "comes from Concat");
});

Deno.test("images are bytes where a graph takes integers; a converter's graph without normalization tells nothing", async () => {
  const bytes = node("x", "Placeholder", [], type(UINT8), [
    "shape",
    message([7, shape(-1, 32, 32, 3)]),
  ]);
  const cast = node("cast", "Cast", ["x"], ["DstT", message([6, FLOAT])]);
  const first = node("conv", "Conv2D", ["cast", "w"], ["padding", message([2, "SAME"])]);
  const hint = (file: Uint8Array) => withCheckpoint(file, ({ images }) => images);
  const ofBytes = await hint(graphOf(bytes, cast, filter, first));
  assertEquals([ofBytes?.preprocessing, ofBytes?.isRead], ["byte", true]);
  assertEquals(await hint(graphOf(images, filter, conv)), undefined);
  const named = node("vgg/conv1/Conv2D", "Conv2D", ["x", "w"], ["padding", message([2, "SAME"])]);
  assertEquals((await hint(graphOf(images, filter, named)))?.because, "usual for Keras");
});

Deno.test("a graph that goes round in circles, or calls itself without end, is an error", async () => {
  const circle = graphOf(
    images,
    node("a", "Relu", ["b"]),
    node("b", "Relu", ["a"]),
    node("end", "Relu", ["b"]),
  );
  await assertRejects(() => operatorsOf(circle), CheckpointFormatError, "takes what it gives");
  const signature = message([1, "f"], [2, message([1, "v"])], [3, message([1, "r"])]);
  const call = message([1, "again"], [2, "f"], [3, "v"]);
  const body = message([1, signature], [3, call], [4, message([1, "r"], [2, "again:r:0"])]);
  const endless = message(images, node("call", "f", ["x"]), VERSION, [2, message([1, body])]);
  await assertRejects(() => operatorsOf(endless), CheckpointFormatError, "32 deep");
});

Deno.test("functions that each call the next one twice are out of proportion", async () => {
  const inner = (name: string, op: string, input: string) =>
    message([1, name], [2, op], [3, input]);
  const bodies = Array.from({ length: 30 }, (_, i) => {
    const op = i === 29 ? "Relu" : `f${i + 1}`;
    const signature = message([1, `f${i}`], [2, message([1, "v"])], [3, message([1, "r"])]);
    const calls = [[3, inner("a", op, "v")], [3, inner("b", op, "a:r:0")]] as const;
    const returned = [4, message([1, "r"], [2, "b:r:0"])] as const;
    return [1, message([1, signature], ...calls, returned)] as const;
  });
  const bytes = message(images, node("call", "f0", ["x"]), VERSION, [2, message(...bodies)]);
  const error = await assertRejects(() => operatorsOf(bytes), CheckpointFormatError);
  assertEquals(error.code, "budget");
});

Deno.test("a network of files, not of images, is refused by what reads them", async () => {
  const text = node("text", "Placeholder", [], type(STRING));
  const decoded = node("decoded", "DecodeJpeg", ["text"]);
  const cast = node("x", "Cast", ["decoded"], ["DstT", message([6, FLOAT])]);
  const error = await assertRejects(
    () => operatorsOf(graphOf(text, decoded, cast, filter, conv)),
    CheckpointFormatError,
    "comes from DecodeJpeg",
  );
  assertEquals(error.code, "checkpoint-unsupported");
});

Deno.test("a graph whose weights are elsewhere says so", async () => {
  const variable = node("w", "VarHandleOp"), read = node("read", "ReadVariableOp", ["w"]);
  const nodes = [
    images,
    variable,
    read,
    node("conv", "Conv2D", ["x", "read"], ["padding", message([2, "SAME"])]),
  ];
  const error = await assertRejects(
    () => operatorsOf(graphOf(...nodes)),
    CheckpointFormatError,
    "weights are not in it (w is a variable)",
  );
  assertEquals(error.code, "checkpoint-unsupported");
});

Deno.test("a graph without weights says what stands for them", async () => {
  const lookup = node("w", "LookupTableFindV2");
  const error = await assertRejects(
    () => operatorsOf(graphOf(images, lookup, conv)),
    CheckpointFormatError,
    "found none, and Conv2D conv: it takes LookupTableFindV2",
  );
  assertEquals(error.code, "checkpoint-unsupported");
});

Deno.test("a constant whose bytes are not those of its shape is an error", async () => {
  const wrong = constant("w", [3, 3, 3, 2], FLOAT, [4, floats(1, 2, 3)]);
  await assertRejects(
    () => operatorsOf(graphOf(images, wrong, conv)),
    CheckpointFormatError,
    "tensor w of shape [3,3,3,2]",
  );
});

// Damaged checkpoints.

async function indexWith(change: (bytes: Uint8Array) => void, error: string): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const bytes = await Deno.readFile(new URL("slim.ckpt.index", FIXTURES));
    change(bytes);
    await Deno.writeFile(`${folder}/a.index`, bytes);
    await Deno.copyFile(
      new URL("slim.ckpt.data-00000-of-00001", FIXTURES),
      `${folder}/a.data-00000-of-00001`,
    );
    const open = () => withCheckpoint(new URL(`file://${folder}/a`), () => {});
    await assertRejects(open, CheckpointFormatError, error);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("an index of another machine, or with compressed blocks, is refused", async () => {
  // The header: one file, the high byte first.
  await indexWith((bytes) => {
    const at = bytes.findIndex((byte, i) =>
      byte === 8 && bytes[i + 1] === 1 && bytes[i + 2] === 26
    );
    // The version (field 3, two bytes) becomes the order of bytes and an unknown field.
    bytes.set([16, 1, 24, 0], at + 2);
  }, "the high byte first");
  await indexWith((bytes) => {
    // The type of the block of the index, which is the last one before the footer.
    bytes[bytes.length - 48 - 5] = 1;
  }, "compressed blocks");
});

Deno.test("an index with any damage gives variables, or a named error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const original = await Deno.readFile(new URL("keras3.index", FIXTURES));
    await Deno.copyFile(
      new URL("keras3.data-00000-of-00001", FIXTURES),
      `${folder}/a.data-00000-of-00001`,
    );
    let refused = 0;
    for (let seed = 0; seed < 300; seed++) {
      await Deno.writeFile(`${folder}/a.index`, mutate(original, seededRandom(seed)));
      try {
        await withCheckpoint(new URL(`file://${folder}/a.index`), () => {});
      } catch (error) {
        if (!(error instanceof CheckpointFormatError)) throw error;
        refused++;
      }
    }
    assert(refused > 0 && refused < 300);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a tensor that is not in its file is an error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile(new URL("slim.ckpt.index", FIXTURES), `${folder}/a.index`);
    const open = () => withCheckpoint(new URL(`file://${folder}/a.index`), () => {});
    await assertRejects(open, CheckpointFormatError, "a.data-00000-of-00001");
    await Deno.writeFile(`${folder}/a.data-00000-of-00001`, new Uint8Array(100));
    await assertRejects(open, CheckpointFormatError, "ends before");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
