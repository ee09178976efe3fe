/**
 * A layer with its sizes: what it needs in memory.
 *
 * @module
 */

import type { Precision } from "../engine.ts";
import type { PackedLayer } from "./weights.ts";

/** How a convolution can be computed. */
export const KERNELS = ["winograd", "direct"] as const;
/** One of {@linkcode KERNELS}. */
export type Kernel = typeof KERNELS[number];

/** Height and width in pixels. */
export interface Shape {
  readonly rows: number;
  readonly columns: number;
}

/** A layer with its sizes, and the images that it is run for at once. */
export interface Stage {
  readonly layer: PackedLayer;
  readonly first: boolean;
  /** Of the activations. */
  readonly precision: Precision;
  readonly input: Shape;
  /** Output before and after the pool. */
  readonly full: Shape;
  readonly out: Shape;
  readonly pooled: boolean;
  readonly images: number;
  readonly kernel: Kernel;
}

/** Pixels of a tile of a direct convolution. */
export const TILE = 6;
/** Pixels of a task of a direct convolution: whole tiles of 6, whole windows of a pool. */
export const DIRECT_CHUNK = 48;
/** The same with float activations, whose tasks begin by making floats of their filters. */
export const FLOAT_CHUNK = 192;
/** Most tiles of a Winograd task; with their sums they stay in the second-level cache. */
export const TILES_CHUNK = 64;
/** Most bytes of a Winograd step's transformed activations. */
const TRANSFORMED_BYTES = 2 * 2 ** 20;
/** kernels/winograd.ts. */
const POSITIONS = 36, GAP = 64;

/** Bytes of a number that Winograd's algorithm multiplies. */
const WIDTH = { int8: 2, float: 4 };

/** Bytes of eight filters as Winograd's algorithm wants them. */
export const filterBytes = (channels: number, precision: Precision): number =>
  POSITIONS * (8 * WIDTH[precision] * channels + GAP);

/** Whether it is one of the dense layers. */
export const isDense = (layer: PackedLayer): boolean => layer.name.startsWith("fc");

/** Pixels. */
export const area = ({ rows, columns }: Shape): number => rows * columns;

/** The input with its border of zeros. */
export const bordered = ({ layer, input }: Pick<Stage, "layer" | "input">): Shape => ({
  rows: input.rows + 2 * layer.padding,
  columns: input.columns + 2 * layer.padding,
});

/** A stage before its kernel is chosen. */
export type Unchosen = Omit<Stage, "kernel">;

/** Bytes of the values of one image. */
export const valueBytes = ({ layer, out }: Unchosen): number => area(out) * layer.padded * 4;

/** Bytes of one pixel of the input. */
export const pixelBytes = ({ layer, first, precision }: Unchosen): number =>
  layer.channels * (precision === "float" ? 4 : first ? 2 : 1);

/** Bytes of the input of one image, with its border. */
export const activationBytes = (stage: Unchosen): number =>
  area(bordered(stage)) * pixelBytes(stage);

/** Bytes that kernels may read behind the input: a tile's overhang. */
export const overhangBytes = (stage: Stage): number =>
  stage.kernel === "winograd" ? 4 * bordered(stage).columns * pixelBytes(stage) + 64 : 64;

/** Bytes of transformed activations of one step. */
export function transformedBytes(stage: Stage): number {
  const { kernel, layer, precision } = stage;
  if (kernel !== "winograd" || layer.filters) return 0;
  return POSITIONS * (WIDTH[precision] * layer.channels * stepTiles(stage) + GAP);
}

/** Scratch bytes of a thread. */
export function scratchBytes(stage: Stage): number {
  const { layer, precision, kernel } = stage;
  if (kernel === "direct") {
    return precision === "float"
      ? 16 + layer.kernel[0] * layer.run * 128 + (FLOAT_CHUNK + TILE) * 32
      : 16 + (DIRECT_CHUNK + TILE) * 64;
  }
  const transform = POSITIONS * (64 + 16);
  if (layer.filters) {
    const tiles = fusedTiles(stage);
    const held = POSITIONS * (2 * layer.channels * tiles + GAP);
    return 16 + transform + held + POSITIONS * (32 * tiles * GROUP + GAP);
  }
  const filters = filterBytes(layer.channels, precision);
  const sums = POSITIONS * (32 * TILES_CHUNK + GAP);
  return 16 + Math.max(transform, POSITIONS * 16 + filters + sums);
}

/** Tiles of 4x4 outputs; a row or column that a pool drops needs none. */
export function tileShape({ out, pooled }: Unchosen): Shape {
  const size = pooled ? 2 : 4;
  return { rows: Math.ceil(out.rows / size), columns: Math.ceil(out.columns / size) };
}

/** Tiles that one step handles: as even a division as the limit allows, in whole quads. */
export function stepTiles(stage: Stage): number {
  const all = stage.images * area(tileShape(stage));
  const limit = Math.max(
    16,
    Math.floor(TRANSFORMED_BYTES / (POSITIONS * WIDTH[stage.precision] * stage.layer.channels)),
  );
  return ceil4(all / Math.ceil(all / limit));
}

/** Blocks of 8 output channels whose sums a fused task holds. */
export const GROUP = 4;
/** Most bytes of a fused task's transformed activations: half of a second-level cache. */
const FUSED_BYTES = 224 * 2 ** 10;

/** Tiles of a task that does all of Winograd's algorithm. */
export function fusedTiles(stage: Stage): number {
  const all = stage.images * area(tileShape(stage));
  const limit = Math.max(16, Math.floor(FUSED_BYTES / (POSITIONS * 2 * stage.layer.channels)));
  return ceil4(all / Math.ceil(all / limit));
}

/** Up to whole quads. */
export const ceil4 = (x: number): number => Math.ceil(x / 4) * 4;
