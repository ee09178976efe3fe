/** Writes small ONNX files field by field, as protocol buffers are. */

/** Numbers of `TensorProto.DataType`, and how their elements are written. */
export const TYPES = {
  float: { number: 1, array: Float32Array },
  uint8: { number: 2, array: Uint8Array },
  int8: { number: 3, array: Int8Array },
  int64: { number: 7, array: BigInt64Array },
  float16: { number: 10, array: Float16Array },
} as const;

type ElementType = (typeof TYPES)[keyof typeof TYPES];

/** A varint; a negative one takes ten bytes. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return [...bytes, Number(left)];
}

/** A field that holds bytes or text. */
export function field(number: number, content: string | readonly number[]): number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : content;
  return [...varint(number << 3 | 2), ...varint(bytes.length), ...bytes];
}

/** A field of packed integers. */
export function integers(number: number, values: readonly number[]): number[] {
  return field(number, values.flatMap(varint));
}

/** An attribute: text, an integer or a list of them, floats if `isFloat`. */
export function attribute(
  name: string,
  value: number | string | readonly number[],
  isFloat = false,
): number[] {
  const key = field(1, name);
  if (typeof value === "string") return field(5, [...key, ...field(4, value)]);
  const raw = [...new Uint8Array(Float32Array.from([value].flat()).buffer)];
  if (typeof value !== "number") {
    return field(5, [...key, ...isFloat ? field(7, raw) : integers(8, value)]);
  }
  return field(5, [...key, ...isFloat ? [2 << 3 | 5, ...raw] : [3 << 3, ...varint(value)]]);
}

/** A node of a graph. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[] = ["y"],
  attributes: readonly (readonly number[])[] = [],
  domain = "",
): number[] {
  const names = [...inputs.map((name) => field(1, name)), ...outputs.map((name) => field(2, name))];
  const own = domain === "" ? [] : field(7, domain);
  return field(1, [...names.flat(), ...field(4, op), ...attributes.flat(), ...own]);
}

/** An initializer of a graph. */
export function initializer(
  name: string,
  shape: readonly number[],
  values: readonly number[],
  type: ElementType = TYPES.float,
): number[] {
  const array = type.array === BigInt64Array
    ? BigInt64Array.from(values, BigInt)
    : new (type.array as Float32ArrayConstructor)(values);
  const raw = [...new Uint8Array(array.buffer)];
  const dims = integers(1, shape);
  return field(5, [...dims, 2 << 3, type.number, ...field(8, name), ...field(9, raw)]);
}

/** An input of a graph; a size of 0 is open. */
export function input(
  name: string,
  shape: readonly number[],
  type: ElementType = TYPES.float,
): number[] {
  const dims = shape.flatMap((size) => field(1, size === 0 ? field(2, "n") : [8, ...varint(size)]));
  return field(11, [
    ...field(1, name),
    ...field(2, field(1, [8, type.number, ...field(2, dims)])),
  ]);
}

/** An output of a graph. */
export function output(name: string): number[] {
  return field(12, field(1, name));
}

/** A file: parts of its graph, and what stands beside it (functions, metadata, the producer). */
export function onnxFile(...parts: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const beside = new Set([field(14, "")[0], field(25, "")[0]]);
  const isBeside = (part: readonly number[]): boolean =>
    beside.has(part[0]) || part[0] === (2 << 3 | 2) && part[2] !== undefined;
  const opset = field(8, [2 << 3, 17]);
  const graph = field(7, parts.filter((part) => !isBeside(part)).flat());
  return Uint8Array.from([8, 8, ...opset, ...graph, ...parts.filter(isBeside).flat()]);
}
