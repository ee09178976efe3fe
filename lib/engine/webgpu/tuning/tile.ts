/**
 * The kernels' tiles: what a lane computes and how lanes share. They change speed and no result.
 *
 * @module
 */

import type { Layer } from "../../../model/architecture.ts";
import type { ConvolutionTile } from "../kernels/convolution.ts";
import type { DenseTile } from "../kernels/dense.ts";
import type { MemoryKind } from "../device/memory.ts";
import type { LayerPlan } from "../network/plan.ts";
import type { WinogradTile } from "../kernels/winograd.ts";

/** How a convolution is computed. */
export type Tile = ConvolutionTile | WinogradTile;

/** Whether a tile is one of Winograd's algorithm. */
export function isWinograd(tile: Tile): tile is WinogradTile {
  return "outputs" in tile;
}

/** All choices that an engine makes for the machine that it runs on. */
export interface Tuning {
  readonly memory: MemoryKind;
  /** By layer name; what is not there gets the default. */
  readonly convolutions: Readonly<Record<string, Tile>>;
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

/** Winograd's, for a software adapter: eight neighbouring lanes, which it computes at once, share their tiles. */
export const WINOGRAD_TILE: WinogradTile = {
  outputs: 4,
  tiles: 8,
  channels: 16,
  channelLanes: 8,
  tileLanes: 1,
};

/** Winograd's, for small maps: its filters take less than half the time to transform. */
export const SMALL_WINOGRAD_TILE: WinogradTile = { ...WINOGRAD_TILE, outputs: 2 };

/** Winograd's, for a GPU: the 64 lanes of a workgroup read what the caches hold, and need few registers. */
const GPU_WINOGRAD_TILE: WinogradTile = { ...WINOGRAD_TILE, tiles: 4, channels: 8, tileLanes: 8 };

/** Pixels of all images up to which a map is small: 14x14 is, 28x28 is not. */
const SMALL_MAP = 400;

/** A tile, and the memory that it is good with. */
export interface Candidate {
  readonly memory: MemoryKind;
  readonly tile: Tile;
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
  { layer: { kernel }, pool }: { readonly layer: Pick<Layer, "kernel">; readonly pool: boolean },
): boolean {
  if (isWinograd(tile)) return kernel[0] === 3 && kernel[1] === 3;
  return !pool || tile.rows % 2 === 0 && tile.columns % 2 === 0;
}

/** A candidate's name: `texture 1x7x16 8x8 tap`, `texture F(4x4,3x3) 8x8 8x1`. */
export function candidateName({ memory, tile }: Candidate): string {
  if (isWinograd(tile)) {
    const { outputs, tiles, channels, channelLanes, tileLanes } = tile;
    return `${memory} F(${outputs}x${outputs},3x3) ${tiles}x${channels} ${channelLanes}x${tileLanes}`;
  }
  const { rows, columns, channels, channelLanes, pixelLanes, loop, staged } = tile;
  const lanes = `${channelLanes}x${pixelLanes}`;
  return [memory, `${rows}x${columns}x${channels}`, lanes, loop, ...staged ? ["staged"] : []].join(
    " ",
  );
}

/** A dense tile's name: `texture dense 1x4 64x1`. */
export function denseName(
  { memory, tile }: { readonly memory: MemoryKind; readonly tile: DenseTile },
): string {
  return `${memory} dense ${tile.images}x4 ${tile.channelLanes}x${tile.innerLanes}`;
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

/**
 * The tile of a convolution that was not tuned: on a software adapter Winograd's, as multiplications and loads both cost
 * there; on a GPU not, as none was tried on one.
 */
export function defaultTile(
  { memory }: Tuning,
  step: Pick<LayerPlan, "layer" | "pool" | "output">,
): Tile {
  if (memory === "buffer") return STAGED_TILE;
  const { images, height, width, channels } = step.output;
  const isSmall = images * height * width * (step.pool ? 4 : 1) <= SMALL_MAP;
  const wide = isSmall ? SMALL_WINOGRAD_TILE : WINOGRAD_TILE;
  // Lanes must not be left with channels that are not there.
  const fits = channels % (wide.channels * wide.channelLanes) === 0;
  const tile = { ...wide, channels: fits ? wide.channels : wide.channels / 2 };
  return canCompute(tile, step) ? tile : DIRECT_TILE;
}

/** The dense tile for a number of images: a lane takes up to eight. */
export function denseTile({ dense }: Tuning, images: number): DenseTile {
  return { ...dense, images: Math.min(images, 8) };
}
