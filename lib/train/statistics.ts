/**
 * Mean, deviation and covariance in one streaming pass, and whitening from them (UFLDL tutorial,
 * "Data Preprocessing" and "PCA Whitening").
 */

import { takeTurn } from "../threads/turn.ts";

/** How rows are brought to a common scale. */
export type Whitening = "none" | "standardize" | "pca" | "zca";

/** `z = matrix (x - mean)`; a diagonal matrix is `scale`. */
export interface LinearTransform {
  /** `[D]`. */
  readonly mean: Float64Array;
  /** `[D]`, for `"none"` and `"standardize"`. */
  readonly scale?: Float64Array | undefined;
  /** `[D, D]`, for `"pca"` and `"zca"`. */
  readonly matrix?: Float64Array | undefined;
}

/** Above this size a covariance would take too long to diagonalize. */
const MAX_WHITENED = 1024;

/**
 * Checks that rows can be whitened.
 *
 * @throws {RangeError} If a covariance of more than 1024 values is needed.
 */
export function checkWhitening(length: number, whitening: Whitening): void {
  if ((whitening === "pca" || whitening === "zca") && length > MAX_WHITENED) {
    throw new RangeError(
      `Whitening takes rows of at most ${MAX_WHITENED} values, found ${length}: use standardize`,
    );
  }
}

/** Gathers statistics of rows of one length, each seen once. */
export class Statistics {
  readonly #mean: Float64Array;
  /** Sums of products of deviations: `[D]`, or `[D, D]` with covariance (upper triangle). */
  readonly #products: Float64Array;
  readonly #delta: Float64Array;
  readonly #withCovariance: boolean;
  #count = 0;
  #axes: ReturnType<typeof eigen> | undefined;

  /** @throws {RangeError} If a covariance of more than 1024 values is asked for. */
  constructor(length: number, withCovariance: boolean = false) {
    checkWhitening(length, withCovariance ? "pca" : "none");
    this.#mean = new Float64Array(length);
    this.#delta = new Float64Array(length);
    this.#products = new Float64Array(withCovariance ? length * length : length);
    this.#withCovariance = withCovariance;
  }

  /** Adds a row (Welford, 1962: stable, whatever the mean). */
  add(values: ArrayLike<number>): void {
    this.#axes = undefined;
    const mean = this.#mean, delta = this.#delta, products = this.#products, size = mean.length;
    const part = 1 / ++this.#count;
    for (let i = 0; i < size; i++) {
      delta[i] = values[i] - mean[i];
      mean[i] += delta[i] * part;
    }
    if (!this.#withCovariance) {
      for (let i = 0; i < size; i++) products[i] += delta[i] * (values[i] - mean[i]);
      return;
    }
    for (let i = 0; i < size; i++) {
      const deviation = values[i] - mean[i], row = i * size;
      if (deviation === 0) continue;
      for (let j = i; j < size; j++) products[row + j] += deviation * delta[j];
    }
  }

  /** `[D]`. */
  get mean(): Float64Array {
    return this.#mean.slice();
  }

  /** Mean squared deviations, `[D]`. */
  get variance(): Float64Array {
    const step = this.#withCovariance ? this.#mean.length + 1 : 1;
    return this.#mean.map((_, i) => this.#products[i * step] / this.#count);
  }

  /**
   * The transform that whitens what was added.
   *
   * @param epsilon Added to each variance, relative to their mean: what hardly varies is not blown up.
   * @param signal Ends it, as many axes take minutes.
   */
  async transform(
    whitening: Whitening,
    epsilon: number = 1e-2,
    signal?: AbortSignal,
  ): Promise<LinearTransform> {
    const mean = this.mean, size = mean.length;
    if (whitening === "none") {
      return { mean: new Float64Array(size), scale: new Float64Array(size).fill(1) };
    }
    const variance = this.variance;
    const floor = epsilon * variance.reduce((sum, v) => sum + v, 0) / size || 1;
    if (whitening === "standardize") {
      return { mean, scale: variance.map((v) => 1 / Math.sqrt(v + floor)) };
    }
    const { values, vectors } = await this.#principal(signal);
    // Rows of `vectors` are eigenvectors: PCA turns to them and scales; ZCA turns back again.
    const scaled = vectors.map((v, i) =>
      v / Math.sqrt(Math.max(0, values[Math.floor(i / size)]) + floor)
    );
    if (whitening === "pca") return { mean, matrix: scaled };
    const matrix = new Float64Array(size * size);
    for (let k = 0; k < size; k++) {
      await takeTurn(signal);
      for (let i = 0; i < size; i++) {
        const factor = vectors[k * size + i];
        for (let j = 0; j < size; j++) matrix[i * size + j] += factor * scaled[k * size + j];
      }
    }
    return { mean, matrix };
  }

  /** The variances along the principal axes, largest first, `[D]`: the covariance's eigenvalues. */
  async principalVariance(signal?: AbortSignal): Promise<Float64Array> {
    return (await this.#principal(signal)).values.map((value) => Math.max(0, value));
  }

  /** The covariance's eigenvalues and eigenvectors, found once. */
  #principal(signal?: AbortSignal): ReturnType<typeof eigen> {
    return this.#axes ??= eigen(this.#covariance(), this.#mean.length, signal);
  }

  #covariance(): Float64Array {
    const size = this.#mean.length;
    return this.#products.map((_, at) => {
      const i = Math.floor(at / size), j = at % size;
      return this.#products[Math.min(i, j) * size + Math.max(i, j)] / this.#count;
    });
  }
}

/** Applies a transform to one row. */
export function transformed(
  { mean, scale, matrix }: LinearTransform,
  values: ArrayLike<number>,
  into: Float32Array,
): void {
  const size = mean.length;
  for (let i = 0; i < size; i++) {
    if (scale !== undefined) {
      into[i] = (values[i] - mean[i]) * scale[i];
      continue;
    }
    let sum = 0;
    for (let j = 0; j < size; j++) sum += matrix![i * size + j] * (values[j] - mean[j]);
    into[i] = sum;
  }
}

/**
 * The dense layer that does on untransformed values what `weight` and `bias` do on transformed ones:
 * `W T (x - mean) + b`.
 *
 * @param weight `[O, D]`
 */
export function foldTransform(
  { mean, scale, matrix }: LinearTransform,
  weight: Float32Array,
  bias: Float32Array,
): { weight: Float32Array; bias: Float32Array } {
  const size = mean.length, folded = new Float32Array(weight.length);
  const row = new Float64Array(size);
  const shifted = bias.map((value, o) => {
    row.fill(0);
    for (let i = 0; i < size; i++) {
      const w = weight[o * size + i];
      if (scale !== undefined) row[i] = w * scale[i];
      else for (let j = 0; j < size; j++) row[j] += w * matrix![i * size + j];
    }
    folded.set(row, o * size);
    return value - row.reduce((sum, w, j) => sum + w * mean[j], 0);
  });
  return { weight: folded, bias: shifted };
}

/** Sweeps of Jacobi's method; it converges quadratically, in 6 to 10 of them. */
const MAX_SWEEPS = 30;

/**
 * Eigenvalues, largest first, and eigenvectors, one a row, of a symmetric matrix (cyclic Jacobi; Golub
 * and Van Loan, "Matrix Computations", section 8.5).
 *
 * @param symmetric `[size, size]`
 */
export async function eigen(
  symmetric: Float64Array,
  size: number,
  signal?: AbortSignal,
): Promise<{ values: Float64Array; vectors: Float64Array }> {
  const a = symmetric.slice(), v = new Float64Array(size * size);
  for (let i = 0; i < size; i++) v[i * size + i] = 1;
  const total = a.reduce((sum, x) => sum + x * x, 0);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) {
      await takeTurn(signal);
      for (let q = p + 1; q < size; q++) {
        off += a[p * size + q] ** 2;
        rotate(a, v, size, p, q);
      }
    }
    if (off <= 1e-22 * total) break;
  }
  const order = Array.from({ length: size }, (_, i) => i)
    .sort((i, j) => a[j * size + j] - a[i * size + i]);
  const vectors = new Float64Array(size * size);
  order.forEach((from, to) => vectors.set(v.subarray(from * size, (from + 1) * size), to * size));
  return { values: Float64Array.from(order, (i) => a[i * size + i]), vectors };
}

/** Makes `a[p][q]` zero. `a` stays symmetric; rows of `v` are turned along. */
function rotate(a: Float64Array, v: Float64Array, size: number, p: number, q: number): void {
  const apq = a[p * size + q];
  if (apq === 0) return;
  const theta = (a[q * size + q] - a[p * size + p]) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1), s = t * c;
  for (let k = 0; k < size; k++) {
    const x = a[p * size + k], y = a[q * size + k];
    a[p * size + k] = c * x - s * y;
    a[q * size + k] = s * x + c * y;
  }
  for (let k = 0; k < size; k++) {
    const x = a[k * size + p], y = a[k * size + q];
    a[k * size + p] = c * x - s * y;
    a[k * size + q] = s * x + c * y;
    const vx = v[p * size + k], vy = v[q * size + k];
    v[p * size + k] = c * vx - s * vy;
    v[q * size + k] = s * vx + c * vy;
  }
}
