/**
 * The filters of resizing, as weights of source pixels (Pillow's `Resample.c`).
 *
 * @module
 */

/** `"bilinear"` is a triangle, `"bicubic"` Keys' cubic with a = -0.5; both widen when shrinking. */
export type ResizeFilter = "bilinear" | "bicubic";

/** Which source pixels make an output pixel, and how much of each. */
export interface Weights {
  /** First source pixel of output pixel i. */
  readonly first: Int32Array;
  /** Number of source pixels of output pixel i. */
  readonly count: Int32Array;
  /** `[outputs, stride]`, in units of 2^-22. */
  readonly weights: Int32Array;
  readonly stride: number;
  /** Whether the size stays, so that the pass is a copy and `weights` are not used. */
  readonly identity: boolean;
}

/** Weights are fixed-point numbers with so many bits after the point. */
export const PRECISION_BITS = 22;
/** One half, to round. */
export const HALF = 1 << (PRECISION_BITS - 1);

const FILTERS: Readonly<
  Record<ResizeFilter, { readonly support: number; readonly at: (x: number) => number }>
> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: keysCubic },
};

/** Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.5. */
function keysCubic(x: number): number {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`, for outputs `start … start + length`. */
export function weightsOf(
  sourceSize: number,
  size: number,
  filter: ResizeFilter,
  start: number,
  length: number,
): Weights {
  const { support: unitSupport, at } = FILTERS[filter];
  const scale = sourceSize / size;
  const stretch = Math.max(scale, 1);
  const support = unitSupport * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const real = new Float64Array(stride);
  if (sourceSize === size) {
    return {
      first: first.map((_, i) => start + i),
      count: count.fill(1),
      weights,
      stride,
      identity: true,
    };
  }
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const to = Math.min(sourceSize, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let x = from; x < to; x++) {
      sum += real[x - from] = at((x - center + 0.5) * (1 / stretch));
    }
    for (let k = 0; k < to - from; k++) {
      const weight = (sum === 0 ? real[k] : real[k] / sum) * (1 << PRECISION_BITS);
      weights[i * stride + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    first[i] = from;
    count[i] = to - from;
  }
  return { first, count, weights, stride, identity: false };
}
