/**
 * A naive VGG in float64, for weights of any origin.
 *
 * @module
 */

import { type Layer, layersOf } from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { readAll } from "../../lib/convert/formats/checkpoint.ts";
import type { Network } from "../../lib/convert/network/network.ts";
import type { ChosenPreprocessing } from "../../lib/convert/network/preprocessing.ts";

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
    // A dense layer of one position, where there are several, is behind their average.
    const [height, width] = layer.filterSize;
    if (layer.kind === "dense" && x.height * x.width > height * width) x = average(x);
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

function average(x: Map3): Map3 {
  const values = new Float64Array(x.channels);
  for (let i = 0; i < x.values.length; i++) values[i % x.channels] += x.values[i];
  const positions = x.height * x.width;
  return {
    height: 1,
    width: 1,
    channels: x.channels,
    values: values.map((sum) => sum / positions),
  };
}

/**
 * Reads a network's layers as they are, each weight whole, with what is folded into it in float64.
 *
 * @param chosen Says in which order the first convolution takes the colors.
 */
export async function networkLayers(
  { layers }: Network,
  { isBgr, negated }: Pick<ChosenPreprocessing, "isBgr" | "negated">,
): Promise<FloatLayer[]> {
  const all: FloatLayer[] = [];
  for (const { layer, weight, inputs: order, outputs, ahead } of layers) {
    const { filterSize: [kh, kw], inChannels, outChannels, name } = layer;
    const flat = await readAll(weight);
    const positions = kh * kw, inputs = positions * inChannels;
    const real = new Float64Array(outChannels * inputs);
    const bias = outputs.shift.slice();
    for (let o = 0; o < outChannels; o++) {
      for (let p = 0; p < positions; p++) {
        for (let c = 0; c < inChannels; c++) {
          const channel = isBgr && name === "conv1_1" ? inChannels - 1 - c : c;
          const input = order === "CHW" ? channel * positions + p : p * inChannels + channel;
          const from = weight.layout.outputs === "first"
            ? o * inputs + input
            : input * outChannels + o;
          const at = p * inChannels + c;
          bias[o] += flat[from] * (ahead?.shift[at] ?? 0) * outputs.scale[o];
          const sign = name === "conv1_1" && negated[c] ? -1 : 1;
          real[o * inputs + at] = flat[from] * (ahead?.scale[at] ?? 1) * outputs.scale[o] * sign;
        }
      }
    }
    all.push({ layer, weight: real, bias });
  }
  return all;
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
