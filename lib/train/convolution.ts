/**
 * One step of a VGG as a differentiable operation of tfjs: 3x3 convolution, batch normalisation, ReLU,
 * and the max-pool where one follows.
 *
 * @module
 */

import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import type { TrainingKernels } from "./kernels.ts";
import type { Tfjs } from "./tfjs.ts";

/** What a step has of its own. */
export interface StepParameters {
  /** `[3, 3, inputs, outputs]`; `outputs` is a multiple of 4. */
  readonly filter: Tensor;
  /** The deviation that each channel gets, `[outputs]`. */
  readonly gamma: Tensor;
  /** The mean that each channel gets, `[outputs]`. */
  readonly beta: Tensor;
  /** `[3, outputs]`, see {@linkcode remembered}; training changes it in place. */
  readonly statistics: Float32Array;
}

/** How a step is done. */
export interface StepOptions {
  /** Whether a 2x2 max-pool with stride 2 follows. */
  readonly pool: boolean;
  /** Whether `x` is a picture, whose derivative nobody asks for; its channels may be any number. */
  readonly isFirst: boolean;
  /** Whether a batch is normalised by its own statistics, and they are remembered. */
  readonly training: boolean;
}

/** What a batch's statistics count among those before it. */
const MOMENTUM = 0.1;
/** Added to a variance. Both are PyTorch's. */
const EPSILON = 1e-5;

/** How a channel is normalised: `y * scale + shift`. */
export interface Normalization {
  /** `[outputs]` */
  readonly scale: Float32Array;
  /** `[outputs]` */
  readonly shift: Float32Array;
}

/**
 * `pool(relu(normalised(x * filter)))` (Ioffe and Szegedy, 2015, "Batch Normalization").
 *
 * The activations lie in the kernels' memory until its next reset.
 *
 * @param x `[N, H, W, inputs]`
 */
export function convolutionStep(
  tf: Tfjs,
  kernels: TrainingKernels,
  x: Tensor,
  parameters: StepParameters,
  options: StepOptions,
): Tensor4D {
  const { filter, gamma, beta, statistics } = parameters;
  const [count, height, width, inputs] = x.shape, outputs = gamma.shape[0];
  const size = { count, height, width }, pixels = height * width, positions = count * pixels;
  const pooled: [number, number] = options.pool ? [height >> 1, width >> 1] : [height, width];
  const pool = Number(options.pool);
  const step = tf.customGrad((...args) => {
    const [x, filter, gamma, beta, save] = args as [
      ...Tensor[],
      (saved: Tensor[]) => void,
    ] as [Tensor, Tensor, Tensor, Tensor, (saved: Tensor[]) => void];
    const padded = kernels.take(count * (height + 2) * (width + 2) * inputs);
    const y = kernels.take(positions * outputs), sums = kernels.take(count * 2 * outputs);
    const weights = kernels.place(floats(filter));
    kernels.run("convolve", {
      ...{ ...size, inputs, outputs, x: kernels.place(floats(x)), filter: weights, y, padded },
      sums: options.training ? sums : 0,
    });
    const own = options.training ? momentsOf(sums, y, outputs) : remembered(statistics);
    if (options.training) remember(statistics, own);
    const normalizing = normalization(floats(gamma), floats(beta), own);
    const scale = kernels.place(normalizing.scale), shift = kernels.place(normalizing.shift);
    const out = kernels.take(count * pooled[0] * pooled[1] * outputs);
    kernels.run("activate", { ...size, outputs, y, scale, shift, out, pool });
    save([x]);

    const gradFunc = (dy: Tensor, [x]: Tensor[]): Tensor[] => {
      const dz = kernels.take(y.length), dout = kernels.place(floats(dy));
      kernels.run("deactivate", { ...size, outputs, dout, y, scale, shift, dz, sums, pool });
      const { dgamma, dbeta, ...found } = normalizationGradient(sums, scale, own, positions);
      const factors = kernels.place(found.factors);
      kernels.run("combine", { count, pixels, outputs, dz, y, factors });
      const df = kernels.take(weights.length);
      kernels.run("filterGradient", { ...size, inputs, outputs, padded, dy: dz, filter: df });
      const gradients = [tf.tensor(df, filter.shape), tf.tensor1d(dgamma), tf.tensor1d(dbeta)];
      if (options.isFirst) return [tf.zerosLike(x), ...gradients];
      const dx = kernels.take(positions * inputs);
      kernels.run("convolve", {
        ...{ ...size, inputs: outputs, outputs: inputs, x: dz, y: dx, sums: 0 },
        filter: kernels.place(turn(weights, inputs, outputs)),
        padded: kernels.take(count * (height + 2) * (width + 2) * outputs),
      });
      return [tf.tensor(dx, x.shape), ...gradients];
    };
    return { value: tf.tensor4d(out, [count, ...pooled, outputs]), gradFunc };
  });
  return step(x, filter, gamma, beta) as Tensor4D;
}

/** A tensor's values; float32 tensors have no others. */
function floats(tensor: Tensor): Float32Array {
  return tensor.dataSync() as Float32Array;
}

interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * Mean and variance of each channel over a batch, in float64.
 *
 * @param sums Of each image's distances from its first position, and of their squares.
 * @param y `[count, pixels, channels]`
 */
function momentsOf(sums: Float32Array, y: Float32Array, channels: number): Moments {
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
function remember(statistics: Float32Array, { mean, variance }: Moments): void {
  const channels = mean.length;
  for (let c = 0; c < channels; c++) {
    for (const [row, value] of [mean[c], variance[c], 1].entries()) {
      statistics[row * channels + c] += MOMENTUM * (value - statistics[row * channels + c]);
    }
  }
}

/** The moments that training remembers; those of a standard distribution before it begins. */
function remembered(statistics: Float32Array): Moments {
  const channels = statistics.length / 3;
  const row = (n: number, otherwise: number): Float64Array =>
    Float64Array.from({ length: channels }, (_, c) => {
      const weight = statistics[2 * channels + c];
      return weight > 0 ? statistics[n * channels + c] / weight : otherwise;
    });
  return { mean: row(0, 0), variance: row(1, 1) };
}

function normalization(
  gamma: Float32Array,
  beta: Float32Array,
  { mean, variance }: Moments,
): Normalization {
  const scale = gamma.map((g, c) => g / Math.sqrt(variance[c] + EPSILON));
  return { scale, shift: beta.map((b, c) => b - scale[c] * mean[c]) };
}

/** What a trained step does to each channel. */
export function trainedNormalization({ gamma, beta, statistics }: StepParameters): Normalization {
  return normalization(floats(gamma), floats(beta), remembered(statistics));
}

/**
 * The derivatives of `z = gamma * (y - mean) / deviation + beta`.
 *
 * @param sums Each image's sums of `dz` and of `dz * y`
 * @returns `factors`: `[3, channels]`, with which `dy = dz * a + y * b + c`
 */
function normalizationGradient(
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

/** The filter of the derivative by the input: turned by 180 degrees, `[3, 3, outputs, inputs]`. */
function turn(filter: Float32Array, inputs: number, outputs: number): Float32Array {
  const turned = new Float32Array(filter.length);
  for (let at = 0; at < 9; at++) {
    for (let c = 0; c < inputs; c++) {
      for (let o = 0; o < outputs; o++) {
        turned[((8 - at) * outputs + o) * inputs + c] = filter[(at * inputs + c) * outputs + o];
      }
    }
  }
  return turned;
}
