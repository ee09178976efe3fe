/**
 * Tensors of the elements in a file: as they lie there, in another order, or as integers that stand for
 * floats.
 */

import type { ByteSource } from "../../io/byte_source.ts";
import type { Constant } from "./graph.ts";
import { type CheckpointTensor, readAll, type Runs, sizeOf } from "./checkpoint.ts";

/** Element types, by safetensors' names, low byte first. */
export type ElementType =
  | "F32"
  | "F64"
  | "F16"
  | "BF16"
  | "I8"
  | "U8"
  | "I16"
  | "U16"
  | "I32"
  | "I64";

interface Decoder {
  readonly bytes: number;
  decode(view: DataView, into: Float32Array, isLittle: boolean): void;
}

const DECODERS: Readonly<Record<ElementType, Decoder>> = {
  F32: decoder(4, (view, at, isLittle) => view.getFloat32(at, isLittle)),
  F64: decoder(8, (view, at, isLittle) => view.getFloat64(at, isLittle)),
  F16: decoder(2, (view, at, isLittle) => halfFloat(view.getUint16(at, isLittle))),
  BF16: { bytes: 2, decode: decodeBfloat16 },
  I8: decoder(1, (view, at) => view.getInt8(at)),
  U8: decoder(1, (view, at) => view.getUint8(at)),
  I16: decoder(2, (view, at, isLittle) => view.getInt16(at, isLittle)),
  U16: decoder(2, (view, at, isLittle) => view.getUint16(at, isLittle)),
  I32: decoder(4, (view, at, isLittle) => view.getInt32(at, isLittle)),
  I64: decoder(8, (view, at, isLittle) => Number(view.getBigInt64(at, isLittle))),
};

/** Whether a type's elements can be read as floats. */
export function isElementType(dtype: string): dtype is ElementType {
  return Object.hasOwn(DECODERS, dtype);
}

/** Bytes of an element. */
export function bytesOf(dtype: ElementType): number {
  return DECODERS[dtype].bytes;
}

/**
 * Makes a tensor of the elements from byte `offset` of a file on.
 *
 * @param isLittle Whether the low byte comes first.
 */
export function rawTensor(
  source: ByteSource,
  tensor: Omit<CheckpointTensor, "read">,
  dtype: ElementType,
  offset: number,
  isLittle = true,
): CheckpointTensor {
  const { bytes, decode } = DECODERS[dtype];
  // Float32 on this machine is float32 in the file, but for the byte order of rare machines.
  const direct = dtype === "F32" && isLittle === LITTLE_ENDIAN;
  const readRun = async (start: number, into: Float32Array): Promise<void> => {
    const raw = direct
      ? new Uint8Array(into.buffer, into.byteOffset, into.byteLength)
      : new Uint8Array(into.length * bytes);
    const reading = source.read(offset + start * bytes, raw);
    if (reading !== undefined) await reading;
    if (!direct) decode(new DataView(raw.buffer, raw.byteOffset, raw.length), into, isLittle);
  };
  return {
    ...tensor,
    async read({ start, length, stride, count }: Runs, into: Float32Array): Promise<void> {
      if (count === 1 || stride === length) {
        return await readRun(start, into.subarray(0, count * length));
      }
      for (let run = 0; run < count; run++) {
        await readRun(start + run * stride, into.subarray(run * length, (run + 1) * length));
      }
    },
  };
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function decoder(
  bytes: number,
  get: (view: DataView, at: number, isLittle: boolean) => number,
): Decoder {
  return {
    bytes,
    decode(view, into, isLittle) {
      for (let i = 0; i < into.length; i++) into[i] = get(view, i * bytes, isLittle);
    },
  };
}

/** The number that 16 bits are in IEEE 754's binary16: a sign, 5 bits of exponent, 10 of fraction. */
export function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A bfloat16 is the upper half of a float32. */
function decodeBfloat16(view: DataView, into: Float32Array, isLittle: boolean): void {
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint16(2 * i, isLittle) << 16;
}

/** Elements that a tensor in another order may have: it is held as a whole. That of fc6 is 103 M. */
const MAX_ELEMENTS = 1 << 27;

/** The strides of a tensor in row-major order. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** Whether strides are those of row-major order; those of axes of one element do not matter. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const expected = rowMajorStrides(shape);
  return shape.every((size, axis) => size <= 1 || strides[axis] === expected[axis]);
}

/**
 * Views the elements of `flat` with other strides, as PyTorch's `as_strided` does.
 *
 * @param flat All elements that the strides reach, from the first one on.
 * @throws {RangeError} If the strides reach beyond `flat`, or it is too large to be held.
 */
export function stridedTensor(
  flat: CheckpointTensor,
  shape: readonly number[],
  strides: readonly number[],
): CheckpointTensor {
  const length = sizeOf(flat.shape);
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 0);
  if (strides.some((stride) => stride < 0) || last >= length || length > MAX_ELEMENTS) {
    throw new RangeError(`Strides [${strides}] of shape [${shape}] do not fit ${length} elements`);
  }
  let values: Float32Array | undefined;
  return {
    ...flat,
    shape,
    async read({ start, length: runLength, stride, count }: Runs, into: Float32Array) {
      // As deep on the stack as one, however many are on top of each other.
      await undefined;
      values ??= await readAll(flat);
      for (let run = 0, at = 0; run < count; run++) {
        for (let i = 0; i < runLength; i++) {
          into[at++] = values[place(start + run * stride + i, shape, strides)];
        }
      }
      // Read from its first element to its last one, and then not needed any more.
      if (start + (count - 1) * stride + runLength >= sizeOf(shape)) values = undefined;
    },
  };
}

function place(index: number, shape: readonly number[], strides: readonly number[]): number {
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += index % shape[axis] * strides[axis];
    index = Math.floor(index / shape[axis]);
  }
  return offset;
}

/** Each element of a tensor changed, by its value and its index in row-major order. */
export function mappedTensor(
  tensor: CheckpointTensor,
  change: (value: number, index: number) => number,
): CheckpointTensor {
  return {
    ...tensor,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      // So that many on top of each other are not as deep on the stack.
      await undefined;
      await tensor.read(runs, into);
      const { start, length, stride } = runs;
      for (let run = 0, i = 0; run < runs.count; run++) {
        const first = start + run * stride;
        for (let n = 0; n < length; n++, i++) into[i] = change(into[i]!, first + n);
      }
    },
  };
}

/** Each number of a constant changed. */
export function mappedConstant(constant: Constant, change: (value: number) => number): Constant {
  return typeof constant === "number" ? change(constant) : mappedTensor(constant, change);
}

/** `(q - zeroPoint) * scale`, for the whole tensor or for each index of one axis. */
export interface Quantization {
  readonly scale: ArrayLike<number>;
  /** As many as scales. */
  readonly zeroPoint: ArrayLike<number>;
  /** The axis that the scales go with, if there are several. */
  readonly axis: number;
}

/**
 * Makes floats of a tensor of integers.
 *
 * @throws {RangeError} If the numbers of scales and zero points do not fit the tensor.
 */
export function dequantizedTensor(
  tensor: CheckpointTensor,
  { scale, zeroPoint, axis }: Quantization,
): CheckpointTensor {
  const { shape } = tensor;
  const position = axis < 0 ? axis + shape.length : axis;
  const size = shape[position] ?? 1;
  if (zeroPoint.length !== scale.length || (scale.length !== 1 && scale.length !== size)) {
    throw new RangeError(
      `${scale.length} scales and ${zeroPoint.length} zero points do not fit axis ${axis} of [${shape}]`,
    );
  }
  const inner = sizeOf(shape.slice(position + 1));
  return {
    ...tensor,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      await tensor.read(runs, into);
      if (scale.length === 1) {
        for (let i = 0; i < into.length; i++) into[i] = (into[i] - zeroPoint[0]) * scale[0];
        return;
      }
      const { start, length, stride } = runs;
      for (let i = 0; i < into.length; i++) {
        const element = start + Math.floor(i / length) * stride + i % length;
        const index = Math.floor(element / inner) % size;
        into[i] = (into[i] - zeroPoint[index]) * scale[index];
      }
    },
  };
}
