/**
 * TensorFlow.js for training: loaded when training begins, on its own CPU backend, with the gradients
 * of the few operations that are used.
 *
 * tfjs-core's build for Node registers no gradients, so they are here; each is checked against
 * differences in the tests. The CPU backend comes along with the WebGPU backend in any case.
 */

import type { GradConfig, Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core";

/** The module of tfjs-core. */
export type Tfjs = typeof import("@tensorflow/tfjs-core");

/** A tensor's values; float32 tensors have no others. */
export function floats(tensor: Tensor): Float32Array {
  return tensor.dataSync() as Float32Array;
}

const BACKEND = "cpu";
let prepared: Promise<void> | undefined;

/**
 * Does something with tfjs on the CPU, and then makes current again whatever backend was.
 *
 * @param work Not concurrent with other uses of tfjs's current backend.
 */
export async function withTfjs<T>(work: (tf: Tfjs) => Promise<T>): Promise<T> {
  const { tf } = await import("./tfjs_packages.ts");
  const before = tf.engine().backendName;
  await (prepared ??= prepare(tf));
  await tf.setBackend(BACKEND);
  try {
    return await work(tf);
  } finally {
    if (before && tf.findBackend(before) !== null) await tf.setBackend(before);
  }
}

async function prepare(tf: Tfjs): Promise<void> {
  await silence(tf);
  for (const gradient of gradients(tf)) {
    if (tf.getGradient(gradient.kernelName) === undefined) tf.registerGradient(gradient);
  }
}

/** The CPU backend's first tensor prints an advertisement for a native add-on, except in tests. */
async function silence(tf: Tfjs): Promise<void> {
  await tf.setBackend(BACKEND);
  tf.env().set("IS_TEST", true);
  tf.dispose(tf.tensor1d([0]));
  tf.env().set("IS_TEST", false);
}

/** The derivatives of the operations that dense layers are trained with. */
function gradients(tf: Tfjs): GradConfig[] {
  /** Sums over the axes along which an input of an addition was repeated. */
  const unbroadcast = (dy: Tensor, { shape }: Tensor): Tensor => {
    const axes = Array.from({ length: dy.rank - shape.length }, (_, i) => i);
    return tf.reshape(tf.sum(dy, axes), shape);
  };
  // A gradient's first argument is one tensor for operations with one output.
  const define = (
    kernelName: string,
    inputsToSave: string[],
    gradFunc: (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>,
  ): GradConfig => ({ kernelName, inputsToSave, gradFunc: gradFunc as GradConfig["gradFunc"] });
  return [
    define("Add", ["a", "b"], (dy, [a, b]) => ({
      a: () => unbroadcast(dy, a),
      b: () => unbroadcast(dy, b),
    })),
    define("BatchMatMul", ["a", "b"], (dy, [a, b]) => ({
      a: () => tf.matMul(dy, b, false, true),
      b: () => tf.matMul(a, dy, true, false),
    })),
    define("Relu", ["x"], (dy, [x]) => ({ x: () => tf.mul(dy, tf.step(x)) })),
    define("Reshape", ["x"], (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) })),
  ];
}

/**
 * Weighted soft-max cross-entropy, averaged over a batch, whose derivative is known in closed form.
 *
 * @param labels One-hot, or smoothed, `[N, classes]`.
 * @param weights Of each image, `[N]`.
 */
export function crossEntropy(
  tf: Tfjs,
  logits: Tensor2D,
  labels: Tensor2D,
  weights: Tensor1D,
): Scalar {
  const loss = tf.customGrad((x, save) => {
    const probabilities = tf.softmax(x as Tensor2D);
    (save as (tensors: Tensor[]) => void)([probabilities, labels, weights]);
    const logs = tf.log(tf.maximum(probabilities, 1e-12));
    const value = tf.neg(tf.mean(tf.mul(tf.sum(tf.mul(labels, logs), 1), weights)));
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor => {
      const [p, y, w] = saved;
      const difference = tf.mul(tf.sub(p, y), tf.expandDims(w, 1));
      return tf.mul(dy, tf.div(difference, y.shape[0]));
    };
    return { value, gradFunc };
  });
  return loss(logits) as Scalar;
}
