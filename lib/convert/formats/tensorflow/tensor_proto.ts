/**
 * Reads TensorFlow's tensors where they stand in a message: those of constants.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import { type ByteSource, BytesSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_LAST, readAll, sizeOf } from "../checkpoint.ts";
import {
  type ProtoField,
  type ProtoRange,
  readIntegers,
  readMessage,
  readText,
} from "../protobuf.ts";
import { bytesOf, type ElementType, rawTensor } from "../tensors.ts";

/** Sizes of a value; `undefined` where one is left open. */
export type Sizes = readonly (number | undefined)[];

/** Element types by the numbers of `DataType`. */
const DATA_TYPES: Readonly<Record<number, ElementType>> = {
  1: "F32",
  2: "F64",
  3: "I32",
  4: "U8",
  5: "I16",
  6: "I8",
  14: "BF16",
  17: "U16",
  19: "F16",
};

/** `DT_STRING`, `DT_INT64`, `DT_BOOL`. */
const STRING = 7, INT64 = 9, BOOL = 10;

/** Elements of a tensor whose numbers are not written out one after the other: masks, channels' constants. */
const MAX_ELEMENTS = 1 << 24;

/** Parts of a constant: the names of a network's variables, labels, numbers that are not packed. */
const MAX_PARTS = 100_000;

/** The element type of a `DataType`, if it can be read as floats. */
export function elementType(dataType: number): ElementType | undefined {
  return DATA_TYPES[dataType];
}

/** Whether a `DataType` is one of integers that are sizes or places. */
export function isInteger(dataType: number): boolean {
  return dataType === 3 || dataType === INT64;
}

/** Reads a `TensorShapeProto`; `undefined` if not even the number of axes is known. */
export async function readShape(source: ByteSource, range: ProtoRange): Promise<Sizes | undefined> {
  const sizes: (number | undefined)[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number === 3 && field.wire === 0 && field.value !== 0) return undefined;
    if (field.number !== 2 || field.wire !== 2) continue;
    let size = 0;
    for await (const part of readMessage(source, field)) {
      if (part.number === 1 && part.wire === 0) size = part.value;
    }
    sizes.push(size < 0 ? undefined : size);
  }
  return sizes;
}

/** What a constant holds: numbers, or texts. */
export interface TensorContents {
  /** `undefined` if its elements are no numbers. */
  readonly tensor?: CheckpointTensor | undefined;
  readonly strings?: readonly string[] | undefined;
}

/**
 * Reads a `TensorProto`.
 *
 * @param name What to call it.
 * @param known Its shape and type, where another message tells them.
 */
export async function readTensor(
  source: ByteSource,
  range: ProtoRange,
  name: string,
  known?: { readonly shape: readonly number[]; readonly type: number },
): Promise<TensorContents> {
  let { type, shape } = known ?? { type: 0, shape: [] };
  let raw: ProtoRange | undefined;
  const values: ProtoField[] = [], strings: string[] = [];
  const fail = (found: string): never => {
    throw new CheckpointFormatError(
      `${source.name} is damaged at byte ${range.begin}: tensor ${name} of shape [${shape}] has ${found}`,
      { file: source.name, offset: range.begin },
    );
  };
  for await (const field of readMessage(source, range)) {
    if (field.number === 1 && field.wire === 0 && known === undefined) type = field.value;
    if (field.number === 2 && field.wire === 2 && known === undefined) {
      shape = (await readShape(source, field) ?? []).map((size) => size ?? -1);
    }
    if (field.number === 4 && field.wire === 2) raw = field;
    if (field.number === 8 && field.wire === 2) strings.push(await readText(source, field));
    if (VALUE_FIELDS.has(field.number)) values.push(field);
    if (values.length + strings.length > MAX_PARTS) fail(`over ${MAX_PARTS} parts`);
  }
  if (type === STRING) return { strings };
  const dtype = DATA_TYPES[type];
  if (dtype === undefined && type !== INT64 && type !== BOOL) return {};
  const length = sizeOf(shape);
  if (shape.some((size) => size < 0) || !Number.isSafeInteger(length)) fail("no size");
  const about = { name, shape, layout: OUTPUTS_LAST, position: raw?.begin ?? range.begin };
  const plain = raw ?? packedFloats(values, dtype);
  if (dtype !== undefined && plain?.end! - plain?.begin! === length * bytesOf(dtype)) {
    return { tensor: rawTensor(source, about, dtype, plain!.begin) };
  }
  if (length > MAX_ELEMENTS) fail("other bytes than its elements");
  const numbers = raw === undefined
    ? await readValues(source, values, dtype)
    : await readWords(source, raw, type === INT64 ? 8 : 1);
  if (numbers.length > length || (raw !== undefined && numbers.length < length)) {
    fail(`${numbers.length} elements`);
  }
  // The last number stands for all that would follow it; none at all for zeros.
  const filled = new Float32Array(length).fill(numbers.at(-1) ?? 0);
  filled.set(numbers);
  return { tensor: memoryTensor(about, filled) };
}

/** `half_val`, `float_val`, `double_val`, `int_val`, `int64_val`, `bool_val`. */
const VALUE_FIELDS: ReadonlySet<number> = new Set([5, 6, 7, 10, 11, 13]);

/** Packed floats, which lie there as they do in `tensor_content`. */
function packedFloats(
  values: readonly ProtoField[],
  dtype: ElementType | undefined,
): ProtoRange | undefined {
  const [field] = values;
  const expected = dtype === "F32" ? 5 : dtype === "F64" ? 6 : undefined;
  return values.length === 1 && field?.wire === 2 && field.number === expected ? field : undefined;
}

/** Numbers one by one, or packed. */
async function readValues(
  source: ByteSource,
  fields: readonly ProtoField[],
  dtype: ElementType | undefined,
): Promise<number[]> {
  const values: number[] = [];
  for (const field of fields) {
    const type = field.number === 5 ? "F32" : field.number === 6 ? "F64" : undefined;
    const numbers = type !== undefined && field.wire === 2
      ? await readFloats(
        source,
        field.begin,
        Math.floor((field.end - field.begin) / bytesOf(type)),
        type,
      )
      : await readIntegers(source, field);
    for (const value of numbers) values.push(value);
  }
  if (dtype !== "F16" && dtype !== "BF16") return values;
  // Halves are written as the integers of their bits.
  const bits = new BytesSource(new Uint8Array(Uint16Array.from(values).buffer));
  return [...await readFloats(bits, 0, values.length, dtype)];
}

async function readFloats(
  source: ByteSource,
  begin: number,
  length: number,
  dtype: ElementType,
): Promise<Float32Array> {
  const about = { name: "", shape: [Math.min(length, MAX_ELEMENTS)], layout: OUTPUTS_LAST };
  return await readAll(rawTensor(source, about, dtype, begin));
}

/** Integers of 8 bytes, or booleans of one. */
async function readWords(source: ByteSource, range: ProtoRange, bytes: 1 | 8): Promise<number[]> {
  const raw = new Uint8Array(Math.min(range.end - range.begin, MAX_ELEMENTS));
  await source.read(range.begin, raw);
  const view = new DataView(raw.buffer);
  return Array.from(
    { length: Math.floor(raw.length / bytes) },
    (_, i) => bytes === 1 ? raw[i]! : Number(view.getBigInt64(8 * i, true)),
  );
}

/** A tensor of numbers that are in memory. */
export function memoryTensor(
  about: Omit<CheckpointTensor, "read">,
  values: Float32Array,
): CheckpointTensor {
  return {
    ...about,
    read({ start, length, stride, count }, into): void {
      for (let run = 0; run < count; run++) {
        const begin = start + run * stride;
        into.set(values.subarray(begin, begin + length), run * length);
      }
    },
  };
}
