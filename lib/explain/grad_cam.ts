/** Grad-CAM in closed form (Selvaraju et al., 2017, arXiv 1610.02391, equations 1 and 2). */

import type { Activations } from "../engine/engine.ts";
import type { Size } from "../image/image.ts";
import { classCount, type Layer, layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { type Gradient, parametersOf, throughConvolution, transposed } from "./gradients.ts";

/** A map over positions of a convolution. */
export interface ClassMap {
  /** `[height, width]`, at least 0. */
  readonly data: Float64Array;
  readonly height: number;
  readonly width: number;
}

/**
 * What {@linkcode gradCam} needs to see: a convolution, those above it, and the hidden dense layers.
 *
 * @param name The last convolution of a block. Default: that of the last block.
 */
export function gradCamLayers(
  { architecture }: Pick<Model, "architecture">,
  name?: string,
): string[] {
  const weighted = layersOf(architecture).filter(({ kind }) => kind !== "average");
  const last = weighted.findLast(({ pool }) => pool !== undefined);
  const first = weighted.findIndex((layer) => layer.name === (name ?? last?.name));
  return weighted.slice(first, -1).map(({ name }) => name);
}

/**
 * Where in an image a convolution saw what speaks for a class: `ReLU(Σ_k alpha_k A_k)`, with `A`
 * the activations of the convolution and `alpha_k` the mean over its positions of the gradient of
 * the class's logit (of its average over the score map, if the image is larger than the model's
 * input and the model does not average the map before).
 *
 * The gradient is exact for the int8 weights: that of a dense layer is `Wᵀ` and the signs that its ReLU
 * saw. A max-pool hands each gradient to one position of its window, so that their sum over all
 * positions is that below the pool: no more is needed for the last convolution of a block.
 *
 * @param image Its height and width.
 * @param index The class.
 * @param seen What the layers of {@linkcode gradCamLayers} gave for one image, in their order.
 * @returns The map, and `alpha`, one per channel
 */
export async function gradCam(
  model: Model,
  image: Size,
  index: number,
  seen: readonly Activations[],
  signal?: AbortSignal,
): Promise<ClassMap & { alpha: Float64Array }> {
  const [activations] = seen as [Activations];
  const layers = layersOf(model.architecture);
  const seenBy = ({ name }: Layer): Activations => seen.find(({ layer }) => layer === name)!;
  const dense = layers.filter(({ kind }) => kind === "dense");
  const above = layers.filter((layer) => layer.kind === "convolution" && seenBy(layer)).slice(1);
  const [, height, width, channels] = activations.shape;

  const masks = dense.slice(0, -1).map((layer) =>
    Uint8Array.from(seenBy(layer).data, (value) => value > 0 ? 1 : 0)
  );
  const weights = await weightsOf(model, [...above, ...dense], above.length === 0, signal);
  let gradient = throughDense(model, dense, weights, masks, index, above, image);
  for (const convolution of above.toReversed()) {
    const filter = weights.get(convolution.name) as Int8Array; // Only sums of weights are wider.
    gradient = throughConvolution(model, convolution, seenBy(convolution), filter, gradient);
  }
  const alpha = new Float64Array(channels);
  gradient.data.forEach((value, i) => alpha[i % channels] += value / (height * width));

  const data = new Float64Array(height * width), scale = activations.scale[0];
  for (let p = 0; p < data.length; p++) {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += alpha[k] * activations.data[p * channels + k];
    data[p] = Math.max(0, sum * scale);
  }
  return { data, height, width, alpha };
}

/**
 * The int8 weights of some layers, `[O, …, I]` each.
 *
 * @param summed Whether those of the first are to be summed over its filters' positions, `[O, I]`: of
 *   VGG16's fc6 this holds 8 MiB instead of 98.
 */
async function weightsOf(
  model: Model,
  layers: readonly Layer[],
  summed: boolean,
  signal: AbortSignal | undefined,
): Promise<Map<string, Int8Array | Int32Array>> {
  const weights = new Map(layers.map(({ name, filterSize, inChannels, outChannels }, i) => [
    name,
    summed && i === 0
      ? new Int32Array(outChannels * inChannels)
      : new Int8Array(outChannels * filterSize[0] * filterSize[1] * inChannels),
  ]));
  for await (const { layer, first, count, data } of model.weights({ signal })) {
    const room = weights.get(layer);
    if (room instanceof Int8Array) room.set(data, first * data.length / count);
    if (!(room instanceof Int32Array)) continue;
    const { filterSize, inChannels } = layers[0];
    for (let at = 0, o = first; o < first + count; o++) {
      const row = o * inChannels;
      for (let position = 0; position < filterSize[0] * filterSize[1]; position++) {
        for (let i = 0; i < inChannels; i++, at++) room[row + i] += data[at];
      }
    }
  }
  return weights;
}

/**
 * The gradient of the class's logit, averaged over the score map, at the last pool. With weights that are
 * sums it is the sum over all positions, as one position.
 */
function throughDense(
  model: Model,
  dense: readonly Layer[],
  weights: ReadonlyMap<string, Int8Array | Int32Array>,
  masks: readonly Uint8Array[],
  index: number,
  above: readonly Layer[],
  image: Size,
): Gradient {
  const { input, pooling } = model.architecture;
  const [{ filterSize, inChannels: channels, name }] = dense;
  // The last pool's map, and the places to which the first dense layer is applied.
  const map = { height: image.height >> 5, width: image.width >> 5 };
  const isOne = pooling === "average";
  const rows = isOne ? 1 : map.height - (input.height >> 5) + 1;
  const columns = isOne ? 1 : map.width - (input.width >> 5) + 1;
  const logit = new Float64Array(dense.at(-1)!.outChannels);
  // A logit that stands for two classes speaks for the second, and against the first.
  const isAgainst = classCount(model.architecture) > logit.length && index === 0;
  logit[Math.min(index, logit.length - 1)] = (isAgainst ? -1 : 1) / (rows * columns);
  const gradients = Array.from({ length: rows * columns }, () => logit);
  for (let d = dense.length - 1; d > 0; d--) {
    const { outChannels: hidden } = dense[d - 1], filter = weights.get(dense[d].name)!;
    gradients.forEach((gradient, p) => {
      const mask = masks[d - 1].subarray(p * hidden, (p + 1) * hidden);
      const input = transposed(filter, parametersOf(model, dense[d]), gradient, hidden);
      gradients[p] = input.map((value, i) => mask[i] * value);
    });
  }
  const filter = weights.get(name)!, parameters = parametersOf(model, dense[0]);
  if (above.length === 0) {
    const sum = gradients[0].map((_, o) => gradients.reduce((sum, g) => sum + g[o], 0));
    return { data: transposed(filter, parameters, sum, channels), height: 1, width: 1 };
  }
  const positions = map.height * map.width, row = filterSize[1] * channels;
  const data = new Float64Array(positions * channels);
  if (isOne) {
    const ofAverage = transposed(filter, parameters, gradients[0], channels);
    return { data: data.map((_, i) => ofAverage[i % channels] / positions), ...map };
  }
  gradients.forEach((gradient, p) => {
    const patch = transposed(filter, parameters, gradient, filterSize[0] * row);
    for (let y = 0; y < filterSize[0]; y++) {
      const to = ((Math.floor(p / columns) + y) * map.width + p % columns) * channels;
      for (let i = 0; i < row; i++) data[to + i] += patch[y * row + i];
    }
  });
  return { data, ...map };
}
