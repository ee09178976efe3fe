/** The weights of a `.caffemodel` file. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_FIRST, sizeOf } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { type ProtoRange, readFields, readIntegers, readMessage } from "../protobuf.ts";
import { bytesOf, type ElementType, rawTensor } from "../tensors.ts";

/** Fields of packed elements: float32, float64, and NVIDIA's, whose type is in a field of its own. */
const DATA = 5, DOUBLE_DATA = 8, RAW_TYPE = 10, RAW_DATA = 12;
const RAW_TYPES: readonly ElementType[] = ["F64", "F32", "F16"];

/**
 * Finds a blob's elements.
 *
 * @param rank Dimensions that it must have; older files write all blobs with four, the leading ones 1.
 * @throws {CheckpointFormatError} If its shape and the number of its elements differ.
 */
export async function readBlob(
  source: ByteSource,
  { begin, end }: ProtoRange,
  name: string,
  rank: number,
): Promise<CheckpointTensor> {
  const old = [1, 1, 1, 1];
  let shape: number[] | undefined;
  let dtype: ElementType = "F32";
  const data: ProtoRange[] = [];
  let single: { first: number; last: number; count: number } | undefined;
  const cursor: Cursor = new Cursor(source, begin, end);
  for await (const field of readFields(cursor)) {
    const { number } = field;
    if (field.wire === 0 && number >= 1 && number <= 4) old[number - 1] = field.value;
    if (field.wire === 0 && number === RAW_TYPE) dtype = RAW_TYPES[field.value] ?? dtype;
    if (field.wire === 2 && number === 7) shape = await readShape(source, field);
    if (field.wire === 2 && [DATA, DOUBLE_DATA, RAW_DATA].includes(number)) {
      data.push(field);
      if (number === DOUBLE_DATA) dtype = "F64";
    }
    if (field.wire === 5 && number === DATA) {
      single ??= { first: cursor.position - 4, last: 0, count: 0 };
      single.last = cursor.position - 4;
      single.count++;
    }
  }
  const packed = data.length === 1 ? data[0] : undefined;
  const count = single?.count ??
    (packed === undefined ? 0 : (packed.end - packed.begin) / bytesOf(dtype));
  const all = shape ?? old, expected = sizeOf(all);
  if (count !== expected) {
    throw new CheckpointFormatError(
      `Blob ${name} of ${source.name} must have ${expected} floats, as its shape [${all}] says: found ${count}`,
      { file: source.name, offset: begin },
    );
  }
  const lead = all.length - rank;
  const fits = lead >= 0 && all.slice(0, lead).every((size) => size === 1);
  const position = single?.first ?? packed?.begin ?? begin;
  const tensor = {
    name,
    shape: fits ? all.slice(lead) : all,
    layout: OUTPUTS_FIRST,
    position,
  };
  return single === undefined
    ? rawTensor(source, tensor, dtype, position)
    : unpackedTensor(source, tensor, single);
}

/** The sizes of a `BlobShape`. */
export async function readShape(source: ByteSource, range: ProtoRange): Promise<number[]> {
  const sizes: number[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number === 1) sizes.push(...await readIntegers(source, field));
  }
  return sizes;
}

/** Floats that are written one by one, each behind its one-byte tag. */
function unpackedTensor(
  source: ByteSource,
  tensor: Omit<CheckpointTensor, "read">,
  { first, last, count }: { first: number; last: number; count: number },
): CheckpointTensor {
  if (last !== first + 5 * (count - 1)) {
    const message = `The floats of ${tensor.name} in ${source.name} are scattered`;
    throw new CheckpointFormatError(message, { file: source.name, offset: first });
  }
  return {
    ...tensor,
    async read({ start, length, stride, count: runs }, into) {
      const bytes = new Uint8Array(5 * length - 1);
      const view = new DataView(bytes.buffer);
      for (let run = 0; run < runs; run++) {
        await source.read(first + 5 * (start + run * stride), bytes);
        for (let i = 0; i < length; i++) into[run * length + i] = view.getFloat32(5 * i, true);
      }
    },
  };
}
