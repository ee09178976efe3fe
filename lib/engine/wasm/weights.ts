/**
 * The network in WebAssembly memory: constants and packed weights, streamed from the Model.
 *
 * @module
 */

import type { Model } from "../../vgg/model.ts";
import type { Program, ProgramLayer } from "../program.ts";
import type { Memory } from "./memory.ts";
import { filterBytes } from "./steps.ts";

/** The kernels' exports; see kernels/main.ts. */
export interface Kernels {
  readonly execute: (from: number, to: number, barrier: number, thread: number) => void;
  readonly pack: Pack;
  readonly packFirst: Pack;
  readonly transformFilters: (from: number, channels: number, blocks: number, to: number) => void;
}

type Pack = (
  from: number,
  to: number,
  count: number,
  kernelRows: number,
  kernelColumns: number,
  inChannels: number,
) => void;

/** A layer and where its parts are. */
export interface PackedLayer extends ProgramLayer {
  /** Channels of the input in memory: padded to 16, but in the first layer. */
  readonly channels: number;
  /** Output channels in memory, padded to 16. */
  readonly padded: number;
  /** Words of one kernel row: four bytes each, or two 16-bit numbers in the first layer. */
  readonly run: number;
  /** Address of the packed weights, and of kernels/structs.ts `Layer`. */
  readonly weights: number;
  readonly constants: number;
  /** Address of the filters as Winograd's algorithm wants them, or 0 if they are made on the way. */
  readonly filters: number;
}

/** Channels are computed in blocks of 16. */
export const pad16 = (channels: number): number => (channels + 15) & ~15;

function shapeOf(
  layer: ProgramLayer,
  index: number,
): Pick<PackedLayer, "channels" | "padded" | "run"> {
  const channels = index === 0 ? layer.inChannels : pad16(layer.inChannels);
  const row = layer.kernel[1] * channels;
  return {
    channels,
    padded: pad16(layer.outChannels),
    run: index === 0 ? (row + 1) >> 1 : row / 4,
  };
}

function packedBytes(layer: ProgramLayer, index: number): number {
  const { padded, run } = shapeOf(layer, index);
  return padded * layer.kernel[0] * run * 4;
}

/** Tiles (4x4 outputs) from which on filters are transformed once and kept: 8 bytes a weight. */
const KEEP_FROM_TILES = 64;

/** Bytes of the transformed filters of each layer that keeps them, 0 for others. */
function keptBytes(program: Program): number[] {
  let { height, width } = program.input;
  return program.layers.map(({ kernel, padding, inChannels, outChannels, pool }, index) => {
    const tiles = Math.ceil(height / 4) * Math.ceil(width / 4);
    if (pool) [height, width] = [height >> 1, width >> 1];
    const keeps = index > 0 && kernel[0] === 3 && padding === 1 && tiles >= KEEP_FROM_TILES;
    return keeps ? filterBytes(pad16(inChannels)) * pad16(outChannels) / 8 : 0;
  });
}

/** Bytes of the packed weights and constants. */
export function residentBytes(program: Program): number {
  const filters = keptBytes(program);
  return program.layers.reduce(
    (sum, layer, index) =>
      sum + packedBytes(layer, index) + filters[index] + pad16(layer.outChannels) * 8 + 512,
    program.table.byteLength,
  );
}

/** Writes the constants, and makes room for the weights. */
export function placeLayers(memory: Memory, program: Program): PackedLayer[] {
  const filters = keptBytes(program);
  return program.layers.map((layer, index) => {
    const shape = shapeOf(layer, index);
    const multiplier = new Int32Array(shape.padded), bias = new Int32Array(shape.padded);
    multiplier.set(layer.multiplier);
    bias.set(layer.bias);
    const constants = memory.store([
      memory.store(multiplier),
      memory.store(bias),
      layer.biasExponent,
      layer.reciprocal.mantissa,
      layer.reciprocal.exponent,
      shape.padded,
    ]);
    return {
      ...layer,
      ...shape,
      constants,
      weights: memory.allocate(packedBytes(layer, index)),
      filters: filters[index] && memory.allocate(filters[index]),
    };
  });
}

/** Streams the weights into their places, 16 filters at a time. */
export async function loadWeights(
  memory: Memory,
  kernels: Kernels,
  layers: readonly PackedLayer[],
  model: Pick<Model, "weights">,
  signal: AbortSignal | undefined,
): Promise<void> {
  const inner = ({ kernel, inChannels }: PackedLayer): number => kernel[0] * kernel[1] * inChannels;
  const top = memory.top;
  const staging = memory.allocate(16 * Math.max(...layers.map(inner)));
  let index = 0;
  for await (const { layer: name, first, count, data } of model.weights({ signal })) {
    while (layers[index].name !== name) index++;
    const layer = layers[index];
    const pack = index === 0 ? kernels.packFirst : kernels.pack;
    for (let o = 0; o < count; o += 16) {
      const filters = Math.min(16, count - o);
      const piece = data.subarray(o * inner(layer), (o + filters) * inner(layer));
      memory.bytes(staging, piece.length).set(piece);
      const target = layer.weights + (first + o) * layer.kernel[0] * layer.run * 4;
      pack(staging, target, filters, layer.kernel[0], layer.kernel[1], layer.inChannels);
    }
  }
  memory.release(top);
  for (const { filters, weights, channels, padded } of layers) {
    if (filters) kernels.transformFilters(weights, channels, padded / 8, filters);
  }
}
