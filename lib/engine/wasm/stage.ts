/** A layer with its sizes: what it needs in memory. */

import type { Precision } from "../engine.ts";
import { geometriesOf, type Geometry, type LayerOutput, type Size } from "../geometry.ts";
import { GAP, POSITIONS, TILE } from "./structs.ts";
import {
  type PackedLayer,
  type PackedNetwork,
  transformedBlockBytes,
  WINOGRAD_BYTES,
} from "./weights.ts";

/** How a convolution can be computed. No int8 result depends on it. */
export const ALGORITHMS = ["winograd", "direct"] as const;
/** One of {@linkcode ALGORITHMS}. */
export type Algorithm = typeof ALGORITHMS[number];

/** A layer with its sizes, and the precision of its activations. */
export interface PackedGeometry extends Geometry<PackedLayer> {
  readonly precision: Precision;
}

/** A layer with its sizes, the images that it is run for at once, and how. */
export interface Stage extends PackedGeometry {
  readonly images: number;
  readonly algorithm: Algorithm;
}

/** The layers up to the last output, for images of a size. */
export function packedGeometries(
  { layers, precision }: PackedNetwork,
  size: Size,
  outputs: readonly LayerOutput[],
): PackedGeometry[] {
  return geometriesOf(layers, size, outputs).map((geometry) => ({ ...geometry, precision }));
}

/** Whether it is one of the dense layers. */
export const isDense = ({ layer }: PackedGeometry): boolean => layer.kind === "dense";

/** Pixels. */
export const area = ({ height, width }: Size): number => height * width;

/**
 * The input with its border of zeros, which reaches as far as Winograd's patches do: up to three rows
 * and columns past the image, whether a pool drops some of them or not. Nothing outside this is read.
 */
export function bordered({ layer, input: { height, width } }: PackedGeometry): Size {
  return layer.padding === 0
    ? { height, width }
    : { height: ceil4(height) + 2, width: ceil4(width) + 2 };
}

/** Bytes of the values of one image. */
export const valueBytes = ({ layer, out }: PackedGeometry): number => area(out) * layer.padded * 4;

/** Bytes of one pixel of the input. */
export const pixelBytes = ({ layer, first, precision }: PackedGeometry): number =>
  layer.channels * (precision === "float" ? 4 : first ? 2 : 1);

/** Bytes of the input of one image, with its border. */
export const activationBytes = (geometry: PackedGeometry): number =>
  area(bordered(geometry)) * pixelBytes(geometry);

/** Bytes of the input of all images, and of a register that may be read behind it. */
export const inputBytes = (stage: Stage): number => activationBytes(stage) * stage.images + 64;

/** Pixels of a task of a direct convolution: whole tiles of 6, whole windows of a pool. */
export const DIRECT_CHUNK = 48;
/** The same with float activations, whose tasks begin by making floats of their filters. */
export const FLOAT_CHUNK = 192;
/** Most patches of a Winograd task; with their sums they stay in the second-level cache. */
export const PATCHES_CHUNK = 64;
/** Blocks of 8 output channels whose sums a task that does all of Winograd's algorithm holds. */
export const FUSED_BLOCKS = 4;
/** Most bytes of such a task's transformed activations: half of a second-level cache. */
const FUSED_BYTES = 224 * 2 ** 10;
/** Most bytes of a Winograd step's transformed activations. */
const TRANSFORMED_BYTES = 2 * 2 ** 20;

/** Up to whole quads. */
export const ceil4 = (x: number): number => Math.ceil(x / 4) * 4;

/** Patches of one image; a row or column that a pool drops needs none. */
export function patchGrid({ out, pooled }: PackedGeometry): Size {
  const size = pooled ? 2 : 4;
  return { height: Math.ceil(out.height / size), width: Math.ceil(out.width / size) };
}

/** Patches that one step, or one task that does all, handles: in whole quads, evenly divided. */
export function patchesAtOnce(stage: Stage): number {
  const { layer, precision } = stage;
  const most = layer.transformedWeights ? FUSED_BYTES : TRANSFORMED_BYTES;
  const each = POSITIONS * WINOGRAD_BYTES[precision] * layer.channels;
  const all = stage.images * area(patchGrid(stage));
  return ceil4(all / Math.ceil(all / Math.max(16, Math.floor(most / each))));
}

/** Bytes of a step's transformed activations. */
export function transformedBytes(stage: Stage): number {
  const { algorithm, layer, precision } = stage;
  if (algorithm !== "winograd" || layer.transformedWeights) return 0;
  return POSITIONS * (WINOGRAD_BYTES[precision] * layer.channels * patchesAtOnce(stage) + GAP);
}

/** Bytes of a thread's scratch, as the kernels divide it; it begins with a tag of 16 bytes. */
export function scratchBytes(stage: Stage): number {
  const { layer, precision, algorithm } = stage;
  if (algorithm === "direct") {
    return precision === "float"
      ? 16 + layer.filterSize[0] * layer.run * 128 + (FLOAT_CHUNK + TILE) * 32
      : 16 + (DIRECT_CHUNK + TILE) * 64;
  }
  const transform = POSITIONS * (64 + 16);
  if (layer.transformedWeights) {
    const patches = patchesAtOnce(stage);
    const held = POSITIONS * (2 * layer.channels * patches + GAP);
    return 16 + transform + held + POSITIONS * (32 * patches * FUSED_BLOCKS + GAP);
  }
  const filters = transformedBlockBytes(layer.channels, precision);
  const sums = POSITIONS * (32 * PATCHES_CHUNK + GAP);
  return 16 + Math.max(transform, POSITIONS * 16 + filters + sums);
}
