/**
 * The kernels' tiles: what a lane computes and how lanes share. They change speed and no result.
 *
 * @module
 */

import type { ConvolutionTile } from "./convolution.ts";
import type { DenseTile } from "./dense.ts";
import type { MemoryKind } from "./memory.ts";

/** All choices that an engine makes for the machine that it runs on. */
export interface Tuning {
  readonly memory: MemoryKind;
  /** By layer name; what is not there gets the default. */
  readonly convolutions: Readonly<Record<string, ConvolutionTile>>;
  readonly dense: DenseTile;
}

/**
 * A tile for a GPU: the 64 lanes of a workgroup share loads in workgroup memory, and neighbouring lanes load neighbouring
 * vectors.
 */
export const STAGED_TILE: ConvolutionTile = {
  rows: 2,
  columns: 4,
  channels: 8,
  channelLanes: 8,
  pixelLanes: 8,
  loop: "tap",
  staged: true,
};

/** The same without workgroup memory: the caches share. */
export const DIRECT_TILE: ConvolutionTile = { ...STAGED_TILE, staged: false };

/** A tile, and the memory that it is good with. */
export interface Candidate {
  readonly memory: MemoryKind;
  readonly tile: ConvolutionTile;
}

/**
 * What a timed trial chooses from. Software adapters want large tiles and textures; GPUs want workgroup memory or caches,
 * and lanes enough to fill them. Seven columns divide all the widths of VGG at 224, but not with a max-pool.
 */
export const CANDIDATES: readonly Candidate[] = [
  { memory: "buffer", tile: STAGED_TILE },
  { memory: "buffer", tile: { ...STAGED_TILE, rows: 4 } },
  { memory: "buffer", tile: { ...STAGED_TILE, channels: 4, channelLanes: 16, pixelLanes: 16 } },
  { memory: "buffer", tile: DIRECT_TILE },
  { memory: "texture", tile: DIRECT_TILE },
  { memory: "texture", tile: { ...DIRECT_TILE, rows: 1, columns: 7, channels: 16 } },
  { memory: "texture", tile: { ...DIRECT_TILE, channels: 16 } },
  { memory: "texture", tile: { ...DIRECT_TILE, loop: "row" } },
  { memory: "texture", tile: STAGED_TILE },
];

/** Whether a tile can be used with a max-pool. */
export function canPool({ rows, columns }: ConvolutionTile): boolean {
  return rows % 2 === 0 && columns % 2 === 0;
}

/** A candidate's name: `texture 1x7x16 8x8 tap`. */
export function candidateName({ memory, tile }: Candidate): string {
  const { rows, columns, channels, channelLanes, pixelLanes, loop, staged } = tile;
  const lanes = `${channelLanes}x${pixelLanes}`;
  return [memory, `${rows}x${columns}x${channels}`, lanes, loop, ...staged ? ["staged"] : []].join(
    " ",
  );
}

/** Defaults: a software adapter reads textures ten times faster than buffers. */
export function defaultTuning(isFallback: boolean): Tuning {
  return isFallback
    ? {
      memory: "texture",
      convolutions: {},
      dense: { images: 1, channelLanes: 64, innerLanes: 1 },
    }
    : {
      memory: "buffer",
      convolutions: {},
      dense: { images: 1, channelLanes: 8, innerLanes: 8 },
    };
}

/** The tile of a convolution that was not tuned. */
export function defaultTile({ memory }: Tuning): ConvolutionTile {
  return memory === "texture" ? DIRECT_TILE : STAGED_TILE;
}

/** The dense tile for a number of images: a lane takes up to eight. */
export function denseTile({ dense }: Tuning, images: number): DenseTile {
  return { ...dense, images: Math.min(images, 8) };
}
