import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { memoryTensor, OnnxTensors } from "../../../lib/convert/formats/onnx/tensor.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";
import {
  attribute,
  field,
  initializer,
  input,
  integers,
  node,
  TYPES,
} from "../../support/onnx_file.ts";
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
  const flat = initializer("m", [4, 1, 2], rows);
  const first = initializer("a", [1], [1], TYPES.int64);
  assertEquals(await weightBehind(flat, first, node("Squeeze", ["m", "a"], ["w"])), [
    [4, 2],
    "last",
    rows,
  ]);
  assertEquals(await weightBehind(flat, node("Flatten", ["m"], ["w"])), [[4, 2], "last", rows]);
  const list = initializer("m", [4], [1, 2, 3, 4]);
  assertEquals(
    await weightBehind(list, node("Unsqueeze", ["m"], ["w"], [attribute("axes", [1])])),
    [[4, 1], "last", [1, 2, 3, 4]],
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

Deno.test("ONNX: sums and products of integers with a constant are those of floats", async () => {
  const constants = [
    ...[initializer("b", [2, 1, 1], [3, 5], TYPES.uint8), initializer("bs", [], [0.5])],
    ...[initializer("one", [], [1], TYPES.uint8), initializer("cs", [], [0.25])],
    ...[initializer("low", [], [0], TYPES.uint8), initializer("mid", [], [128], TYPES.uint8)],
  ];
  const quantize = node("QuantizeLinear", ["c", "cs", "mid"], ["q"]);
  const value = ["q", "cs", "mid"], constant = ["b", "bs", "one"], result = ["cs", "low"];
  for (const [op, key] of [["QLinearAdd", "shift"], ["QLinearMul", "scale"]] as const) {
    for (const inputs of [[...value, ...constant], [...constant, ...value]]) {
      const sum = node(op, [...inputs, ...result], ["y"], [], "com.microsoft");
      const operators = await operatorsOf(X, W, CONV, ...constants, quantize, sum);
      assertEquals(kinds(operators), "input, conv, identity, affine, relu");
      const affine = expectKind(operators[3], "affine");
      assertEquals(await contents(affine[key]), [[2, 1, 1], "first", [1, 2]]);
    }
  }
});

Deno.test("ONNX: a product of integers alone is a dense layer, with a ReLU where it cuts off", async () => {
  const operators = await operatorsOf(
    ...[FLAT, VECTOR, initializer("m", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8], TYPES.int8)],
    ...[initializer("ms", [2], [1, 0.5]), initializer("mz", [2], [0, 0], TYPES.int8)],
    ...[initializer("s", [], [0.25]), initializer("z", [], [-128], TYPES.int8)],
    initializer("mid", [], [5], TYPES.int8),
    node("QuantizeLinear", ["v", "s", "mid"], ["q"]),
    node("QLinearMatMul", ["q", "s", "mid", "m", "ms", "mz", "s", "z"]),
  );
  assertEquals(kinds(operators.slice(-2)), "dense, relu");
  assertEquals(await contents(expectKind(operators.at(-2), "dense").weight), [
    ...[[4, 2], "last"],
    [1, 1, 3, 2, 5, 3, 7, 4],
  ]);
});

Deno.test("ONNX: scales of blocks are refused", async () => {
  const operators = await operatorsOf(
    ...[FLAT, VECTOR, initializer("m", [4, 2], Array(8).fill(1), TYPES.int8)],
    initializer("s", [2, 2], [1, 1, 1, 1]),
    node("DequantizeLinear", ["m", "s"], ["w"], [attribute("block_size", 2), attribute("axis", 0)]),
    node("MatMul", ["v", "w"]),
  );
  assertEquals(
    kinds(operators),
    "input, flatten, MatMul: its weight is no constant: DequantizeLinear: its numbers have a scale for each block",
  );
});

Deno.test("ONNX: an image of bytes is made floats as its scale says", async () => {
  const operators = await operatorsOf(
    ...[input("x", [1, 3, 8, 8], TYPES.uint8), node("DequantizeLinear", ["x", "s", "z"])],
    ...[initializer("s", [], [0.5]), initializer("z", [], [10], TYPES.uint8)],
  );
  assertEquals(operators[1], { kind: "affine", scale: 0.5, shift: -5 });
});

Deno.test("ONNX: onnxruntime's products of integers and floats are dense layers", async () => {
  const parts = [
    ...[FLAT, VECTOR, initializer("m", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8], TYPES.uint8)],
    ...[initializer("ms", [2], [1, 0.5]), initializer("mz", [], [1], TYPES.uint8)],
    ...[initializer("b", [2], [7, 9]), initializer("xs", [], [0.25])],
    initializer("xz", [], [128], TYPES.uint8),
  ];
  const weight = [[4, 2], "last", [0, 0.5, 2, 1.5, 4, 2.5, 6, 3.5]];
  const dynamic = node(
    "DynamicQuantizeMatMul",
    ["v", "m", "ms", "mz", "b"],
    ["y"],
    [],
    "com.microsoft",
  );
  const toFloat = node(
    ...["MatMulIntegerToFloat", ["q", "m", "xs", "ms", "xz", "mz", "b"], ["y"], []] as const,
    "com.microsoft",
  );
  const quantize = node("QuantizeLinear", ["v", "xs", "xz"], ["q"]);
  const spread = initializer("mz", [2], [1, 1], TYPES.uint8);
  for (const nodes of [[dynamic], [quantize, toFloat], [spread, dynamic]]) {
    const dense = expectKind((await operatorsOf(...parts, ...nodes)).at(-1), "dense");
    assertEquals(await contents(dense.weight), weight);
    assertEquals(await contents(dense.bias), [[2], "first", [7, 9]]);
  }
  // ONNX's own gives the integers, whose scale is multiplied with.
  const own = node("MatMulInteger", ["q", "m", "xz", "mz"]);
  const [dense, affine] = (await operatorsOf(...parts, quantize, own)).slice(-2);
  assertEquals(await contents(expectKind(dense, "dense").weight), [
    ...[[4, 2], "last"],
    [0, 1, 2, 3, 4, 5, 6, 7],
  ]);
  assertEquals(affine, { kind: "affine", scale: 4 });
});

Deno.test("ONNX: onnxruntime's pools of channels last say so", async () => {
  const constants = [initializer("s", [], [1]), initializer("z", [], [3], TYPES.uint8)];
  const parts = [
    ...[input("x", [1, 8, 8, 3]), ...constants, node("QuantizeLinear", ["x", "s", "z"], ["q"])],
  ];
  const window = [attribute("kernel_shape", [2, 2]), attribute("strides", [2, 2])];
  const average = node(
    ...["QLinearAveragePool", ["q", "s", "z", "s", "z"], ["y"]] as const,
    [...window, attribute("channels_last", 1)],
    "com.microsoft",
  );
  const max = node("NhwcMaxPool", ["q"], ["y"], window, "com.microsoft");
  for (const [pool, kind] of [[average, "averagePool"], [max, "maxPool"]] as const) {
    const found = expectKind((await operatorsOf(...parts, pool)).at(-1), kind);
    assertEquals([found.layout, found.window, found.stride], ["NHWC", [2, 2], [2, 2]]);
  }
});

/** Reads a tensor of two floats that lies in another file, and which files were asked for. */
async function readExternal(entries: Readonly<Record<string, string>>) {
  const external = Object.entries(entries)
    .flatMap(([key, value]) => field(13, [...field(1, key), ...field(2, value)]));
  const bytes = Uint8Array.from([...integers(1, [2]), 2 << 3, 1, ...field(8, "w"), ...external]);
  const asked: string[] = [], file = Float32Array.of(7, 1, 2);
  const tensors = new OnnxTensors(new BytesSource(bytes), (name) => {
    asked.push(name);
    return Promise.resolve(new BytesSource(new Uint8Array(file.buffer), name));
  });
  const reading = tensors.read({ number: 5, wire: 2, begin: 0, end: bytes.length });
  const values = await reading.then(async (tensor) => [...await readAll(tensor!)], String);
  return { asked, values };
}

Deno.test("ONNX: external data lie in a file beside the model, and nowhere else", async () => {
  for (const location of ["weights.bin", "./weights.bin", "..weights", "a b"]) {
    const { asked, values } = await readExternal({ location, offset: "4" });
    assertEquals([asked, values], [[location.replace("./", "")], [1, 2]]);
  }
  const elsewhere = [
    ...[
      "../weights.bin",
      "/etc/passwd",
      "a/weights.bin",
      "./../weights.bin",
      "././x",
      "..",
      "./..",
      "",
    ],
    ...[
      "..\\weights.bin",
      "C:\\weights.bin",
      "C:weights.bin",
      "file:///etc/passwd",
      "a/../../b",
      "/",
    ],
  ];
  for (const location of elsewhere) {
    const { asked, values } = await readExternal({ location });
    assertEquals(asked, [], location);
    assertStringIncludes(String(values), "which is no file name");
  }
  for (const offset of ["-4", "8", "1e300", "NaN", "Infinity", "0.5"]) {
    const { values } = await readExternal({ location: "weights.bin", offset });
    assertMatch(String(values), /lies (beyond the end of|in) weights\.bin/, offset);
  }
});

Deno.test("a tensor in memory is read in runs", async () => {
  const values = Float32Array.from({ length: 6 }, (_, i) => i);
  const tensor = memoryTensor({ name: "t", shape: [2, 3], position: 0 }, values);
  const run = async (start: number, length: number, stride: number, count: number) => {
    const into = new Float32Array(length * count);
    await tensor.read({ start, length, stride, count }, into);
    return [...into];
  };
  assertEquals(await run(0, 6, 0, 1), [0, 1, 2, 3, 4, 5]);
  assertEquals(await run(1, 1, 2, 2), [1, 3]);
  assertEquals(await run(0, 2, 3, 2), [0, 1, 3, 4]);
});
