/** Datasets of an HDF5 file as tensors. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_LAST, type Runs, sizeOf } from "../checkpoint.ts";
import type { Hdf5File } from "./hdf5_file.ts";
import type { Box, Hdf5Dataset } from "./hdf5_library.ts";

/** Deflate makes of one byte at most so many. @see {@link https://zlib.net/zlib_tech.html} */
const MAX_COMPRESSION = 1032;

/**
 * Makes a tensor of a dataset.
 *
 * @param tensor What the tensor says of itself that the dataset does not. Default: TensorFlow's layout.
 * @throws {CheckpointFormatError} If it has no numbers, or more than its file can hold.
 */
export function hdf5Tensor(
  file: Hdf5File,
  source: ByteSource,
  { path, shape, kind, bytes: elementBytes }: Hdf5Dataset,
  tensor: Partial<Pick<CheckpointTensor, "name" | "layout">> = {},
): CheckpointTensor {
  const bytes = sizeOf(shape) * elementBytes;
  if (!(bytes > 0) || (kind !== "float" && kind !== "integer")) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${source.name} must have numbers: found shape [${shape}] of other elements`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  if (!(bytes <= source.size! * MAX_COMPRESSION)) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${source.name} must fit in the file: found shape [${shape}], ${bytes} bytes`,
      { file: source.name },
    );
  }
  return {
    name: path,
    layout: OUTPUTS_LAST,
    ...tensor,
    shape,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      const box = boxOf(runs, shape);
      if (box !== undefined) return await file.read(path, box, into);
      for (let run = 0; run < runs.count; run++) {
        const start = runs.start + run * runs.stride;
        const part = into.subarray(run * runs.length, (run + 1) * runs.length);
        await readRun(file, path, shape, start, part);
      }
    },
  };
}

/** The part of a dataset that runs are, where they are one: some rows, or some columns of some rows. */
function boxOf({ start, length, stride, count }: Runs, shape: readonly number[]): Box | undefined {
  const all: Box = shape.map((size) => [0, size]);
  const row = sizeOf(shape.slice(1)), last = shape.at(-1) ?? 1;
  if (shape.length === 0) return [];
  if (count === 1 || stride === length) {
    const end = start + length * count;
    return start % row === 0 && end % row === 0 ? all.with(0, [start / row, end / row]) : undefined;
  }
  const column = start % last, first = (start - column) / last;
  const isAll = first === 0 && count === sizeOf(shape) / last;
  if (stride !== last || column + length > last || !(isAll || shape.length === 2)) return undefined;
  const columns = all.with(-1, [column, column + length]);
  return isAll ? columns : columns.with(0, [first, first + count]);
}

/** Reads elements that begin or end within a row: the rows, and from them the elements. */
async function readRun(
  file: Hdf5File,
  path: string,
  shape: readonly number[],
  start: number,
  into: Float32Array,
): Promise<void> {
  const row = sizeOf(shape.slice(1));
  const first = Math.floor(start / row), end = Math.ceil((start + into.length) / row);
  const rows = new Float32Array((end - first) * row);
  await file.read(path, shape.map((size, axis) => axis === 0 ? [first, end] : [0, size]), rows);
  into.set(rows.subarray(start - first * row, start - first * row + into.length));
}
