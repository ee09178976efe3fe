/** How alike rows are: their inner products. */

import { takeTurn } from "../threads/turn.ts";
import type { TrainingKernels } from "./kernels.ts";

/** Rows that are compared at a time. */
const BLOCK = 64;

/**
 * The inner products of each of `others` with all rows, `[N]`, summed in float64 from the first value on. What is
 * given is overwritten by the next. The arrays of `kernels` are overwritten.
 *
 * @param rows `[N, length]`
 * @param others `[M, length]`; if they are the rows, each is compared with itself and those before it alone.
 */
export async function* innerProducts(
  kernels: TrainingKernels,
  rows: Float32Array,
  others: Float32Array,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Float64Array> {
  const count = rows.length / length, total = others.length / length;
  kernels.reset();
  const x = kernels.place(rows),
    w = kernels.take64(length * BLOCK),
    y = kernels.take64(count * BLOCK);
  const products = new Float64Array(count);
  for (let first = 0; first < total; first += BLOCK) {
    await takeTurn(signal);
    const columns = Math.min(BLOCK, total - first);
    const compared = others === rows ? first + columns : count;
    for (let j = 0; j < columns; j++) {
      const own = (first + j) * length;
      for (let i = 0; i < length; i++) w[i * BLOCK + j] = others[own + i]!;
    }
    kernels.run("multiply", { x, w, y, rows: compared, inner: length, outputs: BLOCK });
    for (let j = 0; j < columns; j++) {
      const own = others === rows ? first + j + 1 : count;
      for (let n = 0; n < own; n++) products[n] = y[n * BLOCK + j]!;
      yield products.subarray(0, own);
    }
  }
}
