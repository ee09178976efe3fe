/** How alike rows are: their inner products. */

import { takeTurn } from "../threads/turn.ts";
import type { TrainingKernels } from "./kernels.ts";
import type { Rows } from "./rows.ts";

/** Rows that are compared at a time. */
const BLOCK = 64;

/**
 * The inner products of each of `others` with all rows, `[N]`, summed in float64 from the first value on. What is
 * given is overwritten by the next. The arrays of `kernels` are overwritten.
 *
 * @param rows N of them, of which the kernels get a copy.
 * @param others Of the same length; if they are the rows, each is compared with itself and those before it alone.
 */
export async function* innerProducts(
  kernels: TrainingKernels,
  rows: Rows,
  others: Rows,
  signal?: AbortSignal,
): AsyncGenerator<Float64Array> {
  const { count, length } = rows, total = others.count;
  kernels.reset();
  const x = kernels.take(count * length),
    w = kernels.take64(length * BLOCK),
    y = kernels.take64(count * BLOCK);
  for (let n = 0; n < count; n++) rows.read(n, x.subarray(n * length, (n + 1) * length));
  const products = new Float64Array(count), row = new Float32Array(length);
  for (let first = 0; first < total; first += BLOCK) {
    await takeTurn(signal);
    const columns = Math.min(BLOCK, total - first);
    const compared = others === rows ? first + columns : count;
    for (let j = 0; j < columns; j++) {
      others.read(first + j, row);
      for (let i = 0; i < length; i++) w[i * BLOCK + j] = row[i]!;
    }
    kernels.run("multiply", { x, w, y, rows: compared, inner: length, outputs: BLOCK });
    for (let j = 0; j < columns; j++) {
      const own = others === rows ? first + j + 1 : count;
      for (let n = 0; n < own; n++) products[n] = y[n * BLOCK + j]!;
      yield products.subarray(0, own);
    }
  }
}
