/** Dense layers while they are trained: filters `[I, O]` and biases `[O]`. */

import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import type { DenseLayer } from "./dense_layer.ts";
import { normalFrom, randomFrom } from "./random.ts";
import type { Tfjs } from "./tfjs.ts";

/** A filter `[…, O]` after He et al., 2015, that of the last layer smaller. */
export function initialFilter(
  tf: Tfjs,
  normal: () => number,
  shape: readonly number[],
  isLast: boolean,
): Variable {
  const length = shape.reduce((a, b) => a * b), inner = length / shape.at(-1)!;
  const deviation = Math.sqrt((isLast ? 0.1 : 2) / inner);
  const values = Float32Array.from({ length }, () => normal() * deviation);
  return tf.variable(tf.tensor(values, [...shape]));
}

/** Layers from each of some sizes to the next, a filter and a bias each, the same for a seed. */
export function initialDense(tf: Tfjs, sizes: readonly number[], seed: number): Variable[][] {
  const normal = normalFrom(randomFrom(seed));
  return tf.tidy(() =>
    sizes.slice(1).map((outputs, i) => [
      initialFilter(tf, normal, [sizes[i]!, outputs], i === sizes.length - 2),
      tf.variable(tf.zeros([outputs])),
    ])
  );
}

/** From `[N, I]` through layers of a filter and a bias each, with ReLU in between. */
export function forwardDense(
  tf: Tfjs,
  inputs: Tensor,
  layers: readonly (readonly Variable[])[],
): Tensor2D {
  let x = inputs;
  layers.forEach(([filter, bias], i) => {
    if (i > 0) x = tf.relu(x);
    x = tf.add(tf.matMul(x as Tensor2D, filter as unknown as Tensor2D), bias!);
  });
  return x as Tensor2D;
}

/** A filter `[…, O]` in the order of a model file, `[O, …]`, each output times its scale. */
export function trainedLayer(
  filter: Variable,
  bias: ArrayLike<number>,
  scale?: Float32Array,
): DenseLayer {
  const values = filter.dataSync(), outputs = bias.length, inner = values.length / outputs;
  const weight = new Float32Array(values.length);
  for (let k = 0; k < inner; k++) {
    for (let o = 0; o < outputs; o++) {
      weight[o * inner + k] = values[k * outputs + o]! * (scale?.[o] ?? 1);
    }
  }
  return { weight, bias: Float32Array.from(bias) };
}
