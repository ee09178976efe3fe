/**
 * Reads what `flax.serialization.to_bytes` writes: dictionaries of arrays in MessagePack.
 *
 * @see {@link https://github.com/google/flax/blob/main/flax/serialization.py}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { isSizes } from "../../../model/json.ts";
import type { Budget } from "../budget.ts";
import { type Checkpoint, OUTPUTS_LAST, sizeOf } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { withLayouts } from "../layouts.ts";
import { type StoredTensor, storedTensor, weightsOf } from "../stored.ts";
import { usualImages } from "../usual_images.ts";
import { bytesOf, isElementType } from "../tensors.ts";
import { PackedBytes, type PackedValue, readPacked } from "./msgpack.ts";

/** Element types by numpy's names. Others are counters, or of no network that is read. */
const DTYPES: ReadonlyMap<PackedValue, string> = new Map([
  ["float16", "F16"],
  ["bfloat16", "BF16"],
  ["float32", "F32"],
  ["float64", "F64"],
]);

/** Flax' kind of an array among MessagePack's extensions. */
const ARRAY = 1;

/** Opens a file. */
export async function readFlax(source: ByteSource, budget: Budget): Promise<Checkpoint> {
  const cursor = new Cursor(source, 0, source.size!);
  const value = await readPacked(cursor, budget);
  if (!cursor.done) cursor.fail("there is more behind its end");
  const arrays: StoredTensor[] = [];
  const visit = async (value: PackedValue, path: readonly PackedValue[]): Promise<void> => {
    if (value instanceof Map) {
      for (const [key, child] of value) await visit(child, [...path, key]);
    } else if (value instanceof PackedBytes && value.kind === ARRAY) {
      arrays.push(await arrayTensor(source, path.join("/"), value, budget));
    }
  };
  await visit(value, []);
  if (arrays.length === 0) {
    throw new CheckpointFormatError(
      `Expected dictionaries of arrays in ${source.name}, as flax.serialization.to_bytes() writes them: found no array`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const tensors = withLayouts(weightsOf(arrays, source.name), OUTPUTS_LAST);
  return {
    format: "Flax",
    tensors,
    order: "none",
    images: usualImages(tensors),
    epsilon: 1e-5,
    close: () => {},
  };
}

/** `[shape, dtype, bytes]`, which are MessagePack again. */
async function arrayTensor(
  source: ByteSource,
  name: string,
  { offset, length }: PackedBytes,
  budget: Budget,
): Promise<StoredTensor> {
  const cursor = new Cursor(source, offset, offset + length);
  const parts = await readPacked(cursor, budget);
  const [shape, dtype, bytes] = Array.isArray(parts) ? parts : [];
  const type = DTYPES.get(dtype) ?? String(dtype);
  if (!isSizes(shape) || !(bytes instanceof PackedBytes)) {
    return cursor.fail(`array ${name} has no shape, type and elements`);
  }
  if (isElementType(type) && sizeOf(shape) * bytesOf(type) !== bytes.length) {
    cursor.fail(`array ${name} of ${type} and shape [${shape}] has ${bytes.length} bytes`);
  }
  const tensor = { name, shape, layout: OUTPUTS_LAST, position: bytes.offset };
  return storedTensor(source, tensor, type, bytes.offset);
}
