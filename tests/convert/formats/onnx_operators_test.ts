import { assertEquals } from "@std/assert";
import { attribute, initializer, input, node, TYPES } from "../../support/onnx_file.ts";
import {
  contents,
  CONV,
  expectKind,
  FLAT,
  kinds,
  MATRIX,
  operatorsOf,
  VECTOR,
  W,
  X,
} from "../../support/onnx_graph.ts";

/** Each row: what it is, what it means, and the file. */
const MEANINGS: readonly (readonly [what: string, meaning: string, ...parts: number[][]])[] = [
  ["a ReLU", "input, conv, relu", X, W, CONV, node("Relu", ["c"])],
  [
    "a Clip from 0 on",
    "input, conv, relu",
    ...[X, W, CONV, node("Clip", ["c", "zero", ""]), initializer("zero", [], [0])],
  ],
  [
    "the maximum of 0 and a value",
    "input, conv, relu, relu",
    ...[X, W, CONV, initializer("zero", [1], [0]), node("Max", ["c", "zero"], ["m"])],
    node("Max", ["zero", "m"]),
  ],
  [
    "the maximum of 1 and a value",
    "input, conv, Max: it takes the maximum of its value and 1",
    ...[X, W, CONV, initializer("one", [1], [1]), node("Max", ["c", "one"])],
  ],
  [
    "a slice of everything",
    "input, identity",
    X,
    node("Slice", ["x"], ["y"], [
      attribute("axes", [1, 2]),
      attribute("starts", [0, 0]),
      attribute("ends", [3, 1e9]),
    ]),
  ],
  [
    "integers of an image that was scaled",
    "input, affine, identity",
    ...[X, initializer("s", [], [0.5]), initializer("z", [], [0], TYPES.uint8)],
    ...[node("Mul", ["x", "s"], ["m"]), node("QuantizeLinear", ["m", "s", "z"])],
  ],
  [
    "a Max with many zeros",
    "input, conv, relu",
    ...[X, W, CONV, node("Max", ["c", "zeros"]), initializer("zeros", [2, 1, 1], [0, 0])],
  ],
  [
    "a Max with another number",
    "input, conv, Max: it takes the maximum of its value and 3",
    ...[X, W, CONV, node("Max", ["c", "zeros"]), initializer("zeros", [2, 1, 1], [0, 3])],
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
    "a fused sum",
    "input, com.microsoft.FusedConv: it adds another value to its result",
    ...[X, W, CONV, node("FusedConv", ["x", "w", "", "c"], ["y"], [], "com.microsoft")],
  ],
  [
    "a product at each position of a map",
    "input, MatMul: it multiplies each position of a map",
    ...[input("x", [1, 8, 8, 4]), initializer("m", [4, 2], Array(8).fill(1))],
    node("MatMul", ["x", "m"]),
  ],
  [
    "a product at the one position of a map",
    "input, conv, globalAverage, transpose, dense",
    ...[X, W, CONV, node("GlobalAveragePool", ["c"], ["g"])],
    node("Transpose", ["g"], ["t"], [attribute("perm", [0, 2, 3, 1])]),
    ...[initializer("m", [2, 2], Array(4).fill(1)), node("MatMul", ["t", "m"])],
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
    "one image, whose axis goes",
    "input, flatten, dense",
    ...[input("x", [1, 3, 2, 2]), node("Reshape", ["x", "all"], ["v"]), node("MatMul", ["v", "m"])],
    initializer("all", [1], [-1], TYPES.int64),
    initializer("m", [12, 2], Array(24).fill(1)),
  ],
  [
    "several images that become one vector",
    "input, Reshape: it makes [-1] of [2, 3, 2, 2]",
    ...[input("x", [2, 3, 2, 2]), node("Reshape", ["x", "all"])],
    initializer("all", [1], [-1], TYPES.int64),
  ],
  [
    "all axes of one element dropped",
    "input, flatten",
    ...[input("x", [1, 3, 1, 1]), node("Squeeze", ["x"])],
  ],
  [
    "axes dropped that may have several elements",
    "input, Squeeze: what it drops depends on a size that is open",
    ...[input("x", [1, 3, 0, 0]), node("Squeeze", ["x"])],
  ],
  [
    "an axis put in, and nobody says where",
    "input, Unsqueeze: it has no list of axes",
    ...[input("x", [1, 3, 2, 2]), node("Unsqueeze", ["x"])],
  ],
  [
    "all images flattened",
    "input, Flatten: it flattens [N, 3, 64, 64] from axis 0 on",
    ...[X, node("Flatten", ["x"], ["y"], [attribute("axis", 0)])],
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
    "a vector of a padded map",
    "input, pad, flatten",
    ...[
      input("x", [0, 3, 4, 4]),
      node("Pad", ["x"], ["p"], [attribute("pads", [0, 0, 1, 1, 0, 0, 2, 2])]),
    ],
    ...[initializer("s", [2], [-1, 147], TYPES.int64), node("Reshape", ["p", "s"])],
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
  const single = await operatorsOf(
    ...[FLAT, VECTOR, MATRIX, initializer("b", [1], [3])],
    node("Gemm", ["v", "m", "b"], ["y"], [attribute("transB", 1)]),
  );
  assertEquals(kinds(single), "input, flatten, dense, affine");
  assertEquals(await contents(expectKind(single[3], "affine").shift), [[1], "first", [3]]);
  const wrong = await operatorsOf(
    ...[FLAT, VECTOR, MATRIX, initializer("b", [3], [1, 2, 3])],
    node("Gemm", ["v", "m", "b"], ["y"], [attribute("transB", 1)]),
  );
  assertEquals(kinds(wrong), "input, flatten, Gemm: its bias has the shape [3]");
  assertEquals(expectKind(scaled[2], "dense").bias, undefined);
  assertEquals(scaled[3], { kind: "affine", scale: 0.5 });
  assertEquals(await contents(expectKind(scaled[4], "affine").shift), [[2], "first", [20, 40]]);
});

Deno.test("ONNX: constants before version 7 begin at the axis that is named", async () => {
  const add = node("Add", ["c", "b"], ["y"], [attribute("axis", 1), attribute("broadcast", 1)]);
  const operators = await operatorsOf(X, W, CONV, initializer("b", [2], [1, 2]), add);
  assertEquals(await contents(expectKind(operators.at(-1), "affine").shift), [[2, 1, 1], "first", [
    1,
    2,
  ]]);
});

/** Each row: what is computed of constants as `b`, its numbers, and the parts. */
const COMPUTED: readonly (readonly [what: string, numbers: number[], ...parts: number[][]])[] = [
  ...[[], [1], [1, 1], [1, 1, 1]].flatMap((shape) => [
    [
      `Sub of the larger one, and [${shape}]`,
      [2, 5],
      ...[initializer("p", [2, 1, 1], [3, 6]), initializer("q", shape, [1])],
      node("Sub", ["p", "q"], ["b"]),
    ] as [string, number[], ...number[][]],
    [
      `Div by the larger one of [${shape}]`,
      [4, 2],
      ...[initializer("p", [2, 1, 1], [3, 6]), initializer("q", shape, [12])],
      node("Div", ["q", "p"], ["b"]),
    ] as [string, number[], ...number[][]],
  ]),
  [
    "Reciprocal",
    [0.5, -0.25],
    initializer("p", [2, 1, 1], [2, -4]),
    node("Reciprocal", ["p"], ["b"]),
  ],
  ["Sqrt", [2, 3], initializer("p", [2, 1, 1], [4, 9]), node("Sqrt", ["p"], ["b"])],
  ["Neg", [-2, 4], initializer("p", [2, 1, 1], [2, -4]), node("Neg", ["p"], ["b"])],
  [
    "Transpose in an order",
    [1, 2],
    initializer("p", [1, 2, 1], [1, 2]),
    node("Transpose", ["p"], ["b"], [attribute("perm", [1, 0, 2])]),
  ],
  ["Transpose", [1, 2], initializer("p", [1, 1, 2], [1, 2]), node("Transpose", ["p"], ["b"])],
  [
    "Transpose of several rows",
    [1, 3, 2, 4],
    ...[initializer("p", [2, 2], [1, 2, 3, 4]), node("Transpose", ["p"], ["t"])],
    ...[initializer("s", [3], [4, 1, 1], TYPES.int64), node("Reshape", ["t", "s"], ["b"])],
  ],
  [
    "Reshape with a size that stays, and one that is open",
    [1, 2],
    ...[initializer("p", [2, 1], [1, 2]), initializer("s", [3], [0, -1, 1], TYPES.int64)],
    node("Reshape", ["p", "s"], ["b"]),
  ],
  [
    "Reshape to the Shape of another",
    [1, 2],
    ...[initializer("p", [2], [1, 2]), initializer("q", [2, 1, 1], [7, 8])],
    ...[node("Shape", ["q"], ["s"]), node("Reshape", ["p", "s"], ["b"])],
  ],
  [
    "Reshape to a part of a Shape",
    [1, 2],
    ...[initializer("p", [2], [1, 2]), initializer("q", [1, 2, 1, 1, 1], [7, 8])],
    node("Shape", ["q"], ["s"], [attribute("start", 1), attribute("end", 4)]),
    node("Reshape", ["p", "s"], ["b"]),
  ],
  [
    // 2.5 and 7.5 steps are 2 and 8, -2.5 is -2 and -1.5 is -2: the nearest even one.
    "QuantizeLinear, and back",
    [1, 4, -1, -1],
    ...[initializer("p", [4, 1, 1], [1.25, 3.75, -1.25, -0.75]), initializer("s", [], [0.5])],
    ...[initializer("z", [], [3], TYPES.int8), node("QuantizeLinear", ["p", "s", "z"], ["q"])],
    node("DequantizeLinear", ["q", "s", "z"], ["b"]),
  ],
  [
    "QuantizeLinear by the second axis unless another is named",
    [127, 12.5],
    ...[initializer("p", [1, 2], [200, 12.6]), initializer("s", [2], [1, 0.5])],
    ...[initializer("z", [2], [0, 0], TYPES.int8), node("QuantizeLinear", ["p", "s", "z"], ["q"])],
    node("DequantizeLinear", ["q", "s", "z"], ["d"]),
    ...[initializer("t", [3], [2, 1, 1], TYPES.int64), node("Reshape", ["d", "t"], ["b"])],
  ],
  [
    "QuantizeLinear by the axis that is named",
    [127, 12.5],
    ...[initializer("p", [2, 1, 1], [200, 12.6]), initializer("s", [2], [1, 0.5])],
    initializer("z", [2], [0, 0], TYPES.int8),
    node("QuantizeLinear", ["p", "s", "z"], ["q"], [attribute("axis", 0)]),
    node("DequantizeLinear", ["q", "s", "z"], ["b"], [attribute("axis", -3)]),
  ],
];

for (const [what, numbers, ...parts] of COMPUTED) {
  Deno.test(`ONNX: constants are computed by ${what}`, async () => {
    const channels = numbers.length;
    const weight = initializer("w", [channels, 3, 3, 3], Array(27 * channels).fill(1));
    const add = node("Add", ["c", "b"]);
    const last = (await operatorsOf(X, weight, CONV, ...parts, add)).at(-1);
    const [, , found] = await contents(expectKind(last, "affine").shift);
    assertEquals(found, numbers);
  });
}

Deno.test("ONNX: the sides of a padding are read from attributes, inputs and what a graph computes", async () => {
  const padding = async (...parts: number[][]) => {
    const pad = expectKind((await operatorsOf(X, ...parts)).at(-1), "pad");
    return [pad.padding, pad.layout];
  };
  const expected = [[1, 2, 3, 4], "NCHW"];
  const pads = [0, 0, 1, 2, 0, 0, 3, 4];
  assertEquals(await padding(node("Pad", ["x"], ["y"], [attribute("pads", pads)])), expected);
  assertEquals(
    await padding(
      initializer("p", [4], [1, 2, 3, 4], TYPES.int64),
      initializer("axes", [2], [2, -1], TYPES.int64),
      node("Pad", ["x", "p", "", "axes"]),
    ),
    expected,
  );
  for (const [before, after] of [[0, 1], [1, 0]] as const) {
    const one = [0, 0, before, after, 0, 0, after, before];
    assertEquals(
      await padding(node("Pad", ["x"], ["y"], [attribute("pads", one)])),
      [[before, after, after, before], "NCHW"],
    );
  }
  // PyTorch's exporter turns its own list round, which begins with the last axis: left, right, top, bottom.
  const numbers = (name: string, shape: number[], values: number[]) =>
    initializer(name, shape, values, TYPES.int64);
  assertEquals(
    await padding(
      ...[
        numbers("own", [4], [2, 4, 1, 3]),
        numbers("four", [1], [4]),
        numbers("pairs", [2], [-1, 2]),
      ],
      ...[numbers("from", [1], [-1]), numbers("to", [1], [-1e9]), numbers("step", [1], [-1])],
      ...[numbers("first", [1], [0]), numbers("all", [1], [-1])],
      node("ConstantOfShape", ["four"], ["zeros"]),
      node("Concat", ["own", "zeros"], ["eight"], [attribute("axis", 0)]),
      node("Reshape", ["eight", "pairs"], ["rows"]),
      node("Slice", ["rows", "from", "to", "first", "step"], ["turned"]),
      node("Transpose", ["turned"], ["columns"], [attribute("perm", [1, 0])]),
      node("Reshape", ["columns", "all"], ["list"]),
      node("Cast", ["list"], ["cast"], [attribute("to", 7)]),
      node("Pad", ["x", "cast"]),
    ),
    expected,
  );
  // A part of a list is taken one by one, if nobody says otherwise.
  assertEquals(
    await padding(
      numbers("list", [10], [7, 7, ...pads]),
      ...[numbers("from", [1], [2]), numbers("to", [1], [10]), numbers("first", [1], [0])],
      node("Slice", ["list", "from", "to", "first"], ["part"]),
      node("Pad", ["x", "part"]),
    ),
    expected,
  );
  const last = node("Transpose", ["x"], ["t"], [attribute("perm", [0, 2, 3, 1])]);
  const sides = attribute("pads", [0, 1, 2, 0, 0, 3, 4, 0]);
  assertEquals(await padding(last, node("Pad", ["t"], ["y"], [sides])), [[1, 2, 3, 4], "NHWC"]);
});
