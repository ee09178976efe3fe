/**
 * One layer of a checkpoint to int8: read in tiles, laid out as the model file wants it, quantized.
 */

import { CheckpointFormatError } from "../../errors.ts";
import { takeTurn } from "../../threads/turn.ts";
import type { ModelWriter } from "../../model/writer.ts";
import { MIN_SCALE, type QuantizedFilter, quantizeFilter } from "./channels.ts";
import type { LayerParameters } from "../../model/model.ts";
import type { CheckpointTensor } from "../formats/checkpoint.ts";
import type { MatchedLayer } from "../network/match.ts";

/** Bytes of float32 that are held at a time. */
const TILE_BYTES = 32 << 20;

/** What quantization did to a layer. */
export interface LayerReport {
  /** The paper's name. */
  readonly name: string;
  /** `[O, H, W, I]`. */
  readonly shape: readonly number[];
  /** Smallest and largest weight, batch normalization folded in. */
  readonly range: readonly [min: number, max: number];
  /** Smallest and largest scale of an output channel. */
  readonly scale: readonly [min: number, max: number];
  /** Signal-to-quantization-noise ratio of the weights, in decibels. */
  readonly sqnr: number;
}

/**
 * Reads the weights of a layer, quantizes them, and writes them.
 *
 * @param options.reverseChannels Whether the input channels are blue, green, red.
 * @param options.onTile Called with the number of weights that were done.
 * @returns What was found for each output channel, before batch normalization.
 */
export async function quantizeWeights(
  { layer, weight }: MatchedLayer,
  writer: ModelWriter,
  file: string,
  options: {
    reverseChannels: boolean;
    signal?: AbortSignal;
    onTile: (elements: number) => void;
  },
): Promise<QuantizedFilter[]> {
  const { filterSize, inChannels, outChannels } = layer;
  const length = filterSize[0] * filterSize[1] * inChannels;
  const order = inputOrder(weight, length / inChannels, inChannels, options.reverseChannels);
  const tileChannels = Math.min(outChannels, Math.max(1, Math.floor(TILE_BYTES / (4 * length))));
  const tile = new Float32Array(tileChannels * length);
  const filter = new Float32Array(length);
  const rows = new Int8Array(tileChannels * length);
  const isFirst = weight.layout.outputs === "first";
  const filters: QuantizedFilter[] = [];

  for (let first = 0; first < outChannels; first += tileChannels) {
    await takeTurn(options.signal);
    const count = Math.min(tileChannels, outChannels - first);
    const part = tile.subarray(0, count * length);
    await weight.read(
      isFirst
        ? { start: first * length, length: part.length, stride: part.length, count: 1 }
        : { start: first, length: count, stride: outChannels, count: length },
      part,
    );
    for (let o = 0; o < count; o++) {
      const [begin, stride] = isFirst ? [o * length, 1] : [o, count];
      for (let i = 0; i < length; i++) filter[i] = part[begin + order[i] * stride];
      const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
      quantizeFilter(filter, rows.subarray(o * length, (o + 1) * length), found);
      if (!Number.isFinite(found.energy)) {
        throw new CheckpointFormatError(
          `Tensor ${weight.name} of ${file} must be finite: output channel ${first + o} is not`,
          { file },
        );
      }
      filters.push(found);
    }
    writer.setWeights(layer.name, first, rows.subarray(0, count * length));
    options.onTile(count * length);
  }
  return filters;
}

/** Where each input of a filter in the order height, width, channel is in the checkpoint's order. */
function inputOrder(
  { layout }: CheckpointTensor,
  positions: number,
  channels: number,
  reverse: boolean,
): Int32Array {
  const order = new Int32Array(positions * channels);
  for (let position = 0, i = 0; position < positions; position++) {
    for (let c = 0; c < channels; c++, i++) {
      const channel = reverse ? channels - 1 - c : c;
      order[i] = layout.inputs === "HWC"
        ? position * channels + channel
        : channel * positions + position;
    }
  }
  return order;
}

/**
 * Folds batch normalization into scales and biases. A filter that it multiplies with a negative
 * number changes its sign.
 *
 * @param found What {@linkcode quantizeWeights} found, and what the small tensors hold.
 */
export function foldNorm(
  { layer, bias: ownBias, norm }: MatchedLayer,
  found: {
    filters: readonly QuantizedFilter[];
    values: ReadonlyMap<CheckpointTensor | undefined, Float32Array>;
  },
  epsilon: number,
  writer: ModelWriter,
  file: string,
): { parameters: LayerParameters; report: LayerReport } {
  const { name, filterSize, inChannels, outChannels } = layer;
  const scale = new Float32Array(outChannels);
  const bias = new Float32Array(outChannels);
  const [own, gamma, beta, mean, variance] = [
    ownBias,
    norm?.gamma,
    norm?.beta,
    norm?.mean,
    norm?.variance,
  ].map((tensor) => found.values.get(tensor));
  let min = 0, max = 0, energy = 0, error = 0;
  found.filters.forEach((filter, o) => {
    const factor = norm === undefined ? 1 : (gamma?.[o] ?? 1) / Math.sqrt(variance![o] + epsilon);
    const shift = own?.[o] ?? 0;
    scale[o] = Math.max(MIN_SCALE, filter.scale * Math.abs(factor));
    bias[o] = norm === undefined ? shift : (shift - mean![o]) * factor + (beta?.[o] ?? 0);
    if (factor < 0) writer.negateWeights(name, o);
    if (!Number.isFinite(scale[o]) || !Number.isFinite(bias[o])) {
      throw new CheckpointFormatError(
        `The biases and batch normalization of ${name} in ${file} must be finite: output channel ${o} is not`,
        { file },
      );
    }
    min = Math.min(min, filter.min * factor, filter.max * factor);
    max = Math.max(max, filter.min * factor, filter.max * factor);
    energy += filter.energy * factor ** 2;
    error += filter.error * factor ** 2;
  });
  const report: LayerReport = {
    name,
    shape: [outChannels, ...filterSize, inChannels],
    range: [min, max],
    scale: [scale.reduce((a, b) => Math.min(a, b)), scale.reduce((a, b) => Math.max(a, b))],
    sqnr: 10 * Math.log10(energy / error),
  };
  return { parameters: { name, scale, bias }, report };
}
