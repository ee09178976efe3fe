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
 * Tiles for a GPU: workgroups of 64 lanes share loads in workgroup memory, and neighbouring lanes load
 * neighbouring vectors.
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
