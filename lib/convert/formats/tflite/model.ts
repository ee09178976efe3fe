/**
 * Parses TensorFlow Lite's models: tensors and operators, without their meaning.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/schema/schema.fbs}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import { type CheckpointTensor, sizeOf, type WeightLayout } from "../checkpoint.ts";
import { bytesOf, dequantizedTensor, type ElementType, rawTensor } from "../tensors.ts";
import { memoryTensor } from "../tensorflow/tensor_proto.ts";
import { FlatBuffer, type FlatRange, type FlatTable } from "./flatbuffer.ts";

/** Filters are `[O, H, W, I]`, dense weights `[O, H * W * I]`. */
const LAYOUT: WeightLayout = { outputs: "first", inputs: "HWC" };

/** Element types by the numbers of `TensorType`. */
const TYPES: Readonly<Record<number, ElementType>> = {
  0: "F32",
  1: "F16",
  2: "I32",
  3: "U8",
  7: "I16",
  9: "I8",
  10: "F64",
  18: "BF16",
};

/** `INT64`: shapes, and the biases of networks with 16-bit values. */
const INT64 = 4;

/** Elements of 64 bits that are held. */
const MAX_LONGS = 1 << 20;

/** A tensor: a constant, or what an operator gives. */
export interface TfliteTensor {
  readonly name: string;
  /** As declared: -1 where the size is open. */
  readonly shape: readonly number[];
  readonly type: ElementType | undefined;
  /** Whether its elements are sizes, places or numbers that stand for floats. */
  readonly isInteger: boolean;
  /** Of integers that stand for floats; at least one number of each. */
  readonly quantization:
    | {
      readonly scale: readonly number[];
      readonly zeroPoint: readonly number[];
      readonly axis: number;
    }
    | undefined;
  /** `undefined` if it is computed; as floats, if it is quantized. */
  readonly constant: CheckpointTensor | undefined;
}

/** An operator. */
export interface TfliteOperator {
  /** Of `BuiltinOperator`; 32 is a custom one. */
  readonly code: number;
  readonly custom: string;
  /** Indices of tensors; -1 where one is left out. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: FlatTable | undefined;
}

/** A model's first graph. */
export interface TfliteModel {
  readonly tensors: readonly TfliteTensor[];
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Where the description for people and apps lies. */
  readonly metadata: FlatRange | undefined;
}

/** Parses a model. */
export async function readTfliteModel(source: ByteSource, budget: Budget): Promise<TfliteModel> {
  const root = await new FlatBuffer(source, budget).root();
  const codes: { code: number; custom: string }[] = [];
  for (const table of await root.tables(1)) {
    // The first field is of one byte, and was not enough.
    const code = Math.max(await table.uint8(0), await table.int32(3));
    codes.push({ code, custom: await table.text(1) });
  }
  const buffers = await root.tables(4);
  const [graph] = await root.tables(2);
  if (graph === undefined) {
    const text = `${source.name} is damaged: a TensorFlow Lite model without a graph`;
    throw new CheckpointFormatError(text, { file: source.name });
  }
  const tensors: TfliteTensor[] = [];
  for (const table of await graph.tables(0)) tensors.push(await readTensor(source, table, buffers));
  const operators: TfliteOperator[] = [];
  for (const table of await graph.tables(3)) {
    const known = codes[await table.int32(0)] ??
      table.buffer.fail(table.at, "an operator is of no kind");
    const [inputs, outputs] = [await table.ints(1), await table.ints(2)];
    if ([...inputs, ...outputs].some((index) => index < -1 || index >= tensors.length)) {
      table.buffer.fail(table.at, "an operator takes a tensor that is not there");
    }
    operators.push({ ...known, inputs, outputs, options: await table.table(4) });
  }
  return {
    tensors,
    operators,
    inputs: await graph.ints(1),
    outputs: await graph.ints(2),
    metadata: await findMetadata(root, buffers),
  };
}

async function readTensor(
  source: ByteSource,
  table: FlatTable,
  buffers: readonly FlatTable[],
): Promise<TfliteTensor> {
  const [name, sizes] = [await table.text(3), await table.ints(0)];
  const signature = await table.ints(7);
  const number = await table.uint8(1), type = TYPES[number];
  const quantization = await readQuantization(await table.table(4));
  const data = await dataOf(buffers[await table.int32(2)]);
  const isInteger = type === "I32" || number === INT64;
  const shape = signature.length > 0 ? signature : sizes;
  const about = { name, type, isInteger, quantization, shape };
  const isSparse = await table.table(6) !== undefined;
  const elementBytes = number === INT64 ? 8 : type && bytesOf(type);
  if (data === undefined || elementBytes === undefined || isSparse) {
    return { ...about, constant: undefined };
  }
  const bytes = data.end - data.begin;
  if (sizes.some((size) => size < 0) || sizeOf(sizes) * elementBytes !== bytes) {
    table.buffer.fail(data.begin, `tensor ${name} of shape [${sizes}] has ${bytes} bytes`);
  }
  const own = { name, shape: sizes, layout: LAYOUT, position: data.begin };
  const stored = type === undefined
    ? await longTensor(source, own, data)
    : rawTensor(source, own, type, data.begin);
  if (quantization === undefined || type?.includes("F")) return { ...about, constant: stored };
  try {
    return { ...about, constant: dequantizedTensor(stored, quantization) };
  } catch (cause) {
    return table.buffer.fail(data.begin, `tensor ${name}: ${(cause as Error).message}`);
  }
}

async function longTensor(
  source: ByteSource,
  about: Omit<CheckpointTensor, "read">,
  { begin, end }: FlatRange,
): Promise<CheckpointTensor> {
  const bytes = new Uint8Array(Math.min(end - begin, 8 * MAX_LONGS));
  await source.read(begin, bytes);
  return memoryTensor(about, Float32Array.from(new BigInt64Array(bytes.buffer), Number));
}

async function readQuantization(
  table: FlatTable | undefined,
): Promise<TfliteTensor["quantization"]> {
  const scale = await table?.floats(2) ?? [];
  if (table === undefined || scale.length === 0) return undefined;
  const zeros = await table.longs(3);
  const zeroPoint = zeros.length > 0 ? zeros : new Array(scale.length).fill(0);
  return { scale, zeroPoint, axis: await table.int32(6) };
}

/** A `Buffer`'s bytes, in it or, of large models, behind all tables; `undefined` if it has none. */
async function dataOf(buffer: FlatTable | undefined): Promise<FlatRange | undefined> {
  if (buffer === undefined) return undefined;
  const inside = await buffer.bytes(0);
  if (inside !== undefined && inside.end > inside.begin) return inside;
  const [begin, size] = [await buffer.int64(1), await buffer.int64(2)];
  if (begin <= 1 || size <= 0) return undefined;
  if (begin + size > buffer.buffer.source.size!) buffer.buffer.fail(begin, "a buffer does not fit");
  return { begin, end: begin + size };
}

async function findMetadata(
  root: FlatTable,
  buffers: readonly FlatTable[],
): Promise<FlatRange | undefined> {
  for (const entry of await root.tables(6)) {
    if (await entry.text(0) === "TFLITE_METADATA") {
      return await dataOf(buffers[await entry.int32(1)]);
    }
  }
}
