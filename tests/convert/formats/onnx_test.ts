import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type Checkpoint,
  type CheckpointTensor,
  readAll,
} from "../../../lib/convert/formats/checkpoint.ts";
import type { Operator } from "../../../lib/convert/formats/graph.ts";
import { readOnnx } from "../../../lib/convert/formats/onnx/read.ts";
import { choosePreprocessing } from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";
import {
  attribute,
  field,
  initializer,
  input,
  integers,
  node,
  onnxFile,
  output,
  TYPES,
} from "../../support/onnx_file.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);

interface Expected {
  readonly preprocessing: "read" | "assumed";
  readonly logits: readonly number[];
}

const EXPECTED: Readonly<Record<string, Expected>> = JSON.parse(
  await Deno.readTextFile(new URL("onnx/expected.json", FIXTURES)),
);

for (const [file, expected] of Object.entries(EXPECTED)) {
  Deno.test(`the network of onnx/${file} has the logits of the tool that wrote it`, async () => {
    const source = await openConversionSource(new URL(`onnx/${file}`, FIXTURES), {});
    const checkpoint = await readOnnx(source.bytes, source.openSibling);
    const { network, images } = await understand(checkpoint, file, {});
    const chosen = choosePreprocessing(network, images, undefined, file);
    assertEquals(chosen.from, expected.preprocessing);
    const { scale, mean, std } = chosen.preprocessing;
    const bytes = await Deno.readFile(new URL("photo.rgb", FIXTURES));
    const values = Float64Array.from(bytes, (byte, i) => (byte * scale - mean[i % 3]) / std[i % 3]);
    const logits = forward(await networkLayers(network, chosen), {
      ...{ height: 64, width: 64, channels: 3 },
      values,
    });
    const largest = Math.max(...expected.logits.map(Math.abs));
    assertEquals(logits.length, expected.logits.length);
    for (const [i, logit] of logits.entries()) {
      // Frameworks compute in float32, this test in float64.
      assertAlmostEquals(logit / largest, expected.logits[i] / largest, 1e-4);
    }
    checkpoint.close();
    source.bytes.close();
  });
}

/** Opens a file that is written field by field. */
function open(...parts: number[][]): Promise<Checkpoint> {
  const source = new BytesSource(onnxFile(...parts), "some.onnx");
  return readOnnx(source, () => Promise.reject(new Error("none")));
}

/** What a graph does from its input to `y`; what is not understood is its name and why. */
async function operatorsOf(...parts: number[][]): Promise<Operator[]> {
  const { graph } = await open(...parts, output("y"));
  const operators: Operator[] = [];
  for (let value = "y";;) {
    const found = graph!.nodes.find((node) => node.output === value)!;
    operators.unshift(found.operator);
    if (found.inputs.length === 0) return operators;
    value = found.inputs[0];
  }
}

/** An operator that must be of a kind. */
function expectKind<K extends Operator["kind"]>(
  operator: Operator | undefined,
  kind: K,
): Operator & { kind: K } {
  assertEquals(operator?.kind, kind);
  return operator as Operator & { kind: K };
}

/** The kinds of operators in one line, with a reason where one is not understood. */
function kinds(operators: readonly Operator[]): string {
  return operators.map((operator) =>
    operator.kind === "unsupported" ? `${operator.type}: ${operator.because}` : operator.kind
  ).join(", ");
}

const X = input("x", [0, 3, 64, 64]);
const W = initializer("w", [2, 3, 3, 3], Array(54).fill(1));
const CONV = node("Conv", ["x", "w"], ["c"], [attribute("pads", [1, 1, 1, 1])]);
const FLAT = input("x", [0, 4, 1, 1]);
const VECTOR = node("Flatten", ["x"], ["v"]);
const MATRIX = initializer("m", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);

/** Each row: what it is, what it means, and the file. */
const MEANINGS: readonly (readonly [what: string, meaning: string, ...parts: number[][]])[] = [
  ["a ReLU", "input, conv, relu", X, W, CONV, node("Relu", ["c"])],
  [
    "a Clip from 0 on",
    "input, conv, relu",
    ...[X, W, CONV, node("Clip", ["c", "zero", ""]), initializer("zero", [], [0])],
  ],
  [
    "a Clip of old",
    "input, conv, Clip: it caps its values at 6",
    ...[
      X,
      W,
      CONV,
      node("Clip", ["c"], ["y"], [attribute("min", 0.0, true), attribute("max", 6.0, true)]),
    ],
  ],
  [
    "a Clip below 0",
    "input, conv, Clip: it cuts its values off below -1",
    ...[X, W, CONV, node("Clip", ["c", "low"]), initializer("low", [], [-1])],
  ],
  [
    "a leaky ReLU",
    "input, conv, LeakyRelu: it keeps 0.25 of what is negative",
    ...[X, W, CONV, node("LeakyRelu", ["c"], ["y"], [attribute("alpha", 0.25, true)])],
  ],
  ["another activation", "input, conv, Elu: undefined", X, W, CONV, node("Elu", ["c"])],
  [
    "another domain's operator",
    "input, com.microsoft.nchwc.Conv: it is for one kind of processor: save the optimized model at a lower level",
    ...[X, W, node("Conv", ["x", "w"], ["y"], [], "com.microsoft.nchwc")],
  ],
  [
    "what lies behind an unknown operator",
    "input, conv, Selu: undefined, identity, identity",
    ...[X, W, CONV, node("Selu", ["c"], ["s"]), node("Flatten", ["s"], ["f"])],
    node("Gelu", ["f"]),
  ],
  [
    "a sum of two values",
    "input, conv, Add: all that it takes is computed: a VGG is one chain of layers",
    ...[X, W, CONV, node("Add", ["c", "c"])],
  ],
  [
    "a fused activation",
    "input, conv, relu",
    ...[
      X,
      W,
      node("FusedConv", ["x", "w"], ["y"], [attribute("activation", "Relu")], "com.microsoft"),
    ],
  ],
  [
    "a fused Clip that is a ReLU",
    "input, conv, relu",
    ...[X, W],
    node("FusedConv", ["x", "w"], ["y"], [
      attribute("activation", "Clip"),
      attribute("activation_params", [0, 3e38], true),
    ], "com.microsoft"),
  ],
  [
    "another fused activation",
    "input, com.microsoft.FusedConv: its activation is LeakyRelu",
    ...[X, W],
    node("FusedConv", ["x", "w"], ["y"], [attribute("activation", "LeakyRelu")], "com.microsoft"),
  ],
  [
    "a convolution whose weight is computed",
    "input, Conv: its weight is no constant",
    ...[X, node("Conv", ["x", "nothing"])],
  ],
  [
    "normalization by what a batch gives",
    "input, conv, BatchNormalization: it normalizes by what it is given: export for inference",
    ...[X, W, CONV, initializer("p", [2], [1, 1])],
    node("BatchNormalization", ["c", "p", "p", "p", "p"], ["y"], [attribute("training_mode", 1)]),
  ],
  [
    "a padded average that counts zeros",
    "input, AveragePool: it counts the zeros around the map (count_include_pad)",
    X,
    node("AveragePool", ["x"], ["y"], [
      attribute("kernel_shape", [2, 2]),
      attribute("pads", [1, 1, 1, 1]),
      attribute("count_include_pad", 1),
    ]),
  ],
  [
    "a map that becomes a vector",
    "input, flatten",
    ...[X, node("Reshape", ["x", "shape"]), initializer("shape", [2], [-1, 12288], TYPES.int64)],
  ],
  [
    "positions that become images",
    "input, Reshape: it makes [-1, 3] of [N, 3, 64, 64]",
    ...[X, node("Reshape", ["x", "shape"]), initializer("shape", [2], [-1, 3], TYPES.int64)],
  ],
  [
    "a shape that is computed",
    "input, flatten",
    ...[
      X,
      node("Shape", ["x"], ["s"]),
      node("Gather", ["s", "0"], ["n"]),
      node("Unsqueeze", ["n", "a"], ["u"]),
    ],
    ...[node("Concat", ["u", "rest"], ["t"], [attribute("axis", 0)]), node("Reshape", ["x", "t"])],
    ...[initializer("0", [], [0], TYPES.int64), initializer("a", [1], [0], TYPES.int64)],
    initializer("rest", [1], [-1], TYPES.int64),
  ],
  [
    "places that become one axis, and their average",
    "input, identity, globalAverage",
    ...[
      X,
      node("Reshape", ["x", "s"], ["r"]),
      node("ReduceMean", ["r", "last"], ["y"], [attribute("keepdims", 0)]),
    ],
    ...[
      initializer("s", [3], [0, 0, -1], TYPES.int64),
      initializer("last", [1], [-1], TYPES.int64),
    ],
  ],
  [
    "rows' averages and the average of these",
    "input, globalAverage",
    ...[X, node("ReduceMean", ["x"], ["r"], [attribute("axes", [3]), attribute("keepdims", 0)])],
    node("ReduceMean", ["r"], ["y"], [attribute("axes", [2]), attribute("keepdims", 0)]),
  ],
  [
    "rows' averages",
    "input, ReduceMean: it averages over the axes 3: expected the places of a map, and all of them",
    ...[X, node("ReduceMean", ["x"], ["y"], [attribute("axes", [3])])],
  ],
  [
    "the average over channels",
    "input, ReduceMean: it averages over the axes 1: expected the places of a map, and all of them",
    ...[X, node("ReduceMean", ["x"], ["y"], [attribute("axes", [1])])],
  ],
  [
    "soft-max over classes",
    "input, flatten, softmax",
    ...[FLAT, VECTOR, node("Softmax", ["v"])],
  ],
  [
    "soft-max over a map's rows",
    "input, Softmax: it is taken over axis 3, not over the classes",
    ...[X, node("Softmax", ["x"])],
  ],
  [
    "colors that are turned round",
    "input, reverseColors",
    ...[X, node("Gather", ["x", "bgr"], ["y"], [attribute("axis", 1)])],
    initializer("bgr", [3], [2, 1, 0], TYPES.int64),
  ],
  [
    "colors that are mixed",
    "input, Gather: it takes the channels 1, 0, 2 of 3",
    ...[X, node("Gather", ["x", "grb"], ["y"], [attribute("axis", 1)])],
    initializer("grb", [3], [1, 0, 2], TYPES.int64),
  ],
  [
    "colors that are taken apart and joined",
    "input, reverseColors",
    ...[X, node("Split", ["x"], ["r", "g", "b"], [attribute("axis", 1)])],
    node("Concat", ["b", "g", "r"], ["y"], [attribute("axis", 1)]),
  ],
  [
    "axes that are turned round and back",
    "input, identity",
    ...[X, node("Transpose", ["x"], ["t"], [attribute("perm", [0, 2, 3, 1])])],
    node("Transpose", ["t"], ["y"], [attribute("perm", [0, 3, 1, 2])]),
  ],
  [
    "zeros around a map",
    "input, pad",
    ...[X, node("Pad", ["x", "p"]), initializer("p", [8], [0, 0, 1, 1, 0, 0, 1, 1], TYPES.int64)],
  ],
  [
    "a mirrored border",
    "input, Pad: its mode is reflect",
    ...[X, node("Pad", ["x", "p"], ["y"], [attribute("mode", "reflect")])],
    initializer("p", [8], [0, 0, 1, 1, 0, 0, 1, 1], TYPES.int64),
  ],
  [
    "integers that are made of floats, and floats again",
    "input, conv, identity, identity",
    ...[
      X,
      W,
      CONV,
      node("QuantizeLinear", ["c", "s", "z"], ["q"]),
      node("DequantizeLinear", ["q", "s", "z"]),
    ],
    ...[initializer("s", [], [0.5]), initializer("z", [], [3], TYPES.uint8)],
  ],
  [
    "integers whose smallest one is 0, which is a ReLU",
    "input, conv, relu, identity",
    ...[
      X,
      W,
      CONV,
      node("QuantizeLinear", ["c", "s", "z"], ["q"]),
      node("DequantizeLinear", ["q", "s", "z"]),
    ],
    ...[initializer("s", [], [0.5]), initializer("z", [], [-128], TYPES.int8)],
  ],
  [
    "integers of an image, which are its bytes",
    "input, identity, identity",
    ...[
      X,
      node("QuantizeLinear", ["x", "s", "z"], ["q"]),
      node("DequantizeLinear", ["q", "s", "z"]),
    ],
    ...[initializer("s", [], [0.5]), initializer("z", [], [0], TYPES.uint8)],
  ],
  [
    "integers that are taken for other floats",
    "input, conv, identity, DequantizeLinear: it takes its integers as (q - 3) * 0.25: they were made as (q - 3) * 0.5",
    ...[
      X,
      W,
      CONV,
      node("QuantizeLinear", ["c", "s", "z"], ["q"]),
      node("DequantizeLinear", ["q", "t", "z"]),
    ],
    ...[
      initializer("s", [], [0.5]),
      initializer("t", [], [0.25]),
      initializer("z", [], [3], TYPES.uint8),
    ],
  ],
  [
    "a product that multiplies another value",
    "input, flatten, MatMul: its first input is the weight, its second one the value",
    ...[FLAT, VECTOR, MATRIX, node("MatMul", ["m", "v"])],
  ],
  [
    "images that are no maps",
    "input: it has the shape [?, 784]: images have four axes, identity",
    ...[input("x", [0, 784]), node("Relu", ["x"])],
  ],
  [
    "an output that is a constant",
    "output: it is a constant, whatever the image is",
    ...[X, initializer("y", [1], [1])],
  ],
];

for (const [what, meaning, ...parts] of MEANINGS) {
  Deno.test(`ONNX: ${what}`, async () => {
    assertEquals(kinds(await operatorsOf(...parts)), meaning);
  });
}

Deno.test("ONNX: the attributes of a convolution are read, whatever way its padding is written", async () => {
  const geometry = async (...attributes: number[][]) => {
    const operators = await operatorsOf(X, W, node("Conv", ["x", "w"], ["y"], attributes));
    const conv = expectKind(operators.at(-1), "conv");
    const { stride, padding, dilation, groups, layout } = conv;
    return { stride, padding, dilation, groups, layout };
  };
  const plain = { stride: [1, 1], dilation: [1, 1], groups: 1, layout: "NCHW" };
  assertEquals(await geometry(), { ...plain, padding: [0, 0, 0, 0] });
  assertEquals(
    await geometry(
      attribute("strides", [2, 3]),
      attribute("pads", [0, 1, 2, 3]),
      attribute("dilations", [4, 5]),
      attribute("group", 3),
    ),
    { stride: [2, 3], padding: [0, 1, 2, 3], dilation: [4, 5], groups: 3, layout: "NCHW" },
  );
  assertEquals((await geometry(attribute("auto_pad", "SAME_UPPER"))).padding, "same");
  assertEquals((await geometry(attribute("auto_pad", "VALID"))).padding, "valid");
  const lower = attribute("auto_pad", "SAME_LOWER");
  assertEquals((await geometry(lower)).padding, [1, 1, 1, 1]);
  // 32 outputs of 64 inputs take one zero, which SAME_LOWER puts first.
  const strided = await geometry(lower, attribute("strides", [2, 2]));
  assertEquals(strided.padding, [1, 1, 0, 0]);
});

Deno.test("ONNX: an image's layout is what the first convolution makes of it", async () => {
  const inputOf = async (...parts: number[][]) => (await operatorsOf(...parts))[0];
  const turned = node("Transpose", ["x"], ["t"], [attribute("perm", [0, 3, 1, 2])]);
  assertEquals(
    await inputOf(input("x", [0, 40, 48, 3]), W, turned, node("Conv", ["t", "w"])),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  const open = { height: undefined, width: undefined, channels: undefined };
  assertEquals(
    await inputOf(input("x", [0, 0, 0, 0]), W, node("Conv", ["x", "w"])),
    { kind: "input", layout: "NCHW", ...open },
  );
  assertEquals(
    await inputOf(input("x", [1, 40, 48, 3]), node("Flatten", ["x"])),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  // What only one kind of processor takes may come before that.
  const blocked = node("Conv", ["x", "w"], ["y"], [], "com.microsoft.nchwc");
  assertEquals(
    await inputOf(input("x", [1, 40, 48, 3]), W, blocked),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  // Files of old list their weights among the inputs.
  const listed = await operatorsOf(X, input("w", [2, 3, 3, 3]), W, node("Conv", ["x", "w"]));
  assertEquals(kinds(listed), "input, conv");
});

/** A tensor's shape, layout and numbers. */
async function contents(constant: CheckpointTensor | number | undefined) {
  assert(typeof constant === "object");
  const tensor = constant as CheckpointTensor;
  return [tensor.shape, tensor.layout.outputs, Array.from(await readAll(tensor))];
}

Deno.test("ONNX: a Gemm is told with its factors", async () => {
  const parts = (...attributes: number[][]) => [
    ...[FLAT, VECTOR, MATRIX, initializer("b", [1, 2], [10, 20])],
    node("Gemm", ["v", "m", "b"], ["y"], [attribute("transB", 1), ...attributes]),
  ];
  const [, , first, ...none] = await operatorsOf(...parts());
  const dense = expectKind(first, "dense");
  assertEquals(await contents(dense.weight), [[2, 4], "first", [1, 2, 3, 4, 5, 6, 7, 8]]);
  assertEquals(await contents(dense.bias), [[2], "first", [10, 20]]);
  assertEquals(none, []);

  const scaled = await operatorsOf(
    ...parts(attribute("alpha", 0.5, true), attribute("beta", 2.0, true)),
  );
  assertEquals(expectKind(scaled[2], "dense").bias, undefined);
  assertEquals(scaled[3], { kind: "affine", scale: 0.5 });
  assertEquals(await contents(expectKind(scaled[4], "affine").shift), [[2], "first", [20, 40]]);
});

/** The weight of the dense layer that takes `w`, which nodes compute from `m`. */
async function weightBehind(...parts: number[][]) {
  const operators = await operatorsOf(FLAT, VECTOR, ...parts, node("MatMul", ["v", "w"]));
  return await contents(expectKind(operators.at(-1), "dense").weight);
}

Deno.test("ONNX: a weight is found behind whatever moves it", async () => {
  const columns = [1, 5, 2, 6, 3, 7, 4, 8], rows = [1, 2, 3, 4, 5, 6, 7, 8];
  // A matrix that is turned round is read as it lies.
  assertEquals(await weightBehind(MATRIX, node("Transpose", ["m"], ["w"])), [
    [2, 4],
    "first",
    rows,
  ]);
  assertEquals(
    await weightBehind(MATRIX, node("Identity", ["m"], ["i"]), node("Transpose", ["i"], ["w"])),
    [[2, 4], "first", rows],
  );
  const shape = initializer("s", [2], [4, -1], TYPES.int64);
  assertEquals(await weightBehind(MATRIX, shape, node("Reshape", ["m", "s"], ["w"])), [
    [4, 2],
    "last",
    rows,
  ]);
  assertEquals(
    await weightBehind(
      ...[MATRIX, shape, node("Transpose", ["m"], ["t"]), node("Reshape", ["t", "s"], ["w"])],
    ),
    [[4, 2], "last", columns],
  );
  const cast = node("Cast", ["m"], ["w"], [attribute("to", 1)]);
  const halves = initializer("m", [4, 2], rows, TYPES.float16);
  assertEquals(await weightBehind(halves, cast), [[4, 2], "last", rows]);
  const scale = initializer("f", [2], [2, -1]);
  assertEquals(
    await weightBehind(initializer("m", [4, 2], rows, TYPES.int8), scale, [
      ...node("Cast", ["m"], ["c"], [attribute("to", 1)]),
      ...node("Mul", ["c", "f"], ["w"]),
    ]),
    [[4, 2], "last", [2, -2, 6, -4, 10, -6, 14, -8]],
  );
  // What trained with rounded weights has them as floats that are rounded in the graph.
  assertEquals(
    await weightBehind(
      initializer("m", [4, 2], [0.2, 0.3, 0.75, 1.25, -0.1, 300, -300, 0]),
      initializer("f", [], [0.5]),
      initializer("z", [], [0], TYPES.int8),
      node("QuantizeLinear", ["m", "f", "z"], ["q"]),
      node("DequantizeLinear", ["q", "f", "z"], ["w"]),
    ),
    [[4, 2], "last", [0, 0.5, 1, 1, 0, 63.5, -64, 0]],
  );
});

Deno.test("ONNX: numbers are read in every way in which they are written", async () => {
  const shape = integers(1, [4, 2]);
  const weight = (type: number, ...content: number[]) =>
    weightBehind(field(5, [...shape, 2 << 3, type, ...field(8, "w"), ...content]));
  const values = (...numbers: number[]) => [[4, 2], "last", numbers];
  // 16-bit floats as the bits of integers: 1, -2, 0.5, and what follows.
  const halves = [0x3c00, 0xc000, 0x3800, 0, 0, 0, 0, 0x3c00];
  assertEquals(await weight(10, ...integers(5, halves)), values(1, -2, 0.5, 0, 0, 0, 0, 1));
  const upper = [0x3f80, 0xc000, 0x3f00, 0, 0, 0, 0, 0x3f80];
  assertEquals(await weight(16, ...integers(5, upper)), values(1, -2, 0.5, 0, 0, 0, 0, 1));
  assertEquals(
    await weight(6, ...integers(5, [1, 2, 3, 4, 5, 6, 7, 8])),
    values(1, 2, 3, 4, 5, 6, 7, 8),
  );
  // Two in a byte, the lower half first.
  assertEquals(
    await weight(22, ...field(9, [0xf1, 0x87, 0x32, 0x54])),
    values(1, -1, 7, -8, 2, 3, 4, 5),
  );
  assertEquals(
    await weight(21, ...field(9, [0xf1, 0x87, 0x32, 0x54])),
    values(1, 15, 7, 8, 2, 3, 4, 5),
  );
  assertEquals(
    await weight(22, ...integers(5, [0xf1, 0x87, 0x32, 0x54])),
    values(1, -1, 7, -8, 2, 3, 4, 5),
  );
  const damaged = weight(22, ...field(9, [1, 2, 3]));
  await assertRejects(() => damaged, CheckpointFormatError, "shape [4,2] has 3 bytes");
});

Deno.test("ONNX: a filter that TensorFlow's exporters turn round is read as it lies", async () => {
  const hwio = initializer("h", [3, 3, 3, 2], Array.from({ length: 54 }, (_, i) => i));
  const turn = node("Transpose", ["h"], ["w"], [attribute("perm", [3, 2, 0, 1])]);
  const operators = await operatorsOf(X, hwio, turn, node("Conv", ["x", "w"]));
  const conv = expectKind(operators.at(-1), "conv");
  assertEquals([conv.weight.shape, conv.weight.layout.outputs], [[3, 3, 3, 2], "last"]);
});

Deno.test("ONNX: a weight that two layers share is a tensor for each", async () => {
  const square = initializer("m", [4, 4], Array(16).fill(1));
  const operators = await operatorsOf(
    ...[FLAT, VECTOR, square, node("MatMul", ["v", "m"], ["h"]), node("MatMul", ["h", "m"])],
  );
  const [first, second] = operators.slice(-2).map((operator) => expectKind(operator, "dense"));
  assert(first.weight !== second.weight);
});

Deno.test("ONNX: constants before version 7 begin at the axis that is named", async () => {
  const add = node("Add", ["c", "b"], ["y"], [attribute("axis", 1), attribute("broadcast", 1)]);
  const operators = await operatorsOf(X, W, CONV, initializer("b", [2], [1, 2]), add);
  assertEquals(await contents(expectKind(operators.at(-1), "affine").shift), [[2, 1, 1], "first", [
    1,
    2,
  ]]);
});

Deno.test("ONNX: a model's functions are put in the place of their calls", async () => {
  const body = (...nodes: number[][]) =>
    field(25, [
      ...[...field(1, "Block"), ...field(10, "local"), ...field(4, "a"), ...field(5, "b")],
      ...nodes.flatMap((node) => node),
    ]);
  const inner = (...parts: Parameters<typeof node>) => [7 << 3 | 2, ...node(...parts).slice(1)];
  const call = node("Block", ["x"], ["h"], [attribute("slope", 0, true)], "local");
  const again = node("Block", ["h"], ["y"], [attribute("slope", 0.5, true)], "local");
  const alpha = field(5, [...field(1, "alpha"), ...field(21, "slope")]);
  const leaky = body(inner("LeakyRelu", ["a"], ["t"], [alpha]), inner("Identity", ["t"], ["b"]));
  assertEquals(
    kinds(await operatorsOf(X, call, again, leaky)),
    "input, relu, identity, LeakyRelu: it keeps 0.5 of what is negative, identity",
  );
  const endless = body(
    inner("Block", ["a"], ["t"], [], "local"),
    inner("Block", ["t"], ["b"], [], "local"),
  );
  await assertRejects(
    () => operatorsOf(X, call, again, endless),
    CheckpointFormatError,
    "call each other without an end",
  );
});

Deno.test("ONNX: metadata say how images are prepared", async () => {
  const entry = (key: string, value: string) => field(14, [...field(1, key), ...field(2, value)]);
  const { images } = await open(
    ...[X, node("Relu", ["x"]), output("y"), entry("Image.BitmapPixelFormat", "Bgr8")],
    entry("Image.NominalPixelRange", "Normalized_0_1"),
  );
  assertEquals(images, {
    preprocessing: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
    colors: "bgr",
    isRead: true,
    because: "Image.NominalPixelRange",
  });
  const plain = await open(X, node("Relu", ["x"]), output("y"), field(2, "tf2onnx"));
  assertEquals([plain.images?.preprocessing, plain.images?.isRead], ["caffe", false]);
});

const DAMAGED: readonly (readonly [what: string, message: string, ...parts: number[][]])[] = [
  ["a node without outputs", "Node  (Conv) has no output", node("Conv", ["x", "w"], []), W],
  [
    "a tensor of a negative size",
    "has the shape [-1]",
    field(5, [...integers(1, [-1]), 2 << 3, 1, ...field(8, "w")]),
  ],
  [
    "data in a folder above",
    "lies in ../w, which is no file name",
    field(5, [
      ...[...integers(1, [1]), 2 << 3, 1, ...field(8, "w")],
      ...field(13, [...field(1, "location"), ...field(2, "../w")]),
    ]),
  ],
  [
    "scales that do not fit",
    "3 scales and 3 zero points do not fit axis 0 of [2,4]",
    ...[FLAT, VECTOR, initializer("m", [2, 4], Array(8).fill(1), TYPES.int8)],
    initializer("s", [3], [1, 1, 1]),
    node("DequantizeLinear", ["m", "s"], ["w"], [attribute("axis", 0)]),
  ],
];

for (const [what, message, ...parts] of DAMAGED) {
  Deno.test(`ONNX: ${what} is refused`, async () => {
    const error = await assertRejects(() => open(...parts), CheckpointFormatError, message);
    assertEquals([error.file, error.code], ["some.onnx", "checkpoint-format"]);
  });
}
