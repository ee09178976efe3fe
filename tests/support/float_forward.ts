/**
 * A naive VGG in float64, for weights of any origin.
 *
 * @module
 */

import { type Layer, layersOf } from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { type OldCheckpoint, readAll } from "../../lib/convert/formats/checkpoint.ts";
import type { Match } from "../../lib/convert/network/match.ts";

/** Real weights of a layer, `[O, H, W, I]`, and biases. */
export interface FloatLayer {
  readonly layer: Layer;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/** `[H, W, C]`. */
export interface Map3 {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly values: Float64Array;
}

/** Runs all layers: the logits, or the last pool's output if there are no dense layers. */
export function forward(layers: readonly FloatLayer[], input: Map3): Float64Array {
  let x = input;
  for (const { layer, weight, bias } of layers) {
    x = convolve(x, layer, weight, bias);
    if (layer.pool !== undefined) x = pool(x);
  }
  return x.values;
}

function convolve(x: Map3, layer: Layer, weight: Float64Array, bias: Float64Array): Map3 {
  const { filterSize: [kh, kw], padding, inChannels, outChannels } = layer;
  const height = x.height + 2 * padding - kh + 1;
  const width = x.width + 2 * padding - kw + 1;
  const values = new Float64Array(height * width * outChannels);
  for (let i = 0, row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let o = 0; o < outChannels; o++, i++) {
        let sum = bias[o];
        for (let ky = 0; ky < kh; ky++) {
          const y = row + ky - padding;
          if (y < 0 || y >= x.height) continue;
          for (let kx = 0; kx < kw; kx++) {
            const z = column + kx - padding;
            if (z < 0 || z >= x.width) continue;
            const from = (y * x.width + z) * inChannels;
            const filter = ((o * kh + ky) * kw + kx) * inChannels;
            for (let c = 0; c < inChannels; c++) sum += x.values[from + c] * weight[filter + c];
          }
        }
        values[i] = layer.relu ? Math.max(0, sum) : sum;
      }
    }
  }
  return { height, width, channels: outChannels, values };
}

function pool(x: Map3): Map3 {
  const height = x.height >> 1, width = x.width >> 1;
  const values = new Float64Array(height * width * x.channels);
  for (let i = 0, row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let c = 0; c < x.channels; c++, i++) {
        const at = (y: number, z: number) => x.values[(y * x.width + z) * x.channels + c];
        const top = Math.max(at(2 * row, 2 * column), at(2 * row, 2 * column + 1));
        values[i] = Math.max(top, at(2 * row + 1, 2 * column), at(2 * row + 1, 2 * column + 1));
      }
    }
  }
  return { height, width, channels: x.channels, values };
}

/** Reads a checkpoint's layers, batch normalization folded in float64; `isBgr` turns conv1_1 round. */
export async function checkpointLayers(
  checkpoint: OldCheckpoint,
  match: Match,
  isBgr: boolean,
): Promise<FloatLayer[]> {
  const layers: FloatLayer[] = [];
  for (const { layer, weight, bias, norm } of match.layers) {
    const { filterSize: [kh, kw], inChannels, outChannels } = layer;
    const flat = await readAll(weight);
    const positions = kh * kw, inputs = positions * inChannels;
    const real = new Float64Array(outChannels * inputs);
    for (let o = 0; o < outChannels; o++) {
      for (let p = 0; p < positions; p++) {
        for (let c = 0; c < inChannels; c++) {
          const channel = isBgr && layer.name === "conv1_1" ? inChannels - 1 - c : c;
          const { outputs, inputs: order } = weight.layout;
          const input = order === "CHW" ? channel * positions + p : p * inChannels + channel;
          const from = outputs === "first" ? o * inputs + input : input * outChannels + o;
          real[o * inputs + p * inChannels + c] = flat[from];
        }
      }
    }
    const folded = new Float64Array(outChannels);
    const [b, gamma, beta, mean, variance] = await Promise.all(
      [bias, norm?.gamma, norm?.beta, norm?.mean, norm?.variance].map((t) => t && readAll(t)),
    );
    for (let o = 0; o < outChannels; o++) {
      const factor = variance === undefined
        ? 1
        : (gamma?.[o] ?? 1) / Math.sqrt(variance[o] + checkpoint.epsilon);
      folded[o] = ((b?.[o] ?? 0) - (mean?.[o] ?? 0)) * factor + (beta?.[o] ?? 0);
      for (let i = 0; i < inputs; i++) real[o * inputs + i] *= factor;
    }
    layers.push({ layer, weight: real, bias: folded });
  }
  return layers;
}

/** The layers of a quantized model, dequantized. */
export async function modelLayers(model: Model): Promise<FloatLayer[]> {
  const layers = new Map(
    layersOf(model.architecture).map((layer, index): [string, FloatLayer] => {
      const { filterSize, inChannels, outChannels, name } = layer;
      const bias = Float64Array.from(model.parameters[index].bias);
      const weight = new Float64Array(outChannels * filterSize[0] * filterSize[1] * inChannels);
      return [name, { layer, weight, bias }];
    }),
  );
  for await (const { layer, first, count, data } of model.weights()) {
    const { weight } = layers.get(layer)!;
    const { scale } = model.parameters.find(({ name }) => name === layer)!;
    const inputs = data.length / count;
    for (let i = 0; i < data.length; i++) {
      weight[first * inputs + i] = data[i] * scale[first + Math.floor(i / inputs)];
    }
  }
  return [...layers.values()];
}
