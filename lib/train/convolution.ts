/**
 * A convolution of a VGG as a differentiable operation of tfjs, with the batch normalization, the ReLU and
 * the max-pool that follow it.
 */

import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import {
  momentsOf,
  normalization,
  normalizationGradient,
  remember,
  remembered,
} from "./batch_normalization.ts";
import type { TrainingKernels } from "./kernels.ts";
import { floats, type Tfjs } from "./tfjs.ts";

/** What is learned. */
export interface ConvolutionParameters {
  /** `[3, 3, inputs, outputs]`; `outputs` is a multiple of 4. */
  readonly filter: Tensor;
  /** The deviation that each channel gets, `[outputs]`. */
  readonly gamma: Tensor;
  /** The mean that each channel gets, `[outputs]`. */
  readonly beta: Tensor;
  /** `[3, outputs]`, see {@linkcode remembered}; training changes it in place. */
  readonly statistics: Float32Array;
}

/** How it is done. */
export interface ConvolutionOptions {
  /** Whether a 2x2 max-pool with stride 2 follows. */
  readonly pool: boolean;
  /** Whether `x` is a picture, whose derivative nobody asks for; its channels may be any number. */
  readonly isFirst: boolean;
  /** Whether a batch is normalized by its own statistics, and they are remembered. */
  readonly training: boolean;
}

/**
 * `pool(relu(normalized(x * filter)))` (Ioffe and Szegedy, 2015, "Batch Normalization").
 *
 * The activations lie in the kernels' memory until its next reset.
 *
 * @param x `[N, H, W, inputs]`
 */
export function convolutionLayer(
  tf: Tfjs,
  kernels: TrainingKernels,
  x: Tensor,
  parameters: ConvolutionParameters,
  options: ConvolutionOptions,
): Tensor4D {
  const { filter, gamma, beta, statistics } = parameters;
  const [count, height, width, inputs] = x.shape, outputs = gamma.shape[0];
  const size = { count, height, width }, pixels = height * width, positions = count * pixels;
  const pooled: [number, number] = options.pool ? [height >> 1, width >> 1] : [height, width];
  const pool = Number(options.pool);
  const layer = tf.customGrad((...args) => {
    const [x, filter, gamma, beta, save] = args as unknown as [
      ...[Tensor, Tensor, Tensor, Tensor],
      (saved: Tensor[]) => void,
    ];
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
  return layer(x, filter, gamma, beta) as Tensor4D;
}

/** The filter of the derivative by the input: turned by 180 degrees, `[3, 3, outputs, inputs]`. */
export function turn(filter: Float32Array, inputs: number, outputs: number): Float32Array {
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
