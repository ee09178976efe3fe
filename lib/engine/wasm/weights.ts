/** The network in WebAssembly memory: constants and packed weights, streamed from the Model. */

import type { LayerParameters, Model, Preprocessing } from "../../model/model.ts";
import type { Precision } from "../engine.ts";
import type { Program, ProgramLayer } from "../program.ts";
import type { Kernels } from "./kernels.ts";
import { type Memory, wordsOf } from "./memory.ts";
import { GAP, Layer, POSITIONS } from "./structs.ts";

/** A network in memory. */
export interface PackedNetwork {
  readonly layers: readonly PackedLayer[];
  /** Address of what each byte of the input becomes, `[channels, 256]`: int16, or float32. */
  readonly table: number;
  readonly precision: Precision;
}

/** A layer and where its parts are. */
export interface PackedLayer extends ProgramLayer {
  /** Channels of the input in memory: padded to 16, but in the first layer. */
  readonly channels: number;
  /** Output channels in memory, padded to 16. */
  readonly padded: number;
  /** Words of one row of a filter: four bytes each, or two 16-bit numbers in the first layer. */
  readonly run: number;
  /** Address of the packed weights, and of a `Layer` of structs.ts. The average has neither. */
  readonly weights: number;
  readonly constants: number;
  /** Address of the filters as Winograd's algorithm wants them; 0 if they are made on the way. */
  readonly transformedWeights: number;
}

/** Bytes of a number that Winograd's algorithm multiplies. */
export const WINOGRAD_BYTES: Readonly<Record<Precision, number>> = { int8: 2, float: 4 };

/** Bytes of eight filters as Winograd's algorithm wants them. */
export const transformedBlockBytes = (channels: number, precision: Precision): number =>
  POSITIONS * (8 * WINOGRAD_BYTES[precision] * channels + GAP);

/** Channels are computed in blocks of 16. */
const pad16 = (channels: number): number => (channels + 15) & ~15;

/**
 * Patches (4x4 outputs) from which on filters are transformed once and kept: 8 bytes a weight. Below, to
 * transform them for each image takes no longer.
 */
const KEEP_FROM_PATCHES = 128;

/** Sizes of a layer in memory. */
interface Extent extends Pick<PackedLayer, "channels" | "padded" | "run"> {
  readonly weightBytes: number;
  /** 0 if they are not kept. */
  readonly transformedBytes: number;
}

function extentsOf({ input, layers }: Program, precision: Precision): Extent[] {
  let { height, width } = input;
  return layers.map(({ filterSize, padding, inChannels, outChannels, pool }, index) => {
    const first = index === 0, float = precision === "float";
    const channels = !first ? pad16(inChannels) : float ? (inChannels + 3) & ~3 : inChannels;
    const row = filterSize[1] * channels;
    const run = first && !float ? (row + 1) >> 1 : row / 4;
    const padded = pad16(outChannels);
    const patches = Math.ceil(height / 4) * Math.ceil(width / 4);
    if (pool) [height, width] = [height >> 1, width >> 1];
    const kept = !first && !float && padding === 1 && patches >= KEEP_FROM_PATCHES;
    return {
      channels,
      padded,
      run,
      weightBytes: padded * filterSize[0] * run * 4,
      transformedBytes: kept ? transformedBlockBytes(channels, precision) * padded / 8 : 0,
    };
  });
}

/** Bytes that a network needs as long as its engine lives. */
export function residentBytes(program: Program, precision: Precision): number {
  return extentsOf(program, precision).reduce(
    (sum, { weightBytes, transformedBytes, padded }) =>
      sum + weightBytes + transformedBytes + padded * 8 + 512,
    2 * program.table.byteLength,
  );
}

/** Writes a network into memory. */
export async function loadNetwork(
  memory: Memory,
  kernels: Kernels,
  program: Program,
  model: Model,
  precision: Precision,
  signal: AbortSignal | undefined,
): Promise<PackedNetwork> {
  const layers = placeLayers(memory, program, model.parameters, precision);
  const table = placeTable(memory, program, model.preprocessing, precision);
  await loadWeights(memory, kernels, layers, model.weights({ signal }), precision);
  for (const { transformedWeights, weights, channels, padded } of layers) {
    if (transformedWeights === 0) continue;
    kernels.transformFilters(weights, channels, padded / 8, transformedWeights);
  }
  return { layers, table, precision };
}

/** Writes the constants, and makes room for the weights. */
function placeLayers(
  memory: Memory,
  program: Program,
  parameters: readonly LayerParameters[],
  precision: Precision,
): PackedLayer[] {
  const extents = extentsOf(program, precision);
  return program.layers.map((layer, index) => {
    const { channels, padded, run, weightBytes, transformedBytes } = extents[index];
    const own = parameters.find(({ name }) => name === layer.name);
    const constants = own ? placeConstants(memory, layer, own, padded, precision) : 0;
    const weights = memory.allocate(weightBytes);
    const transformedWeights = transformedBytes && memory.allocate(transformedBytes);
    return { ...layer, channels, padded, run, constants, weights, transformedWeights };
  });
}

function placeConstants(
  memory: Memory,
  layer: ProgramLayer,
  { scale, bias }: LayerParameters,
  padded: number,
  precision: Precision,
): number {
  const [factors, offsets] = precision === "int8"
    ? [layer.multiplier, layer.bias]
    : [new Int32Array(scale.slice().buffer), new Int32Array(bias.slice().buffer)];
  return memory.store(wordsOf(Layer, {
    multiplier: memory.store(padTo(padded, factors)),
    bias: memory.store(padTo(padded, offsets)),
    biasExponent: layer.biasExponent,
    reciprocalMantissa: layer.reciprocal.mantissa,
    reciprocalExponent: layer.reciprocal.exponent,
    outChannels: padded,
  }));
}

function padTo(length: number, values: Int32Array): Int32Array {
  const padded = new Int32Array(length);
  padded.set(values);
  return padded;
}

function placeTable(
  memory: Memory,
  { table }: Program,
  { scale, mean, std }: Preprocessing,
  precision: Precision,
): number {
  if (precision === "int8") return memory.store(new Int32Array(table.slice().buffer));
  const floats = Float32Array.from(
    table,
    (_, i) => ((i & 255) * scale - mean[i >> 8]) / std[i >> 8],
  );
  return memory.store(new Int32Array(floats.buffer));
}

/** Packs the weights, 16 filters at a time. */
async function loadWeights(
  memory: Memory,
  kernels: Kernels,
  layers: readonly PackedLayer[],
  pieces: ReturnType<Model["weights"]>,
  precision: Precision,
): Promise<void> {
  const inner = ({ filterSize, inChannels }: PackedLayer): number =>
    filterSize[0] * filterSize[1] * inChannels;
  const top = memory.top;
  const staging = memory.allocate(16 * Math.max(...layers.map(inner)));
  let index = 0;
  for await (const { layer: name, first, count, data } of pieces) {
    while (layers[index].name !== name) index++;
    const layer = layers[index];
    const pack = index === 0 && precision === "int8" ? kernels.packFirst : kernels.pack;
    for (let o = 0; o < count; o += 16) {
      const filters = Math.min(16, count - o);
      const piece = data.subarray(o * inner(layer), (o + filters) * inner(layer));
      memory.bytes(staging, piece.length).set(piece);
      const target = layer.weights + (first + o) * layer.filterSize[0] * layer.run * 4;
      pack(staging, target, filters, ...layer.filterSize, layer.inChannels, layer.channels);
    }
  }
  memory.release(top);
}
