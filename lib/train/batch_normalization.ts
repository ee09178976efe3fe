/**
 * Batch normalization (Ioffe and Szegedy, 2015, "Batch Normalization"): the moments of a batch, what
 * training remembers of them, and the derivatives.
 */

/** What a batch's statistics count among those before it. */
const MOMENTUM = 0.1;
/** Added to a variance. Both are PyTorch's. */
const EPSILON = 1e-5;

/** How a channel is normalized: `y * scale + shift`. */
export interface Normalization {
  /** `[outputs]` */
  readonly scale: Float32Array;
  /** `[outputs]` */
  readonly shift: Float32Array;
}

/** Of each channel, over a batch or over many. */
export interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * Mean and variance of each channel over a batch, in float64.
 *
 * @param sums Of each image's distances from its first position, and of their squares.
 * @param y `[count, pixels, channels]`
 */
export function momentsOf(sums: Float32Array, y: Float32Array, channels: number): Moments {
  const count = sums.length / (2 * channels), pixels = y.length / (count * channels);
  const mean = new Float64Array(channels), variance = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const means = Float64Array.from(
      { length: count },
      (_, n) => y[n * pixels * channels + c] + sums[2 * n * channels + c] / pixels,
    );
    mean[c] = means.reduce((sum, value) => sum + value) / count;
    for (let n = 0; n < count; n++) {
      const at = 2 * n * channels + c;
      const within = sums[at + channels] / pixels - (sums[at] / pixels) ** 2;
      variance[c] += (Math.max(0, within) + (means[n] - mean[c]) ** 2) / count;
    }
  }
  return { mean, variance };
}

/** Sums over the images of `[count, 2, channels]`, in float64. */
function totals(sums: Float32Array, channels: number): [Float64Array, Float64Array] {
  const first = new Float64Array(channels), second = new Float64Array(channels);
  for (let at = 0; at < sums.length; at += 2 * channels) {
    for (let c = 0; c < channels; c++) {
      first[c] += sums[at + c];
      second[c] += sums[at + channels + c];
    }
  }
  return [first, second];
}

/** Adds a batch's moments to a weighted sum of means and of variances, and to the sum of weights. */
export function remember(statistics: Float32Array, { mean, variance }: Moments): void {
  const channels = mean.length;
  for (let c = 0; c < channels; c++) {
    for (const [row, value] of [mean[c], variance[c], 1].entries()) {
      statistics[row * channels + c] += MOMENTUM * (value - statistics[row * channels + c]);
    }
  }
}

/** The moments that training remembers; those of a standard distribution before it begins. */
export function remembered(statistics: Float32Array): Moments {
  const channels = statistics.length / 3;
  const row = (n: number, otherwise: number): Float64Array =>
    Float64Array.from({ length: channels }, (_, c) => {
      const weight = statistics[2 * channels + c];
      return weight > 0 ? statistics[n * channels + c] / weight : otherwise;
    });
  return { mean: row(0, 0), variance: row(1, 1) };
}

/** How channels with these moments are normalized, whose deviation and mean become gamma and beta. */
export function normalization(
  gamma: Float32Array,
  beta: Float32Array,
  { mean, variance }: Moments,
): Normalization {
  const scale = gamma.map((g, c) => g / Math.sqrt(variance[c] + EPSILON));
  return { scale, shift: beta.map((b, c) => b - scale[c] * mean[c]) };
}

/**
 * The derivatives of `z = gamma * (y - mean) / deviation + beta`.
 *
 * @param sums Each image's sums of `dz` and of `dz * y`
 * @returns `factors`: `[3, channels]`, with which `dy = dz * a + y * b + c`
 */
export function normalizationGradient(
  sums: Float32Array,
  scale: Float32Array,
  { mean, variance }: Moments,
  positions: number,
): { dgamma: Float32Array; dbeta: Float32Array; factors: Float32Array } {
  const channels = scale.length, [sum, product] = totals(sums, channels);
  const dgamma = new Float32Array(channels), factors = new Float32Array(3 * channels);
  for (let c = 0; c < channels; c++) {
    const deviation = Math.sqrt(variance[c] + EPSILON);
    const slope = (product[c] - mean[c] * sum[c]) / deviation;
    const b = -scale[c] * slope / (positions * deviation);
    dgamma[c] = slope;
    factors[c] = scale[c];
    factors[channels + c] = b;
    factors[2 * channels + c] = -scale[c] * sum[c] / positions - b * mean[c];
  }
  return { dgamma, dbeta: Float32Array.from(sum), factors };
}
