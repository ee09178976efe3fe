/**
 * The kernels' tiles: what a lane computes and how lanes share. They change speed, and of results no more than the
 * last bits of floats.
 */

import type { Layer } from "../../../model/architecture.ts";
import type { Precision } from "../../engine.ts";
import type { MemoryKind } from "../device/tfjs.ts";
import { isWinograd, type Tile, tileName } from "../kernels/convolution.ts";
import { denseName, type DenseTile } from "../kernels/dense.ts";
import { type DirectTile, loadsOf } from "../kernels/direct_convolution.ts";
import type { WinogradTile } from "../kernels/winograd.ts";
import type { PlannedLayer } from "../resident/plan.ts";

/** All choices that an engine makes for the machine that it runs on. */
export interface Tuning {
  readonly memory: MemoryKind;
  /** By layer name; what is not there gets the default. */
  readonly convolutions: Readonly<Record<string, Tile>>;
  readonly dense: DenseTile;
}

/**
 * A tile for a GPU: the 64 lanes of a workgroup share loads in workgroup memory, and neighboring
 * lanes load neighboring vectors.
 */
export const STAGED_TILE: DirectTile = {
  rows: 2,
  columns: 4,
  channels: 8,
  channelLanes: 8,
  pixelLanes: 8,
  loop: "tap",
  staged: true,
};

/** The same without workgroup memory: the caches share. */
export const DIRECT_TILE: DirectTile = { ...STAGED_TILE, staged: false };

/** Winograd's, for a software adapter: eight lanes, computed at once, share their patches. */
export const WINOGRAD_TILE: WinogradTile = {
  outputs: 4,
  patches: 8,
  channels: 16,
  channelLanes: 8,
  patchLanes: 1,
};

/** Winograd's, for small maps: its filters take less than half the time to transform. */
export const SMALL_WINOGRAD_TILE: WinogradTile = { ...WINOGRAD_TILE, outputs: 2 };

/** Winograd's, for a GPU: a workgroup's 64 lanes read what caches hold, and need few registers. */
const GPU_WINOGRAD_TILE: WinogradTile = {
  ...WINOGRAD_TILE,
  patches: 4,
  channels: 8,
  patchLanes: 8,
};

/** Pixels of all images, in float of one, up to which a map is small: 14x14 is, 28x28 is not. */
const SMALL_MAP = 400;

/** A tile, and the memory that it is good with. */
export interface Candidate<T = Tile> {
  readonly memory: MemoryKind;
  readonly tile: T;
}

/**
 * What a timed trial chooses from. Software adapters want large tiles and textures; GPUs want
 * workgroup memory or caches, and lanes enough to fill them. Seven columns divide all the widths of
 * VGG at 224, but not with a max-pool.
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
  { memory: "buffer", tile: GPU_WINOGRAD_TILE },
  { memory: "buffer", tile: { ...GPU_WINOGRAD_TILE, outputs: 2 } },
  { memory: "texture", tile: WINOGRAD_TILE },
  { memory: "texture", tile: { ...WINOGRAD_TILE, channels: 8 } },
  { memory: "texture", tile: SMALL_WINOGRAD_TILE },
  { memory: "texture", tile: { ...SMALL_WINOGRAD_TILE, channels: 8 } },
];

/** Dense tiles that a timed trial chooses from, for one image. */
export const DENSE_TILES: readonly DenseTile[] = [
  { images: 1, channelLanes: 64, innerLanes: 1 },
  { images: 1, channelLanes: 16, innerLanes: 4 },
  { images: 1, channelLanes: 8, innerLanes: 8 },
  { images: 1, channelLanes: 4, innerLanes: 16 },
  { images: 1, channelLanes: 8, innerLanes: 32 },
];

/** Whether a tile can be used for a layer. */
export function canCompute(
  tile: Tile,
  { layer: { filterSize }, pool }: {
    readonly layer: Pick<Layer, "filterSize">;
    readonly pool: boolean;
  },
): boolean {
  if (isWinograd(tile)) return filterSize[0] === 3 && filterSize[1] === 3;
  return !pool || tile.rows % 2 === 0 && tile.columns % 2 === 0;
}

/**
 * Loads that a pass of a direct tile's loop may be written out with. SwiftShader compiles what is allowed in seconds,
 * or a minute, and 0.1 to 0.3 GB; of more in float it makes gigabytes.
 */
const MOST_LOADS: Readonly<Record<Precision, number>> = { int8: 36, float: 24 };

/** Whether a tile can be used for a layer, and its program is short enough for every compiler. */
export function canTry(
  tile: Tile,
  planned: Pick<PlannedLayer, "pool" | "precision"> & {
    readonly layer: Pick<Layer, "filterSize">;
  },
): boolean {
  const { layer: { filterSize }, precision } = planned;
  return canCompute(tile, planned) &&
    (isWinograd(tile) || loadsOf(tile, filterSize) <= MOST_LOADS[precision]);
}

/** A candidate's name: `texture 1x7x16 8x8 tap`, `buffer F(4x4,3x3) 8x8 8x1`, `texture dense 1x4 64x1`. */
export function candidateName({ memory, tile }: Candidate<Tile | DenseTile>): string {
  return `${memory} ${"innerLanes" in tile ? `dense ${denseName(tile)}` : tileName(tile)}`;
}

/** Defaults: a software adapter reads textures ten times faster than buffers. */
export function defaultTuning(isFallback: boolean): Tuning {
  return isFallback
    ? { memory: "texture", convolutions: {}, dense: { images: 1, channelLanes: 64, innerLanes: 1 } }
    : { memory: "buffer", convolutions: {}, dense: { images: 1, channelLanes: 8, innerLanes: 8 } };
}

/**
 * The tile of a convolution that was not tuned: on a software adapter Winograd's, as
 * multiplications and loads both cost there; on a GPU not, as none was tried on one.
 */
export function defaultTile(
  { memory }: Tuning,
  planned: Pick<PlannedLayer, "layer" | "precision" | "pool" | "output">,
): Tile {
  if (memory === "buffer") return STAGED_TILE;
  const { images, height, width, channels } = planned.output;
  // Tiles round floats differently: an image has the same ones whatever else is computed with it.
  const together = planned.precision === "float" ? 1 : images;
  const isSmall = together * height * width * (planned.pool ? 4 : 1) <= SMALL_MAP;
  const wide = isSmall ? SMALL_WINOGRAD_TILE : WINOGRAD_TILE;
  // Lanes must not be left with channels that are not there.
  const fits = channels % (wide.channels * wide.channelLanes) === 0;
  const tile = { ...wide, channels: fits ? wide.channels : wide.channels / 2 };
  return canCompute(tile, planned) ? tile : DIRECT_TILE;
}

/** The dense tile for a number of images: a lane takes up to eight. */
export function denseTile({ dense }: Tuning, images: number): DenseTile {
  return { ...dense, images: Math.min(images, 8) };
}

/** How a convolution of a plan is computed. */
export function tileOf(
  tuning: Tuning,
  planned: Pick<PlannedLayer, "layer" | "precision" | "pool" | "output">,
): Tile {
  return tuning.convolutions[planned.layer.name] ?? defaultTile(tuning, planned);
}

/** Names how a layer of a plan is computed. */
export function candidateOf(tuning: Tuning, planned: PlannedLayer): string {
  const { memory } = tuning;
  const { kernel } = planned;
  if (kernel === "first" || kernel === "average") return `${memory} ${kernel}`;
  const tile = kernel === "dense"
    ? denseTile(tuning, planned.output.images)
    : tileOf(tuning, planned);
  return candidateName({ memory, tile });
}
