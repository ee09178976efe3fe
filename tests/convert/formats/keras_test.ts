import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import type { CheckpointTensor } from "../../../lib/convert/formats/checkpoint.ts";
import type { Graph, Operator } from "../../../lib/convert/formats/graph.ts";
import { buildGraph } from "../../../lib/convert/formats/keras/build_graph.ts";
import { readDescription, Reference } from "../../../lib/convert/formats/keras/description.ts";
import { saysTurned, turned } from "../../../lib/convert/formats/keras/theano.ts";
import { tensorOf } from "../../../lib/convert/formats/keras/values.ts";
import { findWeights } from "../../../lib/convert/formats/keras/weight_file.ts";
import { assignWeights, placesIn } from "../../../lib/convert/formats/keras/weights.ts";
import { OUTPUTS_FIRST, readAll } from "../../../lib/convert/formats/tensor.ts";
import { traceGraph } from "../../../lib/convert/network/trace.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { checkpointLogits, CHECKPOINTS } from "../../support/checkpoint_logits.ts";
import { runGraph } from "../../support/graph_executor.ts";

const FIXTURES = new URL("keras/", CHECKPOINTS);

interface Expected {
  readonly logits: number[];
  readonly head: "softmax" | "sigmoid";
}

const EXPECTED: Record<string, Expected> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FIXTURES)),
);

/** Keras computes in float32, this test in float64. */
const TOLERANCE = 1e-4;

/** A number that all logits have in common does not matter to a soft-max. */
function withoutCommon(logits: ArrayLike<number>, head: Expected["head"]): number[] {
  const values = Array.from(logits);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return head === "softmax" ? values.map((value) => value - mean) : values;
}

function assertClose(found: readonly number[], expected: readonly number[], name: string): void {
  const largest = Math.max(1, ...expected.map(Math.abs));
  assertEquals(found.length, expected.length, name);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(found[i] - value) / largest;
    assert(error < TOLERANCE, `${name}: number ${i} is ${found[i]}, Keras has ${value}`);
  }
}

for (const [file, { logits, head }] of Object.entries(EXPECTED)) {
  Deno.test(`${file} of Keras is read: the logits are Keras'`, async () => {
    const found = await checkpointLogits(new URL(file, FIXTURES));
    assertEquals(found.network.architecture.configuration, "A");
    assertEquals(found.network.architecture.head ?? "softmax", head);
    assertEquals(found.network.assumptions, []);
    assertClose(withoutCommon(found.logits, head), withoutCommon(logits, head), file);
  });
}

interface Described {
  readonly model: unknown;
  readonly weights: Record<string, [shape: number[], values: number[]]>;
  readonly shape: [number, number, number];
  /** What Keras makes of the image; `null` of several outputs. */
  readonly output: number[] | null;
}

const DESCRIPTIONS: Record<string, Described> = JSON.parse(
  await Deno.readTextFile(new URL("descriptions.json", FIXTURES)),
);

/** As `make.py` has it: 4x4 pixels of three colors. */
const IMAGE = Float64Array.from({ length: 48 }, (_, i) => i * 5 % 7 - 3);

function graphOf({ model, weights }: Described): Graph {
  const read = readDescription(model)!;
  const named = Object.entries(weights).map(([name, [shape, values]]) => ({
    name,
    tensor: tensorOf(name, shape, () => values),
  }));
  const assigned = assignWeights(placesIn(read), named, false);
  return buildGraph(read, (layer) => assigned.get(layer), "some.keras");
}

async function outputOf(described: Described): Promise<number[]> {
  const isFirst = described.shape[0] === 3;
  const data = isFirst
    ? Float64Array.from({ length: 48 }, (_, i) => IMAGE[i % 16 * 3 + Math.floor(i / 16)])
    : IMAGE;
  const layout = isFirst ? "NCHW" : "NHWC";
  const graph = graphOf(described);
  // What does not lead to the output cannot be run, as the colors that `preprocess_input` stacks.
  const nodes = traceGraph(graph, "some.keras");
  return [...await runGraph({ ...graph, nodes }, { shape: described.shape, data, layout })];
}

/** What no graph has, by the words of the file, and why. */
const REFUSED: Readonly<Record<string, readonly [type: string, because: string]>> = {
  "x[:, ::-1]": ["GetItem", "another axis"],
  "x[..., :2]": ["GetItem", "a part of a value"],
  "1 / x": ["Divide", "divides by a value"],
  "x + x": ["Add", "takes 2 values"],
  "Normalization for each row": ["Normalization", "more than the channels"],
  "Resizing": ["Resizing", "8x8 pixels of images of 4x4"],
  "CenterCrop": ["CenterCrop", "2x2 pixels of images of 4x4"],
  "Conv2D selu": ["selu", "another activation"],
  "Conv2D tanh": ["tanh", "another activation"],
  "Conv2D LeakyReLU": ["LeakyReLU", "its negative_slope is 0.3"],
  "Activation relu6": ["relu6", "another activation"],
  "ReLU capped": ["ReLU", "capped at 6"],
  "ReLU leaky": ["ReLU", "its negative_slope is 0.1"],
  "LeakyReLU": ["LeakyReLU", "its negative_slope is 0.3"],
  "PReLU": ["PReLU", "no layer of a VGG"],
  "Softmax over a row": ["Softmax", "its axis is not the last one"],
  "GlobalMaxPooling2D": ["GlobalMaxPooling2D", "no layer of a VGG"],
  "BatchNormalization of rows": ["BatchNormalization", "its axis is"],
  "BatchNormalization in training": ["BatchNormalization", "training=True"],
  "a model in training": ["Sequential", "training=True"],
  "Reshape to a map": ["Reshape", "other axes"],
  "Lambda": ["Lambda", "Python code"],
  "Add": ["Add", "takes 2 values"],
  "Concatenate": ["Concatenate", "takes 2 values"],
  "SeparableConv2D": ["SeparableConv2D", "no layer of a VGG"],
  "channels_first, softmax of rows": ["softmax", "its width"],
  "channels_first, Dense": ["Dense", "its width"],
  "ops.clip": ["Clip", "no layer of a VGG"],
  "ops.cast": ["Cast", "whole numbers"],
};

/** Keras 3 predicts without training whatever a model was made with. */
const RUN_BY_KERAS_3 = ["3 BatchNormalization in training", "3 a model in training"];

/** TensorFlow's functions, where Keras 2 has them. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  "x[:, ::-1]": "tf.__operators__.getitem",
  "x[..., :2]": "tf.__operators__.getitem",
  "1 / x": "tf.math.truediv",
  "x + x": "tf.__operators__.add",
  "ops.clip": "tf.clip_by_value",
  "ops.cast": "tf.cast",
};

for (const [key, described] of Object.entries(DESCRIPTIONS)) {
  const [version, name] = [key[0], key.slice(2)];
  const refused = Object.hasOwn(REFUSED, name) && !RUN_BY_KERAS_3.includes(key)
    ? REFUSED[name]
    : undefined;
  if (described.output === null) continue;

  if (refused === undefined) {
    Deno.test(`the graph of ${name} does what Keras ${version} does`, async () => {
      assertClose(await outputOf(described), described.output!, key);
    });
    continue;
  }
  Deno.test(`${name} of Keras ${version} is no operator of a graph, which says why`, () => {
    const unsupported = graphOf(described).nodes.map(({ operator }) => operator)
      .find((operator): operator is Operator & { kind: "unsupported" } =>
        operator.kind === "unsupported"
      );
    const [type, because] = refused;
    const expected = version === "2" ? FUNCTIONS[name] ?? type : type;
    assertStringIncludes(unsupported?.type ?? "nothing", expected);
    assertStringIncludes(unsupported?.because ?? "nothing", because);
  });
}

for (const version of [2, 3]) {
  Deno.test(`all outputs of a model of Keras ${version} are those of its graph`, () => {
    const { outputs, nodes } = graphOf(DESCRIPTIONS[`${version} two outputs`]);
    const kinds = outputs.map((output) => nodes.find((node) => node.output === output)!.operator);
    assertEquals(kinds.map(({ kind }) => kind), ["flatten", "globalAverage"]);
  });
}

/** A layer for {@linkcode buildGraph}, called in turn. */
function sequential(...layers: [className: string, config: object][]): unknown {
  return {
    class_name: "Sequential",
    config: {
      layers: layers.map(([class_name, config], i) => ({
        class_name,
        config: { name: `${i}`, ...config },
      })),
    },
  };
}

Deno.test("Keras 1's dim_ordering says where the channels are, also of an image that does not tell", () => {
  for (const [dim_ordering, data_format] of [["th", "channels_first"], ["tf", "channels_last"]]) {
    const conv = { nb_filter: 2, nb_row: 3, nb_col: 3, dim_ordering };
    const layer = { class_name: "Convolution2D", config: { name: "conv", ...conv } };
    const model = readDescription({ class_name: "Sequential", config: [layer] })!;
    assertEquals(model.layers.at(-1)!.config.data_format, data_format);
  }
});

Deno.test("the words of Keras 1 are understood: its lists of layers, dim_ordering and border_mode", () => {
  const image = { batch_input_shape: [null, 3, 32, 48] };
  const written = sequential(
    ["Convolution2D", {
      ...image,
      ...{ nb_filter: 2, nb_row: 3, nb_col: 1, subsample: [1, 1], border_mode: "same" },
      ...{ dim_ordering: "th", activation: "relu", bias: true },
    }],
    ["MaxPooling2D", { pool_size: [2, 2], border_mode: "valid", dim_ordering: "th" }],
    ["Flatten", {}],
    ["Dense", { output_dim: 4, bias: true, activation: "linear" }],
  ) as { config: { layers: unknown[] } };
  const model = readDescription({ class_name: "Sequential", config: written.config.layers })!;
  const kernel = { ...tensorOf("k", [2, 3, 3, 1], () => []), layout: OUTPUTS_FIRST };
  const dense = tensorOf("d", [1, 4], () => []), bias = tensorOf("b", [2], () => []);
  const { nodes } = buildGraph(
    model,
    ({ className }) => ({ kernel: className === "Dense" ? dense : kernel, bias }),
    "some.h5",
  );
  const [input, conv, relu, pool, flatten, last] = nodes.map(({ operator }) => operator);
  assertEquals(input, { kind: "input", layout: "NCHW", channels: 3, height: 32, width: 48 });
  assert(conv.kind === "conv" && conv.padding === "same" && conv.layout === "NCHW");
  assertEquals(relu, { kind: "relu" });
  assert(pool.kind === "maxPool" && pool.layout === "NCHW" && !pool.roundsUp);
  // As Keras 1 flattens: the map as it lies.
  assertEquals(flatten, { kind: "flatten", order: undefined });
  assertEquals(last, { kind: "dense", weight: dense, bias });
});

Deno.test("a layer whose weights have other outputs than its configuration says is none", () => {
  const model = readDescription(sequential(["Dense", { units: 7, batch_input_shape: [null, 3] }]))!;
  const weight = tensorOf("dense.kernel", [3, 4], () => []);
  const { nodes } = buildGraph(model, () => ({ kernel: weight, bias: weight }), "some.h5");
  assertEquals(nodes[1].operator, {
    kind: "unsupported",
    type: "Dense",
    because: "it has 7 outputs, and its weights dense.kernel have 4",
  });
});

Deno.test("a layer whose weights are not in the file is an error with its name", () => {
  const model = readDescription(sequential(["Dense", { units: 7, batch_input_shape: [null, 3] }]))!;
  const build = () => Promise.resolve(buildGraph(model, () => undefined, "some.h5"));
  return assertRejects(
    async () => await build(),
    CheckpointFormatError,
    "the layer 0, a Dense, whose kernel is not among the weights",
  );
});

Deno.test("calls in any order are each looked at a few times, and calls without end are refused", async () => {
  const image = { className: "InputLayer", name: "0", config: {}, calls: [] };
  let looks = 0;
  const called = (from: string, index: number) => ({
    get args() {
      looks++;
      return [new Reference(from, index, 0)];
    },
    kwargs: {},
  });
  const layers = Array.from({ length: 200 }, (_, i) => ({
    ...{ className: "Dropout", name: `${i + 1}`, config: {} },
    calls: [called(`${i}`, 0)],
  }));
  const model = { inputs: [new Reference("0", 0, 0)], outputs: [new Reference("200", 0, 0)] };
  const backwards = { ...model, layers: [...layers.toReversed(), image] };
  assertEquals(buildGraph(backwards, () => undefined, "some.h5").nodes.length, 201);
  assert(looks <= 3 * 200, `looked ${looks} times`);

  const inner = { ...model, outputs: model.inputs, layers: [image, ...layers.slice(1)] };
  const calls = Array.from({ length: 1000 }, () => called("0", 0));
  const outer = { className: "Functional", name: "200", config: {}, model: inner, calls };
  const many = { ...model, layers: [image, outer] };
  await assertRejects(
    async () => {
      await Promise.resolve();
      buildGraph(many, () => undefined, "some.h5");
    },
    CheckpointFormatError,
    "over 100000 uses of layers",
  );
});

Deno.test("colors that are taken one by one and stacked in the other order are turned round, whichever axis they are on", () => {
  const of = (name: string) => new Reference(name, 0, 0);
  /** What `stack([x[…, c] for c in order], axis)` is, where `x` is taken along its own axis. */
  const kinds = (isFirst: boolean, order: readonly number[], axis: number, type = "GetItem") => {
    const image = {
      ...{ className: "InputLayer", name: "x", calls: [] },
      config: { batch_shape: isFirst ? [null, 3, 8, 8] : [null, 8, 8, 3] },
    };
    const all = { class_name: "__slice__", config: { start: null, stop: null, step: null } };
    const takers = order.map((color) => ({
      ...{ className: type, name: `color${color}`, config: {} },
      calls: [{
        args: [of("x"), isFirst ? [all, color, all, all] : [all, all, all, color]],
        kwargs: {},
      }],
    }));
    const stack = {
      ...{ className: "Stack", name: "stack", config: { axis } },
      calls: [{ args: [order.map((color) => of(`color${color}`))], kwargs: {} }],
    };
    const model = {
      layers: [image, ...takers, stack],
      ...{ inputs: [of("x")], outputs: [of("stack")] },
    };
    const { nodes } = buildGraph(model, () => undefined, "some.keras");
    return nodes.map(({ operator }) => operator.kind).at(-1);
  };
  for (const isFirst of [true, false]) {
    for (const axis of isFirst ? [1, -3] : [3, -1]) {
      assertEquals(kinds(isFirst, [2, 1, 0], axis), "reverseColors", `${isFirst} ${axis}`);
      assertEquals(kinds(isFirst, [0, 1, 2], axis), "unsupported");
      assertEquals(kinds(isFirst, [2, 1], axis), "unsupported");
      assertEquals(kinds(isFirst, [2, 1, 0], axis, "Other"), "unsupported");
    }
    assertEquals(kinds(isFirst, [2, 1, 0], 2), "unsupported");
  }
});

/** Names of weights as they lie in the group of a model within a model, and what layers it has. */
function assigned(names: readonly string[], layers: Parameters<typeof sequential>): string[] {
  const weights = names.map((name) => ({ name, tensor: tensorOf(name, [1], () => [0]) }));
  const model = readDescription(sequential(["Sequential", {
    name: "inner",
    layers: (sequential(...layers) as { config: { layers: unknown[] } }).config.layers,
  }]))!;
  return [...assignWeights(placesIn(model), weights, true)].map(([{ name }, found]) =>
    `${name}: ${Object.entries(found).map(([role, { name }]) => `${role} ${name}`).join(", ")}`
  );
}

Deno.test("weights of a model within a model are those with the layers' names, or in their order if none is frozen", () => {
  const layers: Parameters<typeof sequential> = [
    ["Conv2D", { name: "a", use_bias: false }],
    ["BatchNormalization", { name: "n", center: false }],
    ["Conv2D", { name: "b", use_bias: false }],
  ];
  const rest = ["n/gamma:0", "n/moving_mean:0", "n/moving_variance:0"];
  const norm =
    "n: gamma n/gamma:0, moving_mean n/moving_mean:0, moving_variance n/moving_variance:0";
  assertEquals(assigned(["b/kernel:0", "inner/a/kernel:0", ...rest], layers), [
    "a: kernel inner/a/kernel:0",
    norm,
    "b: kernel b/kernel:0",
  ]);
  assertEquals(assigned(["x/kernel:0", "y/kernel_1:0", ...rest], layers), [
    "a: kernel x/kernel:0",
    norm,
    "b: kernel y/kernel_1:0",
  ]);
  const frozen = layers.with(0, ["Conv2D", { name: "a", use_bias: false, trainable: false }]);
  assertEquals(
    assigned(["x/kernel:0", "y/kernel:0", ...rest], [...frozen] as typeof layers),
    ["a: ", norm, "b: "],
  );
});

/** The tensors of a file of Keras 3's weights alone, and the first layer whose weights are not known. */
function weightsAlone(shapes: Record<string, number[]>, integers = "") {
  const datasets = Object.entries(shapes).map(([path, shape]) => {
    const kind = path === integers ? "integer" as const : "float" as const;
    return { path, shape, kind, bytes: 4 };
  });
  const groups = new Set(
    Object.keys(shapes).flatMap((path) => {
      const parts = path.split("/");
      return parts.slice(1, -1).map((_, i) => parts.slice(0, i + 2).join("/"));
    }),
  );
  const contents = { groups: [...groups].sort(), datasets, texts: new Map(), skipped: [] };
  const found = findWeights(contents, ({ shape }, name) => tensorOf(name, shape, () => []));
  return { names: found?.tensors.map(({ name }) => name), unknown: found?.unknown };
}

Deno.test("weights of Keras 3 alone are known by their kinds, in the order of their numbers", () => {
  assertEquals(
    weightsAlone({
      "/layers/functional/layers/conv2d_10/vars/0": [3, 3, 4, 4],
      "/layers/functional/layers/conv2d_2/vars/0": [3, 3, 4, 4],
      "/layers/functional/layers/conv2d_2/vars/1": [4],
      "/layers/batch_normalization/vars/0": [4],
      "/layers/batch_normalization/vars/1": [4],
      "/layers/batch_normalization_1/vars/0": [4],
      "/layers/batch_normalization_1/vars/1": [4],
      "/layers/batch_normalization_1/vars/2": [4],
      "/layers/batch_normalization_1/vars/3": [4],
      "/layers/normalization/vars/0": [3],
      "/layers/normalization/vars/1": [3],
      "/layers/normalization/vars/2": [],
      "/layers/dropout/seed_generator/vars/0": [2],
      "/metrics/mean/vars/0": [],
      "/optimizer/vars/1": [3, 3, 4, 4],
    }),
    {
      names: [
        "batch_normalization.moving_mean",
        "batch_normalization.moving_variance",
        "batch_normalization_1.gamma",
        "batch_normalization_1.beta",
        "batch_normalization_1.moving_mean",
        "batch_normalization_1.moving_variance",
        "functional/conv2d_2.kernel",
        "functional/conv2d_2.bias",
        "functional/conv2d_10.kernel",
        "normalization.mean",
        "normalization.variance",
      ],
      unknown: undefined,
    },
  );
});

Deno.test("a layer whose weights are not known without a description is told", () => {
  const norm = (index: number) => `/layers/batch_normalization/vars/${index}`;
  const three = { [norm(0)]: [4], [norm(1)]: [4], [norm(2)]: [4], "/layers/dense/vars/0": [4, 2] };
  assertEquals(weightsAlone(three).unknown, "batch_normalization");
  const quantized = { "/layers/dense/vars/0": [4, 2], "/layers/dense/vars/1": [2] };
  assertEquals(weightsAlone(quantized).unknown, undefined);
  assertEquals(weightsAlone({ ...quantized, "/layers/dense/vars/2": [2] }).unknown, "dense");
  const others = { "/layers/layer_normalization/vars/0": [4] };
  assertEquals(weightsAlone({ ...quantized, ...others }).unknown, "layer_normalization");
  const kernel = "/layers/dense/vars/0";
  assertEquals(weightsAlone({ ...quantized, "/layers/conv2d/vars/0": [3, 3, 3, 4] }, kernel), {
    names: ["conv2d.kernel"],
    unknown: "dense",
  });
});

Deno.test("a kernel is turned by half a turn, whichever axis comes first and whatever part is read", async () => {
  const rows = tensorOf("k", [2, 3, 2, 2], () => Array.from({ length: 24 }, (_, i) => i));
  const whole = await readAll(turned(rows));
  for (let position = 0; position < 6; position++) {
    const from = 4 * (5 - position);
    assertEquals([...whole.slice(4 * position, 4 * position + 4)], [
      from,
      from + 1,
      from + 2,
      from + 3,
    ]);
  }
  const column = new Float32Array(12);
  await turned(rows).read({ start: 1, length: 1, stride: 2, count: 12 }, column);
  assertEquals([...column], [...whole].filter((_, i) => i % 2 === 1));

  const first: CheckpointTensor = { ...rows, shape: [2, 2, 2, 3], layout: OUTPUTS_FIRST };
  const filters = await readAll(turned(first));
  assertEquals([...filters.slice(6, 12)], [11, 10, 9, 8, 7, 6]);
});

Deno.test("a file's name goes before its attribute in whether kernels are turned", () => {
  const turns = (file: string, backend?: string) => saysTurned(file, backend)?.isTurned;
  assertEquals(turns("a/vgg16_weights_tf_dim_ordering_th_kernels.h5"), true);
  assertEquals(turns("vgg16_weights_th_dim_ordering_tf_kernels_notop.h5", "theano"), false);
  assertEquals(turns("my_th_kernels/model.h5", "tensorflow"), false);
  assertEquals(turns("model.h5", "theano"), true);
  assertEquals(turns("my_th_kernels/model.h5"), undefined);
});

Deno.test("a file of Keras 1 whose name does not say whether its kernels are turned is refused, with what to do", async () => {
  const bytes = await Deno.readFile(new URL("k1_th_kernels.h5", FIXTURES));
  const error = await assertRejects(
    () => convert(new File([bytes], "vgg11.h5")),
    CheckpointFormatError,
    "rename it to end in _th_kernels.h5 for Theano, in _tf_kernels.h5 for TensorFlow",
  );
  assertEquals(error.code, "checkpoint-ambiguous");
  const { chosen } = await checkpointLogits(new File([bytes], "vgg11_th_kernels.h5"));
  assertStringIncludes(chosen.because, "its name says th_kernels");
});

Deno.test("a zip archive with a part of a Keras model is refused by what is missing", async () => {
  const bytes = await Deno.readFile(new URL("k212.keras", FIXTURES));
  const text = new TextDecoder("latin1").decode(bytes);
  for (
    let at = text.indexOf("model.weights.h5");
    at >= 0;
    at = text.indexOf("model.weights.h5", at + 1)
  ) {
    bytes.set(new TextEncoder().encode("model.weights.h6"), at);
  }
  await assertRejects(
    () => convert(new File([bytes], "half.keras")),
    CheckpointFormatError,
    "Expected model.weights.h5 in the Keras archive half.keras",
  );
});

Deno.test("a group with weights of several layers has these, in the order of their numbers", () => {
  const weights = {
    "/first/first/kernel:0": [3, 3, 3, 4],
    "/inner/conv_2/kernel:0": [3, 3, 4, 4],
    "/inner/conv_2/bias:0": [4],
    "/inner/conv_10/kernel:0": [3, 3, 4, 4],
  };
  const found = (paths: readonly string[]) =>
    findWeights({
      groups: ["/first", "/inner", "/pool"],
      datasets: paths.map((path) => {
        const shape = weights[path as keyof typeof weights];
        return { path, shape, kind: "float" as const, bytes: 4 };
      }),
      texts: new Map([["/", { layer_names: ["first", "pool", "inner"] }]]),
      skipped: [],
    }, ({ shape }, name) => tensorOf(name, shape, () => []))!;
  const paths = Object.keys(weights), { tensors, order, layerNames } = found(paths);
  assertEquals(tensors.map(({ name }) => name), [
    ...["first.kernel", "conv_2.kernel", "conv_2.bias", "conv_10.kernel"],
  ]);
  assertEquals(layerNames, ["first", "pool", "conv_2", "conv_10"]);
  assertEquals(order, "declared");
  // Frozen layers lie behind those that learn, whatever their order in the network is.
  assertEquals(found(paths.toReversed()).order, "none");
});

Deno.test("a soft-max is that of the last axis, which its own number names as well", () => {
  const kinds = (shape: readonly (number | null)[], config: object) => {
    const model = readDescription(sequential(
      ["Softmax", { batch_input_shape: shape, ...config }],
    ))!;
    return buildGraph(model, () => undefined, "some.h5").nodes[1]!.operator.kind;
  };
  for (const config of [{}, { axis: -1 }, { axis: [-1] }, { axis: 1 }, { axis: [1] }]) {
    assertEquals(kinds([null, 8], config), "softmax", JSON.stringify(config));
  }
  for (const axis of [-2, 0, 2, 3, [1, 2]]) assertEquals(kinds([null, 8], { axis }), "unsupported");
  for (const axis of [-1, 3]) assertEquals(kinds([null, 8, 8, 3], { axis }), "softmax");
  for (const axis of [1, 2, -2]) assertEquals(kinds([null, 8, 8, 3], { axis }), "unsupported");
});

Deno.test("a description that names an output which nothing gives is refused by that", async () => {
  const bytes = await Deno.readFile(new URL("k2_fine_tuned.h5", FIXTURES));
  const text = new TextDecoder("latin1").decode(bytes); // A letter for each byte.
  const found = /"output_layers": \[\["(\w+)"/.exec(text)!;
  bytes[found.index + found[0].length - 2] = "X".charCodeAt(0);
  const error = await assertRejects(
    () => convert(new File([bytes], "some.h5")),
    CheckpointFormatError,
    `${found[1]!.slice(0, -1)}X should`,
  );
  // Once.
  assertEquals(error.message.split("damaged").length, 2, error.message);
});

Deno.test("an HDF5 file without layers of Keras is refused by what it has", async () => {
  const bytes = await Deno.readFile(new URL("keras/types.h5", CHECKPOINTS));
  const error = await assertRejects(
    () => convert(new File([bytes], "some.h5")),
    CheckpointFormatError,
    "Expected the weights of Keras layers in the HDF5 file some.h5: found /",
  );
  assertEquals([error.file, error.code], ["some.h5", "checkpoint-unsupported"]);
});
