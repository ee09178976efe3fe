/**
 * One layer of a checkpoint to int8: read in tiles, laid out as the model file wants it, quantized.
 */

import { CheckpointFormatError } from "../../errors.ts";
import { takeTurn } from "../../threads/turn.ts";
import type { ModelWriter } from "../../model/writer.ts";
import { balanceErrors, MIN_SCALE, type QuantizedFilter, quantizeFilter } from "./channels.ts";
import type { LayerParameters } from "../../model/model.ts";
import type { NetworkLayer } from "../network/network.ts";

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

/** What of a conversion each of its layers needs. */
export interface LayerConversion {
  readonly writer: ModelWriter;
  readonly file: string;
  /** Of each channel of the image: which channel of the checkpoint's first filter it goes with. */
  readonly colors: readonly number[];
  /** Of each channel of the image: whether the first filter's weights change their sign. */
  readonly negated: readonly boolean[];
  /** Whether errors of one sign matter most: see {@linkcode balanceErrors}. */
  readonly isAveraged: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of weights that were done. */
  readonly onTile: (elements: number) => void;
}

/**
 * Reads a layer, folds into it what belongs there, quantizes it, and writes its weights.
 *
 * @returns Its scales and biases, and what quantization did.
 */
export async function convertLayer(
  network: NetworkLayer,
  conversion: LayerConversion,
): Promise<{ parameters: LayerParameters; report: LayerReport }> {
  const { layer, outputs, ahead } = network;
  const { filterSize, inChannels, outChannels } = layer;
  const { file, writer } = conversion;
  const filters = network.layer.name === "conv1_1"
    ? new Filters(network, conversion.colors, conversion.negated)
    : new Filters(network);
  const scale = new Float32Array(outChannels);
  const bias = new Float32Array(outChannels);
  let min = 0, max = 0, energy = 0, error = 0;
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  const rows = new Int8Array(filters.tileChannels * filters.length);

  for (let first = 0; first < outChannels; first += filters.tileChannels) {
    await takeTurn(conversion.signal);
    const count = Math.min(filters.tileChannels, outChannels - first);
    await filters.read(first, count);
    for (let index = 0; index < count; index++) {
      const o = first + index;
      const factor = outputs.scale[o]!;
      const row = rows.subarray(index * filters.length, (index + 1) * filters.length);
      const added = filters.take(index);
      quantizeFilter(filters.filter, row, found);
      if (conversion.isAveraged) balanceErrors(filters.filter, row, inChannels, found);
      if (factor < 0) row.forEach((weight, i) => row[i] = -weight);
      scale[o] = Math.max(MIN_SCALE, found.scale * Math.abs(factor));
      bias[o] = ahead === undefined ? outputs.shift[o]! : outputs.shift[o]! + added * factor;
      checkFinite(network, found.energy, o, file);
      if (!Number.isFinite(scale[o]) || !Number.isFinite(bias[o])) {
        throw new CheckpointFormatError(
          `The biases and batch normalization of ${layer.name} in ${file} must be finite: output channel ${o} is not`,
          { file },
        );
      }
      min = Math.min(min, found.min * factor, found.max * factor);
      max = Math.max(max, found.min * factor, found.max * factor);
      energy += found.energy * factor ** 2;
      error += found.error * factor ** 2;
    }
    writer.setWeights(layer.name, first, rows.subarray(0, count * filters.length));
    conversion.onTile(count * filters.length);
  }
  const report: LayerReport = {
    name: layer.name,
    shape: [outChannels, ...filterSize, inChannels],
    range: [min, max],
    scale: [scale.reduce((a, b) => Math.min(a, b)), scale.reduce((a, b) => Math.max(a, b))],
    sqnr: 10 * Math.log10(energy / error),
  };
  return { parameters: { name: layer.name, scale, bias }, report };
}

/** Filters of some output channels at a time, each laid out as the model file wants it. */
class Filters {
  /** Inputs of a filter. */
  readonly length: number;
  /** Filters that are held at a time. */
  readonly tileChannels: number;
  /** One filter, `[H, W, I]`. */
  readonly filter: Float32Array;
  readonly #tile: Float32Array;
  /** Where each input is in the checkpoint's order. */
  readonly #order: Int32Array;
  readonly #factors: Float64Array | undefined;
  #count = 0;

  constructor(
    readonly network: NetworkLayer,
    colors?: readonly number[],
    negated: readonly boolean[] = [],
  ) {
    const { layer: { filterSize, inChannels, outChannels }, ahead } = network;
    const positions = filterSize[0] * filterSize[1];
    this.length = positions * inChannels;
    this.tileChannels = Math.min(
      outChannels,
      Math.max(1, Math.floor(TILE_BYTES / (4 * this.length))),
    );
    this.filter = new Float32Array(this.length);
    this.#tile = new Float32Array(this.tileChannels * this.length);
    this.#order = inputOrder(network.inputs, positions, inChannels, colors);
    this.#factors = negated.includes(true)
      ? Float64Array.from(this.filter, (_, i) => negated[i % inChannels] ? -1 : 1)
      : ahead?.scale;
  }

  /** Reads the filters of `count` output channels from `first` on. */
  async read(first: number, count: number): Promise<void> {
    const { weight, layer: { outChannels } } = this.network;
    this.#count = count;
    const part = this.#tile.subarray(0, count * this.length);
    await weight.read(
      weight.layout.outputs === "first"
        ? { start: first * this.length, length: part.length, stride: part.length, count: 1 }
        : { start: first, length: count, stride: outChannels, count: this.length },
      part,
    );
  }

  /**
   * Puts the filter of one of them in order.
   *
   * @returns What it makes of the offsets that its inputs have: a part of the bias.
   */
  take(index: number): number {
    const isFirst = this.network.weight.layout.outputs === "first";
    const [begin, stride] = isFirst ? [index * this.length, 1] : [index, this.#count];
    for (let i = 0; i < this.length; i++) {
      this.filter[i] = this.#tile[begin + this.#order[i]! * stride]!;
    }
    const shift = this.network.ahead?.shift;
    let added = 0;
    if (shift !== undefined) {
      for (let i = 0; i < this.length; i++) added += this.filter[i]! * shift[i]!;
    }
    if (this.#factors !== undefined) {
      for (let i = 0; i < this.length; i++) this.filter[i]! *= this.#factors[i]!;
    }
    return added;
  }
}

/** Where each input of a filter in the order height, width, channel is in the checkpoint's order. */
function inputOrder(
  inputs: "CHW" | "HWC",
  positions: number,
  channels: number,
  colors: readonly number[] | undefined,
): Int32Array {
  const order = new Int32Array(positions * channels);
  for (let position = 0, i = 0; position < positions; position++) {
    for (let c = 0; c < channels; c++, i++) {
      const channel = colors?.[c] ?? c;
      order[i] = inputs === "HWC" ? position * channels + channel : channel * positions + position;
    }
  }
  return order;
}

function checkFinite(
  { weight }: NetworkLayer,
  energy: number,
  channel: number,
  file: string,
): void {
  if (Number.isFinite(energy)) return;
  throw new CheckpointFormatError(
    `Tensor ${weight.name} of ${file} must be finite: output channel ${channel} is not`,
    { file },
  );
}
