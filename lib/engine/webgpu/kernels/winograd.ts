/**
 * Winograd's algorithm (`lib/engine/winograd.ts`) in four kernels, chunk by chunk: the transforms
 * and products of a chunk fit a small, fixed part of the memory, which all layers share.
 */

import type { Precision } from "../../engine.ts";
import { CHANNEL_MULTIPLE } from "./kernel.ts";
import type { ConvolutionAttributes } from "./output.ts";

/**
 * How the products of a point are cut into lanes and workgroups. A patch is the `(m + 2) * (m + 2)`
 * inputs from which `m * m` outputs come. Changes no result of the integer program.
 */
export interface WinogradTile {
  /** `m`: rows and columns of outputs that a patch gives. */
  readonly outputs: 2 | 4;
  /** What a lane multiplies: patches, and output channels, which come in fours. */
  readonly patches: number;
  readonly channels: number;
  /** Lanes of a workgroup that share patches, and lanes that share channels. */
  readonly channelLanes: number;
  readonly patchLanes: number;
}

/** The algorithm's name: `F(4x4,3x3)`. */
export function algorithmName(outputs: WinogradTile["outputs"]): string {
  return `F(${outputs}x${outputs},3x3)`;
}

/** A tile's name: `F(4x4,3x3) 8x8 8x1`. */
export function winogradName(
  { outputs, patches, channels, channelLanes, patchLanes }: WinogradTile,
): string {
  return `${algorithmName(outputs)} ${patches}x${channels} ${channelLanes}x${patchLanes}`;
}

export function pointsOf({ outputs }: Pick<WinogradTile, "outputs">): number {
  return (outputs + 2) ** 2;
}

export interface WinogradLayer extends Omit<ConvolutionAttributes, "relu"> {
  readonly tile: WinogradTile;
}

/** Patches of some rows of an image, or of some whole images, and some output channels. */
export interface Chunk {
  readonly firstImage: number;
  readonly images: number;
  /** Rows of patches, and patches in a row. */
  readonly firstRow: number;
  readonly rows: number;
  readonly across: number;
  readonly firstChannel: number;
  readonly channels: number;
  /** Whether these patches, or these filters, are not what the chunk before it had. */
  readonly newInputs: boolean;
  readonly newFilters: boolean;
  /** Workgroups of the transform of outputs before it, for each image. */
  readonly firstWorkgroup: number;
}

/** Vectors of the tensors between the kernels. */
export interface ScratchVectors {
  readonly filters: number;
  readonly inputs: number;
  readonly products: number;
}

/**
 * What a chunk may take: with int8 at most 11 MB, of which an image through VGG16 takes 8.6, or 6 %
 * of the weights; with float more, as its transformed inputs are twice as large. Filters are those
 * of 128 channels of 512, and more only if a tile's lanes need more.
 */
const BUDGET: Readonly<Record<Precision, ScratchVectors>> = {
  int8: { filters: 288 << 10, inputs: 256 << 10, products: 128 << 10 },
  float: { filters: 288 << 10, inputs: 512 << 10, products: 256 << 10 },
};

/** Lanes of a workgroup of the transform of outputs: a patch and four channels each. */
export const OUTPUT_LANES = 64;

/** Vectors of one point of a patch. */
export function inputVectors(precision: Precision, channels: number): number {
  return channels / (precision === "int8" ? 8 : 4);
}

export function patchesOf({ images, rows, across }: Chunk): number {
  return images * rows * across;
}

/** Workgroups of a chunk's transform of outputs, for each image. */
export function outputWorkgroups({ rows, across, channels }: Chunk): number {
  return Math.ceil(rows * across * channels / 4 / OUTPUT_LANES);
}

/** Workgroups of all chunks' transforms of outputs, for each image: each stores a maximum. */
export function winogradWorkgroups(layer: WinogradLayer): number {
  return winogradChunks({ ...layer, output: { ...layer.output, images: 1 } })
    .reduce((sum, chunk) => sum + outputWorkgroups(chunk), 0);
}

export function winogradChunks(layer: WinogradLayer): Chunk[] {
  const { output } = layer;
  const channels = chunkChannels(layer);
  const { down, across, rows, images } = chunkPatches(layer, channels);
  const chunks: Chunk[] = [];
  for (let firstImage = 0; firstImage < output.images; firstImage += images) {
    let firstWorkgroup = 0;
    for (let firstRow = 0; firstRow < down; firstRow += rows) {
      for (let firstChannel = 0; firstChannel < output.channels; firstChannel += channels) {
        const chunk = {
          firstImage,
          images: Math.min(images, output.images - firstImage),
          firstRow,
          rows: Math.min(rows, down - firstRow),
          across,
          firstChannel,
          channels: Math.min(channels, output.channels - firstChannel),
          newInputs: firstChannel === 0,
          newFilters: chunks.length === 0 || channels < output.channels,
          firstWorkgroup,
        };
        firstWorkgroup += outputWorkgroups(chunk);
        chunks.push(chunk);
      }
    }
  }
  return chunks;
}

/** What the largest of a layer's chunks takes. */
export function scratchVectors(layer: WinogradLayer): ScratchVectors {
  const points = pointsOf(layer.tile);
  const chunks = winogradChunks(layer);
  const largest = (vectors: (chunk: Chunk) => number): number =>
    chunks.reduce((max, chunk) => Math.max(max, points * vectors(chunk)), 0);
  const vectors = inputVectors(layer.precision, layer.input.channels);
  return {
    filters: largest(({ channels }) => channels * layer.input.channels / 8),
    inputs: largest((chunk) => patchesOf(chunk) * vectors),
    products: largest((chunk) => patchesOf(chunk) * chunk.channels / 4),
  };
}

/** Output channels of a chunk: whole workgroups. */
function chunkChannels({ precision, input, output, tile }: WinogradLayer): number {
  const least = Math.max(CHANNEL_MULTIPLE, tile.channels * tile.channelLanes);
  const vectors = pointsOf(tile) * input.channels / 8;
  const affordable = Math.floor(BUDGET[precision].filters / (vectors * least));
  return Math.min(output.channels, Math.max(1, affordable) * least);
}

/** Rows of patches, or whole images, of a chunk: at least a row. */
function chunkPatches(
  { precision, pool, input, output, tile }: WinogradLayer,
  channels: number,
): { down: number; across: number; rows: number; images: number } {
  const size = pool ? tile.outputs / 2 : tile.outputs;
  const down = Math.ceil(output.height / size), across = Math.ceil(output.width / size);
  const { inputs, products } = BUDGET[precision];
  const affordable = Math.min(
    inputs / inputVectors(precision, input.channels),
    products / (channels / 4),
  ) / pointsOf(tile);
  if (affordable >= down * across) {
    return { down, across, rows: down, images: Math.floor(affordable / (down * across)) };
  }
  // As many chunks as it takes, of the same size.
  const count = Math.ceil(down / Math.max(1, Math.floor(affordable / across)));
  return { down, across, rows: Math.ceil(down / count), images: 1 };
}
