/** Symmetric int8 quantization, one scale per output channel. */

/** The scale of a filter that is all zero: as small as a normal float32 can be. */
export const MIN_SCALE = 2 ** -126;

/**
 * Scales to try, as fractions of the one that takes the largest magnitude to 127. A smaller one clips
 * the few largest weights and rounds all others better.
 */
const FRACTIONS = [1, 0.97, 0.94, 0.91, 0.88, 0.84, 0.8];

/** Adding and subtracting it rounds a float64 below 2^51 to the nearest integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** What {@linkcode quantizeFilter} found. */
export interface QuantizedFilter {
  /** The weight is about `int8 * scale`. Above 0. */
  scale: number;
  min: number;
  max: number;
  /** Sum of the squared weights. */
  energy: number;
  /** Sum of the squared errors. */
  error: number;
}

/**
 * Quantizes the filter of one output channel.
 *
 * For each fraction it rounds, and takes the scale that minimizes the squared error for these integers,
 * `Σwq / Σq²`, whose error is `Σw² - (Σwq)² / Σq²`. The best of them is kept.
 *
 * @param weights Finite.
 * @param into Gets the integers, -127…127; as long as `weights`.
 * @param result Gets the rest, so that a loop over channels does not allocate.
 */
export function quantizeFilter(
  weights: Float32Array,
  into: Int8Array,
  result: QuantizedFilter,
): void {
  let min = 0, max = 0, energy = 0;
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i];
    if (w < min) min = w;
    if (w > max) max = w;
    energy += w * w;
  }
  result.min = min;
  result.max = max;
  result.energy = energy;
  result.scale = MIN_SCALE;
  result.error = energy;
  const largest = Math.max(-min, max);
  if (largest < 127 * MIN_SCALE) {
    into.fill(0);
    return;
  }

  let best = 1;
  for (const fraction of FRACTIONS) {
    const { products, squares } = correlate(weights, 127 / (largest * fraction));
    const error = energy - products * products / squares;
    if (fraction === 1 || error < result.error) {
      best = fraction;
      result.error = error;
      result.scale = Math.max(MIN_SCALE, Math.fround(products / squares));
    }
  }
  const factor = 127 / (largest * best);
  for (let i = 0; i < weights.length; i++) into[i] = round(weights[i] * factor);
}

const sums = { products: 0, squares: 0 };

/** `Σwq` and `Σq²` of the integers that `factor` gives. */
function correlate(weights: Float32Array, factor: number): typeof sums {
  let products = 0, squares = 0;
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i];
    const q = round(w * factor);
    products += w * q;
    squares += q * q;
  }
  sums.products = products;
  sums.squares = squares;
  return sums;
}

function round(value: number): number {
  const q = (value + ROUND) - ROUND;
  return q > 127 ? 127 : q < -127 ? -127 : q;
}

/**
 * Rounds some of the weights the other way, so that the errors of each input channel's window, and then those of
 * the whole filter, add up to half a step at most.
 *
 * What follows a ReLU is above 0 and much the same from one position to the next, so that errors of one sign
 * shift a whole output. Where all that is kept of a map is its average, that shift is all that is left of the
 * error: other errors average out. (SQuant, Guo et al., 2022, arXiv 2202.07471, does the same to few bits.)
 *
 * @param weights `[positions, channels]`, as they were quantized to `into` with `result.scale`.
 * @param result Gets the new error.
 */
export function balanceErrors(
  weights: Float32Array,
  into: Int8Array,
  channels: number,
  result: QuantizedFilter,
): void {
  const { scale } = result;
  const errors = Float64Array.from(weights, (w, i) => into[i]! - w / scale);
  // Filters of one position have no windows.
  if (weights.length > channels) {
    for (let c = 0; c < channels; c++) balance(errors, into, c, channels);
  }
  balance(errors, into, 0, 1);
  result.error = scale * scale * errors.reduce((sum, error) => sum + error * error, 0);
}

/** Takes every `stride`th error from `first` on, and changes the weights that it costs least to change. */
function balance(errors: Float64Array, into: Int8Array, first: number, stride: number): void {
  let sum = 0;
  for (let i = first; i < errors.length; i += stride) sum += errors[i]!;
  while (Math.abs(sum) > 0.5) {
    const sign = Math.sign(sum);
    let best = -1;
    for (let i = first; i < errors.length; i += stride) {
      const isFree = Math.abs(into[i]! - sign) <= 127;
      if (isFree && (best < 0 || errors[i]! * sign > errors[best]! * sign)) best = i;
    }
    if (best < 0) return;
    into[best]! -= sign;
    errors[best]! -= sign;
    sum -= sign;
  }
}
