/**
 * One step of a VGG as a differentiable operation of tfjs: 3x3 convolution, bias, ReLU, and the max-pool
 * where one follows.
 *
 * @module
 */

import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import type { ConvolutionSize, TrainingKernels } from "./kernels.ts";
import type { Tfjs } from "./tfjs.ts";

/**
 * `pool(relu(x * filter + bias))`.
 *
 * @param x `[N, H, W, inputs]`
 * @param filter `[3, 3, inputs, outputs]`; `outputs` is a multiple of 4
 * @param bias `[outputs]`
 * @param options `pool`: whether a 2x2 max-pool with stride 2 follows. `isFirst`: `x` is a picture,
 *   whose derivative nobody asks for; `inputs` may then be any number.
 */
export function convolutionStep(
  tf: Tfjs,
  kernels: TrainingKernels,
  x: Tensor,
  filter: Tensor,
  bias: Tensor,
  options: { readonly pool: boolean; readonly isFirst: boolean },
): Tensor4D {
  const [count, height, width, inputs] = x.shape;
  const size: ConvolutionSize = { count, height, width, inputs, outputs: bias.shape[0] };
  const step = tf.customGrad((...args) => {
    const [x, filter, bias, save] = args as [Tensor, Tensor, Tensor, (saved: Tensor[]) => void];
    const activations = kernels.convolve(floats(x), floats(filter), size);
    rectify(activations, floats(bias));
    const shape: [number, number, number, number] = [count, height, width, size.outputs];
    const pooled = options.pool ? maxPool(activations, size) : activations;
    if (options.pool) {
      shape[1] >>= 1;
      shape[2] >>= 1;
    }
    save([x, filter]);
    const gradFunc = (dy: Tensor, [x, filter]: Tensor[]): Tensor[] => {
      const unpooled = options.pool ? unpool(floats(dy), activations, size) : floats(dy).slice();
      for (let i = 0; i < unpooled.length; i++) if (activations[i] <= 0) unpooled[i] = 0;
      const dx = options.isFirst
        ? tf.zerosLike(x)
        : tf.tensor(kernels.inputGradient(unpooled, floats(filter), size), x.shape);
      const df = tf.tensor(kernels.filterGradient(floats(x), unpooled, size), filter.shape);
      return [dx, df, tf.tensor1d(sumsOf(unpooled, size.outputs))];
    };
    return { value: tf.tensor4d(pooled, shape), gradFunc };
  });
  return step(x, filter, bias) as Tensor4D;
}

/** A tensor's values; float32 tensors have no others. */
function floats(tensor: Tensor): Float32Array {
  return tensor.dataSync() as Float32Array;
}

function rectify(values: Float32Array, bias: Float32Array): void {
  const channels = bias.length;
  for (let at = 0; at < values.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const value = values[at + c] + bias[c];
      values[at + c] = value > 0 ? value : 0;
    }
  }
}

/** Sums over all positions, `[channels]`, in float64. */
function sumsOf(values: Float32Array, channels: number): Float32Array {
  const sums = new Float64Array(channels);
  for (let at = 0; at < values.length; at += channels) {
    for (let c = 0; c < channels; c++) sums[c] += values[at + c];
  }
  return Float32Array.from(sums);
}

/** Visits each window of the pool, for each channel: its output, and its inputs. */
function windows(
  { count, height, width, outputs }: ConvolutionSize,
  visit: (to: number, a: number, b: number, c: number, d: number) => void,
): void {
  const down = width * outputs;
  let to = 0;
  for (let n = 0; n < count; n++) {
    for (let y = 0; y + 1 < height; y += 2) {
      for (let x = 0; x + 1 < width; x += 2) {
        let from = ((n * height + y) * width + x) * outputs;
        for (let o = 0; o < outputs; o++, from++, to++) {
          visit(to, from, from + outputs, from + down, from + down + outputs);
        }
      }
    }
  }
}

function maxPool(values: Float32Array, size: ConvolutionSize): Float32Array {
  const { count, height, width, outputs } = size;
  const pooled = new Float32Array(count * (height >> 1) * (width >> 1) * outputs);
  windows(size, (to, a, b, c, d) => {
    const upper = values[a] > values[b] ? values[a] : values[b];
    const lower = values[c] > values[d] ? values[c] : values[d];
    pooled[to] = upper > lower ? upper : lower;
  });
  return pooled;
}

/** Hands each derivative to the position that was the maximum, to the first of equal ones. */
function unpool(dy: Float32Array, values: Float32Array, size: ConvolutionSize): Float32Array {
  const unpooled = new Float32Array(values.length);
  windows(size, (to, a, b, c, d) => {
    let best = a;
    if (values[b] > values[best]) best = b;
    if (values[c] > values[best]) best = c;
    if (values[d] > values[best]) best = d;
    unpooled[best] = dy[to];
  });
  return unpooled;
}
