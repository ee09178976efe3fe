/** Inner products of all rows, which are read a few of their values at a time: they need not fit in memory. */

import { takeTurn } from "../threads/turn.ts";
import type { TrainingKernels } from "./kernels.ts";
import type { Rows } from "./rows.ts";
import { type LinearTransform, transformed } from "./statistics.ts";

/** Values of all rows that are in memory together, where each is transformed by itself. */
const SLICE = 512;
/** Rows that others are multiplied with at a time. */
const BLOCK = 64;

/** Some neighboring values of all rows. */
interface Slice {
  /** The first of them. */
  readonly first: number;
  /** How many there are. */
  readonly length: number;
  /** Fills `into` with those of row `n`, transformed. */
  read(n: number, into: Float32Array): void;
}

/** Inner products, which multiply others. */
export interface Gram {
  /** How many rows there are, N. */
  readonly count: number;
  /** The inner products times `values`, `[N, outputs]`, an even number of them. The next call overwrites it. */
  times(values: Float64Array, outputs: number): Float64Array;
}

/**
 * The inner products of rows that are transformed block by block: N x N in float32, of sums of {@linkcode SLICE}
 * products in float64. The arrays of `kernels` are overwritten; they hold it until they are again.
 */
export async function gramOf(
  kernels: TrainingKernels,
  rows: Rows,
  transforms: readonly LinearTransform[],
  signal?: AbortSignal,
): Promise<Gram> {
  const { count } = rows, slices = slicesOf(rows, transforms);
  kernels.reset();
  const gram = kernels.take(count * count).fill(0);
  const longest = Math.max(...slices.map(({ length }) => length));
  const values = kernels.take(count * longest), w = kernels.take64(longest * BLOCK);
  const y = kernels.take64(count * BLOCK);
  for (const { length, read } of slices) {
    for (let n = 0; n < count; n++) {
      if (n % BLOCK === 0) await takeTurn(signal);
      read(n, values.subarray(n * length, (n + 1) * length));
    }
    for (let first = 0; first < count; first += BLOCK) {
      await takeTurn(signal);
      const columns = Math.min(BLOCK, count - first), x = values.subarray(first * length);
      for (let j = 0; j < columns; j++) {
        for (let i = 0; i < length; i++) w[i * BLOCK + j] = x[j * length + i]!;
      }
      kernels.run("multiply", { x, w, y, rows: count - first, inner: length, outputs: BLOCK });
      for (let n = first; n < count; n++) {
        const to = n * count + first, from = (n - first) * BLOCK;
        const own = Math.min(columns, n - first + 1);
        for (let j = 0; j < own; j++) gram[to + j]! += y[from + j]!;
      }
    }
  }
  for (let n = 0; n < count; n++) {
    for (let m = 0; m < n; m++) gram[m * count + n] = gram[n * count + m]!;
  }
  return { count, times: timesOf(kernels, gram, count) };
}

function timesOf(kernels: TrainingKernels, x: Float32Array, count: number): Gram["times"] {
  let w: Float64Array = new Float64Array(), y = w;
  return (values, outputs) => {
    if (w.length < count * outputs) {
      [w, y] = [kernels.take64(count * outputs), kernels.take64(count * outputs)];
    }
    w.set(values);
    kernels.run("multiply", { x, w, y, rows: count, inner: count, outputs });
    return y.subarray(0, count * outputs);
  };
}

/**
 * Sums of rows that are transformed block by block, `[K, D]`, each row times its coefficients. The arrays of `kernels`
 * are overwritten.
 *
 * @param coefficients `[N, outputs]`, of which the first K columns count.
 */
export async function sumsOfRows(
  kernels: TrainingKernels,
  rows: Rows,
  transforms: readonly LinearTransform[],
  coefficients: Float64Array,
  classes: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { count } = rows, outputs = coefficients.length / count;
  const slices = slicesOf(rows, transforms), sums = new Float32Array(classes * rows.length);
  const longest = Math.max(...slices.map(({ length }) => length));
  kernels.reset();
  const x = kernels.take(longest * count), w = kernels.take64(count * outputs);
  const y = kernels.take64(longest * outputs), row = new Float32Array(longest);
  w.set(coefficients);
  for (const { first, length, read } of slices) {
    const own = row.subarray(0, length);
    for (let n = 0; n < count; n++) {
      if (n % BLOCK === 0) await takeTurn(signal);
      read(n, own);
      for (let i = 0; i < length; i++) x[i * count + n] = own[i]!;
    }
    kernels.run("multiply", { x, w, y, rows: length, inner: count, outputs });
    for (let i = 0; i < length; i++) {
      for (let c = 0; c < classes; c++) sums[c * rows.length + first + i] = y[i * outputs + c]!;
    }
  }
  return sums;
}

/** The slices of rows: a whole block where a matrix mixes its values. */
function slicesOf(rows: Rows, transforms: readonly LinearTransform[]): Slice[] {
  const slices: Slice[] = [];
  let begin = 0;
  for (const transform of transforms) {
    const { mean, scale } = transform, all = mean.length, most = scale === undefined ? all : SLICE;
    for (let at = 0; at < all; at += most) {
      const end = Math.min(at + most, all), raw = new Float32Array(end - at), first = begin + at;
      const own = scale === undefined
        ? transform
        : { mean: mean.subarray(at, end), scale: scale.subarray(at, end) };
      const read = (n: number, into: Float32Array): void => {
        rows.read(n, raw, first);
        transformed(own, raw, into);
      };
      slices.push({ first, length: end - at, read });
    }
    begin += all;
  }
  return slices;
}
