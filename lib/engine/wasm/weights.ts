/**
 * The network in WebAssembly memory: constants and packed weights, streamed from the Model.
 *
 * @module
 */

import type { LayerParameters, Model, Preprocessing } from "../../model/model.ts";
import type { Precision } from "../engine.ts";
import type { Program, ProgramLayer } from "../program.ts";
import type { Memory } from "./memory.ts";
import { filterBytes } from "./stage.ts";

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
  padded: number,
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
const pad16 = (channels: number): number => (channels + 15) & ~15;

/** Tiles (4x4 outputs) from which on filters are transformed once and kept: 8 bytes a weight. */
const KEEP_FROM_TILES = 64;

/** Sizes of a layer in memory. */
interface Extent extends Pick<PackedLayer, "channels" | "padded" | "run"> {
  readonly weightBytes: number;
  /** Bytes of the filters as Winograd's algorithm wants them, 0 if they are not kept. */
  readonly filterBytes: number;
}

function extentsOf(program: Program, precision: Precision): Extent[] {
  let { height, width } = program.input;
  return program.layers.map(({ kernel, padding, inChannels, outChannels, pool }, index) => {
    const first = index === 0, float = precision === "float";
    const channels = !first ? pad16(inChannels) : float ? (inChannels + 3) & ~3 : inChannels;
    const row = kernel[1] * channels;
    const run = first && !float ? (row + 1) >> 1 : row / 4;
    const padded = pad16(outChannels);
    const tiles = Math.ceil(height / 4) * Math.ceil(width / 4);
    if (pool) [height, width] = [height >> 1, width >> 1];
    const keeps = !first && !float && kernel[0] === 3 && padding === 1 && tiles >= KEEP_FROM_TILES;
    return {
      channels,
      padded,
      run,
      weightBytes: padded * kernel[0] * run * 4,
      filterBytes: keeps ? filterBytes(channels, precision) * padded / 8 : 0,
    };
  });
}

/** Bytes of the packed weights and constants. */
export function residentBytes(program: Program, precision: Precision): number {
  return extentsOf(program, precision).reduce(
    (sum, { weightBytes, filterBytes, padded }) =>
      sum + weightBytes + filterBytes + padded * 8 + 512,
    2 * program.table.byteLength,
  );
}

/** Writes the constants, and makes room for the weights. */
export function placeLayers(
  memory: Memory,
  program: Program,
  parameters: readonly LayerParameters[],
  precision: Precision,
): PackedLayer[] {
  const extents = extentsOf(program, precision);
  return program.layers.map((layer, index) => {
    const { channels, padded, run, weightBytes, filterBytes } = extents[index];
    const { scale, bias } = parameters[index];
    const [factors, offsets] = precision === "int8"
      ? [layer.multiplier, layer.bias]
      : [new Int32Array(scale.slice().buffer), new Int32Array(bias.slice().buffer)];
    const constants = memory.store([
      memory.store(padTo(padded, factors)),
      memory.store(padTo(padded, offsets)),
      layer.biasExponent,
      layer.reciprocal.mantissa,
      layer.reciprocal.exponent,
      padded,
    ]);
    const weights = memory.allocate(weightBytes);
    const filters = filterBytes && memory.allocate(filterBytes);
    return { ...layer, channels, padded, run, constants, weights, filters };
  });
}

function padTo(length: number, values: Int32Array): Int32Array {
  const padded = new Int32Array(length);
  padded.set(values);
  return padded;
}

/** Writes what each byte of the input becomes, `[channels, 256]`: 16-bit integers, or floats. */
export function placeTable(
  memory: Memory,
  program: Program,
  { scale, mean, std }: Preprocessing,
  precision: Precision,
): number {
  const { table } = program;
  const floats = Float32Array.from(
    table,
    (_, i) => ((i & 255) * scale - mean[i >> 8]) / std[i >> 8],
  );
  return memory.store(new Int32Array(precision === "int8" ? table.slice().buffer : floats.buffer));
}

/** Streams the weights into their places, 16 filters at a time. */
export async function loadWeights(
  memory: Memory,
  kernels: Kernels,
  layers: readonly PackedLayer[],
  model: Pick<Model, "weights">,
  precision: Precision,
  signal: AbortSignal | undefined,
): Promise<void> {
  const inner = ({ kernel, inChannels }: PackedLayer): number => kernel[0] * kernel[1] * inChannels;
  const top = memory.top;
  const staging = memory.allocate(16 * Math.max(...layers.map(inner)));
  let index = 0;
  for await (const { layer: name, first, count, data } of model.weights({ signal })) {
    while (layers[index].name !== name) index++;
    const layer = layers[index];
    const pack = index === 0 && precision === "int8" ? kernels.packFirst : kernels.pack;
    for (let o = 0; o < count; o += 16) {
      const filters = Math.min(16, count - o);
      const piece = data.subarray(o * inner(layer), (o + filters) * inner(layer));
      memory.bytes(staging, piece.length).set(piece);
      const target = layer.weights + (first + o) * layer.kernel[0] * layer.run * 4;
      pack(staging, target, filters, ...layer.kernel, layer.inChannels, layer.channels);
    }
  }
  memory.release(top);
  for (const { filters, weights, channels, padded } of layers) {
    if (filters) kernels.transformFilters(weights, channels, padded / 8, filters);
  }
}
