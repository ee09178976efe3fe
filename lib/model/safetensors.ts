/**
 * The safetensors container: eight bytes of length, a JSON header, the tensors.
 *
 * @see {@link https://github.com/huggingface/safetensors#format}
 */

import { CheckpointFormatError } from "../errors.ts";
import { type ByteSource, endsEarly } from "../io/byte_source.ts";
import { isRecord, isSizes, jsonText } from "./json.ts";

/** Bytes of an element of each type. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

export type Dtype = keyof typeof DTYPE_BYTES;

function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(DTYPE_BYTES, value);
}

/** A longer header is refused before it is read. VGG's are a few KiB. */
const MAX_HEADER_BYTES = 8 << 20;

/** Where one tensor is. */
export interface TensorRange {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly begin: number;
  /** Byte after the last. */
  readonly end: number;
}

/** The header of a file. */
export interface SafetensorsHeader {
  /** `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order in which they lie in the file. */
  readonly tensors: readonly TensorRange[];
  /** Where the tensors begin, in bytes. */
  readonly dataStart: number;
  /** The length and the header as they are in the file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads and checks a header: types, shapes and ranges agree, and the tensors lie one after the other
 * to the end of the file.
 *
 * @throws {CheckpointFormatError} If not.
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const file = source.name;
  const prefix = new Uint8Array(8);
  await source.read(0, prefix);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length < 2 || length > MAX_HEADER_BYTES) {
    throw new CheckpointFormatError(
      `Expected a safetensors file: ${file} is none. A checkpoint of another format is converted first, by ` +
        "convert() of the entry ./convert or the command convert",
      { file, offset: 0 },
    );
  }
  if (source.size !== undefined && 8 + length > source.size) {
    throw endsEarly(source, source.size, 8 + length);
  }
  const bytes = new Uint8Array(8 + length);
  bytes.set(prefix);
  await source.read(8, bytes.subarray(8));
  const dataStart = 8 + length;

  const { __metadata__: metadata = {}, ...entries } = parseHeader(bytes.subarray(8), file);
  if (!isRecord(metadata) || !Object.values(metadata).every((v) => typeof v === "string")) {
    const message = `The __metadata__ of ${file} must map strings to strings`;
    throw new CheckpointFormatError(message, { file, offset: 8 });
  }
  const tensors = Object.entries(entries)
    .map(([name, entry]) => checkEntry(name, entry, dataStart, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkContiguous(tensors, dataStart, source);
  return { metadata: metadata as Record<string, string>, tensors, dataStart, bytes };
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (isRecord(header)) return header;
    throw new SyntaxError("not an object");
  } catch (cause) {
    const { message } = cause as Error;
    throw new CheckpointFormatError(
      `Expected a safetensors file: the header of ${file} is not a JSON object (${message})`,
      { file, offset: 8, cause },
    );
  }
}

function checkEntry(name: string, entry: unknown, dataStart: number, file: string): TensorRange {
  const { dtype, shape, data_offsets: range } = isRecord(entry) ? entry : {};
  if (isDtype(dtype) && isSizes(shape) && isSizes(range) && range.length === 2) {
    const [begin, end] = range as [number, number];
    const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
    if (end - begin === bytes) {
      return { name, dtype, shape, begin: dataStart + begin, end: dataStart + end };
    }
  }
  if (typeof dtype === "string" && /^[BCFIU]\w+$/.test(dtype) && !isDtype(dtype)) {
    throw new CheckpointFormatError(
      `Tensor ${name} of ${file} has elements of type ${dtype}, which is not read: save it as F32, F16 or BF16`,
      { code: "checkpoint-unsupported", file, offset: 8 },
    );
  }
  throw new CheckpointFormatError(
    `The entry of tensor ${name} in ${file} is not valid: found ${jsonText(entry)}`,
    { file, offset: 8 },
  );
}

function checkContiguous(
  tensors: readonly TensorRange[],
  dataStart: number,
  source: ByteSource,
): void {
  let position = dataStart;
  for (const { name, begin, end } of tensors) {
    if (begin !== position) {
      throw new CheckpointFormatError(
        `Tensor ${name} of ${source.name} must begin at byte ${position}: found ${begin}`,
        { file: source.name, offset: begin },
      );
    }
    position = end;
  }
  if (source.size === undefined || source.size === position) return;
  if (source.size < position) throw endsEarly(source, source.size, position);
  throw new CheckpointFormatError(
    `${source.name} must end at byte ${position} with its last tensor: it has ${source.size} bytes`,
    { file: source.name, offset: position },
  );
}

/**
 * Writes the length and the header of a file whose tensors lie one after the other.
 *
 * The metadata come first, in their own order, and spaces at the end fill up to `length` bytes, or to
 * a multiple of 8.
 *
 * @throws {RangeError} If the header is longer than `length`.
 */
export function encodeSafetensorsHeader(
  tensors: readonly { name: string; dtype: Dtype; shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
  length?: number,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let position = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = position + shape.reduce((a, b) => a * b, DTYPE_BYTES[dtype]);
    header[name] = { dtype, shape, data_offsets: [position, end] };
    position = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  length ??= Math.ceil((8 + json.length) / 8) * 8;
  if (8 + json.length > length) {
    throw new RangeError(`The header takes ${8 + json.length} bytes: only ${length} are reserved`);
  }
  const bytes = new Uint8Array(length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length - 8), true);
  bytes.set(json, 8);
  return bytes;
}
