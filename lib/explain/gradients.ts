/**
 * Gradients through the layers of a VGG, on the host, in float64: exact for the int8 weights and the
 * activations that an engine found.
 */

import type { Activations } from "../engine/engine.ts";
import type { Layer } from "../model/architecture.ts";
import type { LayerParameters, Model } from "../model/model.ts";

/** `[height, width, channels]`. */
export interface Gradient {
  readonly data: Float64Array;
  readonly height: number;
  readonly width: number;
}

/** `Wᵀ g`: `weights` is `[O, inputs]`, `gradient` is `[O]`. */
export function transposed(
  weights: Int8Array | Int32Array,
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

/** The layer's small tensors. */
export function parametersOf(model: Model, { name }: Layer): LayerParameters {
  return model.parameters.find((parameters) => parameters.name === name)!;
}

/**
 * The gradient at a convolution's input, from that behind its ReLU and its max-pool, if it has one.
 *
 * @param activations What it gave for one image, after the ReLU and before the pool.
 * @param weights `[O, 3, 3, I]`
 */
export function throughConvolution(
  model: Model,
  layer: Layer,
  activations: Activations,
  weights: Int8Array,
  gradient: Gradient,
): Gradient {
  const { filterSize, padding, inChannels, outChannels } = layer,
    [, height, width] = activations.shape;
  const before = layer.pool === undefined ? gradient : unpooled(activations, gradient);
  const parameters = parametersOf(model, layer), size = filterSize[0] * filterSize[1] * inChannels;
  const data = new Float64Array(height * width * inChannels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * outChannels;
      const masked = before.data.slice(at, at + outChannels)
        .map((value, o) => activations.data[at + o] > 0 ? value : 0);
      const patch = transposed(weights, parameters, masked, size);
      for (let k = 0; k < filterSize[0] * filterSize[1]; k++) {
        const row = y + Math.floor(k / filterSize[1]) - padding,
          column = x + k % filterSize[1] - padding;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        const to = (row * width + column) * inChannels, from = k * inChannels;
        for (let i = 0; i < inChannels; i++) data[to + i] += patch[from + i];
      }
    }
  }
  return { data, height, width };
}

/** Hands each gradient to the maximum of its window of 2x2, the first of equal ones. */
function unpooled({ data, shape }: Activations, gradient: Gradient): Gradient {
  const [, height, width, channels] = shape;
  const result = new Float64Array(height * width * channels);
  for (let y = 0; y < gradient.height; y++) {
    for (let x = 0; x < gradient.width; x++) {
      for (let c = 0; c < channels; c++) {
        const first = (2 * y * width + 2 * x) * channels + c, down = width * channels;
        let best = first;
        for (const at of [first + channels, first + down, first + down + channels]) {
          if (data[at] > data[best]) best = at;
        }
        result[best] = gradient.data[(y * gradient.width + x) * channels + c];
      }
    }
  }
  return { data: result, height, width };
}
