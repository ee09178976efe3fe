/**
 * Tensors whose elements lie in the file as they are.
 *
 * @module
 */

import type { ByteSource } from "../../io/byte_source.ts";
import type { CheckpointTensor, Runs, WeightLayout } from "./checkpoint.ts";

/** Element types, by safetensors' names, low byte first. */
export type ElementType = "F32" | "F64" | "F16" | "BF16" | "I8" | "U8" | "I16" | "U16" | "I32";

interface Decoder {
  readonly bytes: number;
  decode(view: DataView, into: Float32Array): void;
}

const DECODERS: Readonly<Record<ElementType, Decoder>> = {
  F32: decoder(4, (view, at) => view.getFloat32(at, true)),
  F64: decoder(8, (view, at) => view.getFloat64(at, true)),
  F16: decoder(2, (view, at) => view.getFloat16(at, true)),
  BF16: { bytes: 2, decode: decodeBfloat16 },
  I8: decoder(1, (view, at) => view.getInt8(at)),
  U8: decoder(1, (view, at) => view.getUint8(at)),
  I16: decoder(2, (view, at) => view.getInt16(at, true)),
  U16: decoder(2, (view, at) => view.getUint16(at, true)),
  I32: decoder(4, (view, at) => view.getInt32(at, true)),
};

/** Whether a type's elements can be read as floats. */
export function isElementType(dtype: string): dtype is ElementType {
  return Object.hasOwn(DECODERS, dtype);
}

/** Bytes of an element. */
export function bytesOf(dtype: ElementType): number {
  return DECODERS[dtype].bytes;
}

/** Makes a tensor of the elements from byte `offset` of a file on. */
export function rawTensor(
  source: ByteSource,
  tensor: { name: string; shape: readonly number[]; layout: WeightLayout },
  dtype: ElementType,
  offset: number,
): CheckpointTensor {
  const { bytes, decode } = DECODERS[dtype];
  // Float32 on this machine is float32 in the file, but for the byte order of rare machines.
  const direct = dtype === "F32" && LITTLE_ENDIAN;
  const readRun = async (start: number, into: Float32Array): Promise<void> => {
    const raw = direct
      ? new Uint8Array(into.buffer, into.byteOffset, into.byteLength)
      : new Uint8Array(into.length * bytes);
    const reading = source.read(offset + start * bytes, raw);
    if (reading !== undefined) await reading;
    if (!direct) decode(new DataView(raw.buffer, raw.byteOffset, raw.length), into);
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

function decoder(bytes: number, get: (view: DataView, at: number) => number): Decoder {
  return {
    bytes,
    decode(view, into) {
      for (let i = 0; i < into.length; i++) into[i] = get(view, i * bytes);
    },
  };
}

/** A bfloat16 is the upper half of a float32. */
function decodeBfloat16(view: DataView, into: Float32Array): void {
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint16(2 * i, true) << 16;
}
