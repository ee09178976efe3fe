import { assertEquals, assertRejects } from "@std/assert";
import { readOnnx } from "../../../lib/convert/formats/onnx/read.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

/** A field of protocol buffers that holds bytes or text, up to 127 of them. */
function field(number: number, content: string | number[]): number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : content;
  return [number << 3 | 2, bytes.length, ...bytes];
}

function node(op: string, inputs: readonly string[], outputs: readonly string[] = ["y"]): number[] {
  const names = [...inputs.map((name) => field(1, name)), ...outputs.map((name) => field(2, name))];
  return field(1, [...names.flat(), ...field(4, op)]);
}

/** A float tensor; its shape is one varint a side. */
function tensor(name: string, shape: number[], values: number[]): number[] {
  const raw = [...new Uint8Array(Float32Array.from(values).buffer)];
  return field(5, [...field(1, shape), 2 << 3, 1, ...field(8, name), ...field(9, raw)]);
}

function open(...graph: number[][]) {
  const bytes = Uint8Array.from(field(7, graph.flat()));
  return readOnnx(new BytesSource(bytes, "some.onnx"), () => Promise.reject(new Error("none")));
}

const WEIGHT = tensor("w", [1, 1, 1, 1], [2]);

Deno.test("a convolution is read, with the bias that a later node adds", async () => {
  for (const addends of [["c", "b"], ["b", "c"]]) {
    const { tensors } = await open(
      node("Conv", ["x", "w"], ["c"]),
      node("Add", addends),
      WEIGHT,
      tensor("b", [1], [3]),
    );
    assertEquals(tensors.map(({ name }) => name), ["w.weight", "w.bias"]);
  }
});

const WITHOUT: readonly (readonly [what: string, message: string, ...graph: number[][]])[] = [
  ["Conv without inputs", "the weight of a Conv is not in the file", node("Conv", [])],
  ["Conv with an empty weight", "the weight of a Conv is not", node("Conv", ["x", ""])],
  ["Conv without outputs", "Node  (Conv) has no output", node("Conv", ["x", "w"], []), WEIGHT],
  ["Gemm without inputs", "the weight of a Gemm is not", node("Gemm", [])],
  ["BatchNormalization without inputs", "has no gamma", node("BatchNormalization", [])],
  ["QLinearConv without inputs", "the weight of a QLinearConv is", node("QLinearConv", [])],
  [
    "QLinearConv without scales",
    "a scale is not in the file",
    node("QLinearConv", ["x", "", "", "w"]),
    WEIGHT,
  ],
  [
    "QLinearConv whose input has an empty scale",
    "the input of w has no scale",
    node("QLinearConv", ["x", "none", "", "w", "w", "", "", "", "w"]),
    WEIGHT,
    tensor("none", [0], []),
  ],
  [
    "Add with one input",
    "what Add adds to w is no constant",
    node("Conv", ["x", "w"], ["c"]),
    node("Add", ["c"]),
    WEIGHT,
  ],
];

for (const [what, message, ...graph] of WITHOUT) {
  Deno.test(`a ${what} is refused by name`, async () => {
    const error = await assertRejects(() => open(...graph), CheckpointFormatError, message);
    assertEquals(error.file, "some.onnx");
  });
}
