/**
 * Grad-CAM in closed form (Selvaraju et al., 2017, arXiv 1610.02391, equations 1 and 2).
 *
 * @module
 */

import type { Batch, Engine } from "../engine/engine.ts";
import { type Layer, layersOf } from "../vgg/architecture.ts";
import type { LayerParameters, Model } from "../vgg/model.ts";

/** A map over positions of the last convolution. */
export interface ClassMap {
  /** `[height, width]`, at least 0. */
  readonly data: Float64Array;
  readonly height: number;
  readonly width: number;
}

/**
 * Where in an image the last convolution saw what speaks for a class: `ReLU(Σ_k alpha_k A_k)`, with
 * `A` the activations of the last convolution and `alpha_k` the mean over its positions of the
 * gradient of the class's logit (of its average over the score map, if the image is larger than the
 * model's input).
 *
 * The gradient is exact for the int8 weights. Above the last convolution there are only a max-pool and
 * dense layers. A max-pool hands each gradient to one position of its window, so that their sum over
 * all positions is that below the pool; and the dense layers are `Wᵀ` and the signs that their ReLUs
 * saw.
 *
 * @param batch One image.
 * @param index The class.
 * @returns The map, and `alpha`, one per channel
 */
export async function gradCam(
  engine: Engine,
  model: Model,
  batch: Batch,
  index: number,
  signal?: AbortSignal,
): Promise<ClassMap & { alpha: Float64Array }> {
  const layers = layersOf(model.architecture);
  const dense = layers.filter(({ name }) => name.startsWith("fc"));
  const target = layers[layers.length - dense.length - 1];
  const activations = await engine.run(batch, { layer: target.name, signal });
  const [, height, width, channels] = activations.shape;

  const masks = await reluMasks(engine, batch, dense.slice(0, -1), signal);
  const weights = await denseWeights(model, dense, signal);
  const atPool = backward(model, dense, weights, masks, index);
  const alpha = atPool.map((sum) => sum / (height * width));

  const data = new Float64Array(height * width), scale = activations.scale[0];
  for (let p = 0; p < data.length; p++) {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += alpha[k] * activations.data[p * channels + k];
    data[p] = Math.max(0, sum * scale);
  }
  return { data, height, width, alpha };
}

/** Whether each unit of the hidden dense layers is above 0, `[positions, units]`. */
async function reluMasks(
  engine: Engine,
  batch: Batch,
  hidden: readonly Layer[],
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const masks: Uint8Array[] = [];
  for (const { name } of hidden) {
    const { data } = await engine.run(batch, { layer: name, signal });
    masks.push(Uint8Array.from(data, (value) => value > 0 ? 1 : 0));
  }
  return masks;
}

/**
 * The int8 weights of the dense layers, `[O, I]` each. Those of the first are summed over its kernel's
 * positions, as only that sum is needed: of VGG16's fc6 this holds 8 MiB instead of 98.
 */
async function denseWeights(
  model: Model,
  dense: readonly Layer[],
  signal: AbortSignal | undefined,
): Promise<Int32Array[]> {
  const weights = dense.map((layer) => new Int32Array(layer.outChannels * layer.inChannels));
  for await (const { layer, first, count, data } of model.weights({ signal })) {
    const index = dense.findIndex(({ name }) => name === layer);
    if (index < 0) continue;
    const { kernel, inChannels } = dense[index];
    for (let at = 0, o = first; o < first + count; o++) {
      const row = o * inChannels;
      for (let position = 0; position < kernel[0] * kernel[1]; position++) {
        for (let i = 0; i < inChannels; i++, at++) weights[index][row + i] += data[at];
      }
    }
  }
  return weights;
}

/** The gradient of logit `index` at the last pool, summed over its positions, `[channels]`. */
function backward(
  model: Model,
  dense: readonly Layer[],
  weights: readonly Int32Array[],
  masks: readonly Uint8Array[],
  index: number,
): Float64Array {
  const units = dense.at(-1)!.outChannels;
  const positions = masks.length === 0 ? 1 : masks[0].length / dense[0].outChannels;
  const logit = new Float64Array(units);
  logit[index] = 1 / positions;
  const gradients = Array.from({ length: positions }, () => logit);
  for (let d = dense.length - 1; d > 0; d--) {
    const { outChannels: hidden } = dense[d - 1];
    gradients.forEach((gradient, p) => {
      const mask = masks[d - 1].subarray(p * hidden, (p + 1) * hidden);
      const input = transposed(weights[d], parametersOf(model, dense[d]), gradient, hidden);
      gradients[p] = input.map((value, i) => mask[i] * value);
    });
  }
  const sum = gradients[0].map((_, o) => gradients.reduce((sum, g) => sum + g[o], 0));
  return transposed(weights[0], parametersOf(model, dense[0]), sum, dense[0].inChannels);
}

function parametersOf(model: Model, layer: Layer): LayerParameters {
  return model.parameters.find(({ name }) => name === layer.name)!;
}

/** `Wᵀ g`: `weights` is `[O, inputs]`, `gradient` is `[O]`. */
function transposed(
  weights: Int32Array,
  { scale }: LayerParameters,
  gradient: Float64Array,
  inputs: number,
): Float64Array {
  const result = new Float64Array(inputs);
  for (let o = 0; o < gradient.length; o++) {
    const factor = gradient[o] * scale[o];
    if (factor === 0) continue;
    for (let i = 0; i < inputs; i++) result[i] += factor * weights[o * inputs + i];
  }
  return result;
}
