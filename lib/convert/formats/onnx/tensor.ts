/** Tensors of an ONNX file, in every way in which their elements are written. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, type OpenSibling, OUTPUTS_FIRST, sizeOf } from "../checkpoint.ts";
import { MAX_INTEGERS, type ProtoRange, readIntegers, readMessage, readText } from "../protobuf.ts";
import { bytesOf, type ElementType, isElementType, rawTensor } from "../tensors.ts";

/** What a tensor's elements are; two of 4 bits lie in a byte. */
export type OnnxType = ElementType | "I4" | "U4";

/** A tensor, and what its elements are. */
export interface OnnxTensor extends CheckpointTensor {
  readonly type: OnnxType;
}

/** The types by the numbers of `TensorProto.DataType`. */
const DATA_TYPES: Readonly<Record<number, OnnxType>> = {
  1: "F32",
  2: "U8",
  3: "I8",
  4: "U16",
  5: "I16",
  6: "I32",
  7: "I64",
  9: "U8", // Truth values.
  10: "F16",
  11: "F64",
  16: "BF16",
  21: "U4",
  22: "I4",
};

/** The type with a number; `undefined` if it is none that a weight could have. */
export function onnxType(number: number): OnnxType | undefined {
  return DATA_TYPES[number];
}

/** Whether a type is one of floats. */
export function isFloat(type: OnnxType): boolean {
  return type.includes("F");
}

/** Axes that a tensor may have: far more than any has. */
const MAX_RANK = 32;

type Description = Omit<OnnxTensor, "read">;

/** Reads tensors of a file and of the files beside it, each of which is opened once. */
export class OnnxTensors {
  readonly #siblings = new Map<string, Promise<ByteSource>>();

  constructor(readonly source: ByteSource, readonly openSibling: OpenSibling) {}

  /** `undefined` if its elements are no numbers that a weight could be. */
  async read(range: ProtoRange): Promise<OnnxTensor | undefined> {
    let shape: number[] = [];
    let name = "", number = 0;
    let raw: ProtoRange | undefined, varints: ProtoRange | undefined;
    const external = new Map<string, string>();
    for await (const field of readMessage(this.source, range)) {
      if (field.number === 1) shape = shape.concat(await readIntegers(this.source, field));
      if (field.number === 2 && field.wire === 0) number = field.value;
      if (field.wire !== 2) continue;
      if (field.number === 8) name = await readText(this.source, field);
      if (field.number === 4 || field.number === 9 || field.number === 10) raw = field;
      if (field.number === 5 || field.number === 7) varints = field;
      if (field.number === 13) external.set(...await this.entry(field));
    }
    const type = DATA_TYPES[number];
    if (type === undefined) return undefined;
    const tensor: Description = { name, shape, layout: OUTPUTS_FIRST, type, position: raw?.begin };
    const isShape = shape.length <= MAX_RANK && shape.every((size) => size >= 0);
    if (!isShape || !Number.isSafeInteger(sizeOf(shape))) {
      throw this.#error(`Tensor ${name} has the shape [${shape.slice(0, MAX_RANK)}]`, range);
    }
    if (external.size > 0) return await this.#external(tensor, external, range);
    if (varints !== undefined && raw === undefined) return await this.#varints(tensor, varints);
    const length = raw === undefined ? 0 : raw.end - raw.begin;
    if (length !== byteLength(tensor)) {
      throw this.#error(`Tensor ${name} of shape [${shape}] has ${length} bytes`, range);
    }
    return elementsFrom(this.source, tensor, raw?.begin ?? 0);
  }

  /** A key and its value. */
  async entry(range: ProtoRange): Promise<[key: string, value: string]> {
    const entry = ["", ""] as [string, string];
    for await (const field of readMessage(this.source, range)) {
      if (field.wire !== 2 || field.number > 2) continue;
      const isShort = field.end - field.begin < 1 << 16;
      entry[field.number - 1] = isShort ? await readText(this.source, field) : "";
    }
    return entry;
  }

  async #external(
    tensor: Description,
    external: ReadonlyMap<string, string>,
    range: ProtoRange,
  ): Promise<OnnxTensor> {
    const location = (external.get("location") ?? "").replace(/^\.\//, "");
    const offset = Number(external.get("offset") ?? 0);
    // A file name and nothing else, so that a model cannot read elsewhere on the disk.
    if (!/^[^/\\:]+$/.test(location) || location === ".." || !Number.isSafeInteger(offset)) {
      throw this.#error(`Tensor ${tensor.name} lies in ${location}, which is no file name`, range);
    }
    const opening = this.#siblings.get(location) ?? this.openSibling(location);
    this.#siblings.set(location, opening);
    const file = await opening;
    if (offset < 0 || offset + byteLength(tensor) > (file.size ?? Infinity)) {
      throw this.#error(`Tensor ${tensor.name} lies beyond the end of ${location}`, range);
    }
    return elementsFrom(file, { ...tensor, position: offset }, offset);
  }

  /** Integers as varints, and the bits of 16-bit floats. */
  async #varints(tensor: Description, range: ProtoRange): Promise<OnnxTensor> {
    const { name, shape, type } = tensor;
    const length = sizeOf(shape);
    if (type === "F32" || type === "F64" || length > MAX_INTEGERS) {
      throw this.#error(`Tensor ${name} has ${length} elements as varints`, range);
    }
    const integers = await readIntegers(this.source, range);
    if (integers.length !== (isElementType(type) ? length : Math.ceil(length / 2))) {
      throw this.#error(`Tensor ${name} has ${integers.length} of ${length} elements`, range);
    }
    const position = range.begin;
    if (!isElementType(type)) {
      const bytes = memoryTensor(
        { ...tensor, shape: [integers.length] },
        Float32Array.from(integers),
      );
      return { ...halfByteTensor(bytes, shape, type === "I4"), type, position };
    }
    const decode = VARINTS[type];
    const values = Float32Array.from(integers, decode);
    return { ...memoryTensor(tensor, values), type, position };
  }

  #error(message: string, { begin }: ProtoRange): CheckpointFormatError {
    const file = this.source.name, text = `The ONNX model ${file} is damaged: ${message}`;
    return new CheckpointFormatError(text, { file, offset: begin });
  }
}

const BITS = new DataView(new ArrayBuffer(4));

/** What the integers of types stand for that are no integers. */
const VARINTS: Partial<Record<OnnxType, (integer: number) => number>> = {
  F16(integer) {
    BITS.setUint16(0, integer);
    return BITS.getFloat16(0);
  },
  BF16(integer) {
    BITS.setUint32(0, integer << 16);
    return BITS.getFloat32(0);
  },
};

function byteLength({ shape, type }: Description): number {
  return Math.ceil(sizeOf(shape) * (isElementType(type) ? bytesOf(type) : 0.5));
}

function elementsFrom(source: ByteSource, tensor: Description, offset: number): OnnxTensor {
  const { type, shape } = tensor;
  if (isElementType(type)) return { ...rawTensor(source, tensor, type, offset), type };
  const bytes = rawTensor(source, { ...tensor, shape: [byteLength(tensor)] }, "U8", offset);
  return { ...halfByteTensor(bytes, shape, type === "I4"), type };
}

/** Numbers of 4 bits, of which the first of two is the lower half of a byte. */
function halfByteTensor(
  bytes: CheckpointTensor,
  shape: readonly number[],
  isSigned: boolean,
): CheckpointTensor {
  return {
    ...bytes,
    shape,
    async read({ start, length, stride, count }, into): Promise<void> {
      for (let run = 0; run < count; run++) {
        const begin = start + run * stride, first = begin >> 1;
        const raw = new Float32Array(Math.ceil((begin + length) / 2) - first);
        await bytes.read({ start: first, length: raw.length, stride: raw.length, count: 1 }, raw);
        for (let i = 0; i < length; i++) {
          const byte = raw[((begin + i) >> 1) - first]!;
          const bits = (begin + i) % 2 === 0 ? byte & 15 : byte >> 4 & 15;
          into[run * length + i] = isSigned && bits > 7 ? bits - 16 : bits;
        }
      }
    },
  };
}

/** A tensor whose elements are in memory. */
export function memoryTensor(
  tensor: Omit<CheckpointTensor, "read" | "layout">,
  values: Float32Array,
): CheckpointTensor {
  return {
    ...tensor,
    layout: OUTPUTS_FIRST,
    read({ start, length, stride, count }, into): void {
      for (let run = 0; run < count; run++) {
        const begin = start + run * stride;
        into.set(values.subarray(begin, begin + length), run * length);
      }
    },
  };
}
