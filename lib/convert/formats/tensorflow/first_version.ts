/**
 * Reads TensorFlow's checkpoints of the first version: one table whose values are the tensors.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/saved_tensor_slice.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import { type ProtoRange, readMessage, readText } from "../protobuf.ts";
import type { TableEntry } from "./table.ts";
import { readShape, readTensor } from "./tensor_proto.ts";

/**
 * Reads the tensors by their names.
 *
 * @param header The first entry of the table, which lists names and shapes.
 * @param entries The others, which have a tensor each.
 */
export async function readSlices(
  source: ByteSource,
  header: TableEntry,
  entries: readonly TableEntry[],
): Promise<Map<string, CheckpointTensor>> {
  const known = new Map<string, { shape: readonly number[]; type: number }>();
  for await (const field of readMessage(source, header)) {
    if (field.number !== 1 || field.wire !== 2) continue;
    for await (const part of readMessage(source, field)) {
      if (part.number !== 1 || part.wire !== 2) continue;
      const { name, shape, type } = await readSlice(source, part);
      known.set(name, { shape, type });
    }
  }
  const tensors = new Map<string, CheckpointTensor>();
  for (const entry of entries) {
    for await (const field of readMessage(source, entry)) {
      if (field.number !== 2 || field.wire !== 2) continue;
      const { name, data } = await readSlice(source, field);
      const about = known.get(name);
      if (about === undefined || data === undefined) continue;
      if (tensors.has(name)) {
        throw new CheckpointFormatError(
          `Variable ${name} of ${source.name} is partitioned: save the checkpoint without a partitioner`,
          { code: "checkpoint-unsupported", file: source.name, offset: entry.begin },
        );
      }
      const { tensor } = await readTensor(source, data, name, about);
      if (tensor !== undefined) tensors.set(name, tensor);
    }
  }
  return tensors;
}

/**
 * A `SavedSliceMeta` or a `SavedSlice`: fields 2 and 3 are shape and type of the one, field 3 the tensor of
 * the other.
 */
async function readSlice(
  source: ByteSource,
  range: ProtoRange,
): Promise<
  { name: string; shape: readonly number[]; type: number; data: ProtoRange | undefined }
> {
  let name = "", type = 0, data: ProtoRange | undefined;
  let shape: readonly number[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.wire === 0 && field.number === 3) type = field.value;
    if (field.wire !== 2) continue;
    if (field.number === 1) name = await readText(source, field);
    if (field.number === 2) shape = (await readShape(source, field) ?? []).map((n) => n ?? -1);
    if (field.number === 3) data = field;
  }
  return { name, shape, type, data };
}
