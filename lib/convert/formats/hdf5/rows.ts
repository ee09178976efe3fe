/** Datasets of numbers as tensors whose first axis is that of the outputs. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, OUTPUTS_FIRST, type Runs, sizeOf } from "../checkpoint.ts";
import type { Hdf5File } from "./hdf5_file.ts";
import type { Hdf5Dataset } from "./hdf5_library.ts";

/** Deflate makes of one byte at most so many. @see {@link https://zlib.net/zlib_tech.html} */
const MAX_COMPRESSION = 1032;

/**
 * A dataset that is read by its rows, the indices of its first axis.
 *
 * @throws {CheckpointFormatError} If the file is too small for it.
 */
export function rowTensor(
  file: Hdf5File,
  source: ByteSource,
  { path, shape, bytes }: Hdf5Dataset,
  name: string,
): CheckpointTensor {
  const size = sizeOf(shape);
  if (!(size * bytes <= source.size! * MAX_COMPRESSION)) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${source.name} must fit in the file: found shape [${shape}]`,
      { file: source.name },
    );
  }
  const inner = size / (shape[0] ?? 1);
  const readRun = async (begin: number, into: Float32Array): Promise<void> => {
    const first = Math.floor(begin / inner), last = Math.ceil((begin + into.length) / inner);
    const box = shape.map((size, axis) => axis === 0 ? [first, last] as const : [0, size] as const);
    const isWhole = (last - first) * inner === into.length;
    const rows = isWhole ? into : new Float32Array((last - first) * inner);
    await file.read(path, box, rows);
    const skipped = begin - first * inner;
    if (!isWhole) into.set(rows.subarray(skipped, skipped + into.length));
  };
  return {
    name,
    shape,
    layout: OUTPUTS_FIRST,
    async read({ start, length, stride, count }: Runs, into: Float32Array): Promise<void> {
      for (let run = 0; run < count && size > 0; run++) {
        await readRun(start + run * stride, into.subarray(run * length, (run + 1) * length));
      }
    },
  };
}
