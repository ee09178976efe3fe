/** Few long rows as short ones: what a linear model makes of rows depends on their inner products alone. */

import { takeTurn } from "../threads/turn.ts";
import { innerProducts } from "./inner_products.ts";
import type { TrainingKernels } from "./kernels.ts";
import { RowsInMemory } from "./rows.ts";

/** Rows with the inner products of others. */
export interface RowSpace {
  /** `[N, N]`, lower triangular. */
  readonly rows: Float32Array;
  /** The weights `[K, D]` for the others that do what `weight`, `[K, N]`, does for `rows`. */
  back(weight: Float32Array): Float32Array;
}

/** Rows between two turns. */
const TURN = 64;
/** Part of the largest squared length below which a row is taken for a sum of those before it. */
const DEPENDENT = 1e-12;

/**
 * Brings rows `[N, D]` to length N: the Cholesky factor of their inner products (Golub and Van Loan, "Matrix
 * Computations", section 4.2.5). Weights of the least length stay those of the least length.
 *
 * The arrays of `kernels` are overwritten.
 */
export async function rowSpace(
  kernels: TrainingKernels,
  rows: Float32Array,
  count: number,
  signal?: AbortSignal,
): Promise<RowSpace> {
  const factor = new Float64Array(count * count), all = new RowsInMemory(rows, rows.length / count);
  let row = 0;
  for await (const products of innerProducts(kernels, all, all, signal)) {
    factor.set(products, row++ * count);
  }
  const least = DEPENDENT * factor.reduce((most, value) => Math.max(most, value), 0);
  for (let i = 0; i < count; i++) {
    if (i % TURN === 0) await takeTurn(signal);
    const own = i * count;
    for (let j = 0; j <= i; j++) {
      const other = j * count, pivot = factor[other + j]!;
      let rest = factor[own + j]!;
      for (let k = 0; k < j; k++) rest -= factor[own + k]! * factor[other + k]!;
      if (j === i) factor[own + i] = rest > least ? Math.sqrt(rest) : 0;
      else factor[own + j] = pivot === 0 ? 0 : rest / pivot;
    }
  }
  return {
    rows: Float32Array.from(factor),
    back: (weight) => back(rows, factor, count, weight),
  };
}

/** `(factor^T)^-1 weight` says how much of each row is in the weights. */
function back(
  rows: Float32Array,
  factor: Float64Array,
  count: number,
  weight: Float32Array,
): Float32Array {
  const length = rows.length / count, classes = weight.length / count;
  const result = new Float32Array(classes * length), sum = new Float64Array(length);
  for (let c = 0; c < classes; c++) {
    const parts = Float64Array.from(weight.subarray(c * count, (c + 1) * count));
    sum.fill(0);
    for (let n = count - 1; n >= 0; n--) {
      const own = n * count, pivot = factor[own + n]!, part = pivot === 0 ? 0 : parts[n]! / pivot;
      for (let j = 0; j < n; j++) parts[j]! -= part * factor[own + j]!;
      for (let i = 0; i < length; i++) sum[i]! += part * rows[n * length + i]!;
    }
    result.set(sum, c * length);
  }
  return result;
}
