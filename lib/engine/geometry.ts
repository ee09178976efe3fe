/** The layers of a run and their sizes: what both executors plan from. */

import type { Layer } from "../model/architecture.ts";

/** The layer with which a run ends. */
export interface LastLayer {
  /** `conv1_2`, `pool1`, `fc7`, … */
  readonly name: string;
  /** Index of the layer that is computed last, and whether its max-pool is taken. */
  readonly index: number;
  readonly pooled: boolean;
}

/**
 * Finds a layer by its name. Default: the network's last.
 *
 * @throws {RangeError} If there is none of that name.
 */
export function lastLayer(
  { layers }: { readonly layers: readonly Layer[] },
  name?: string,
): LastLayer {
  const final = layers.at(-1)!;
  const wanted = name ?? final.pool ?? final.name;
  const index = layers.findIndex((layer) => layer.name === wanted || layer.pool === wanted);
  const layer = layers[index];
  if (layer === undefined) {
    const names = layers.flatMap(({ name, pool }) => pool ? [name, pool] : [name]);
    throw new RangeError(`Unknown layer "${name}": expected one of ${names.join(", ")}`);
  }
  return { name: wanted, index, pooled: layer.pool === wanted };
}

/** Pixels of an image or of a feature map. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Most positions of an average: `Σ 127` stays below 2^29, see "Bounds" in README.md. */
export const MAX_POSITIONS: number = Math.floor((2 ** 29 - 1) / 127);

/** A layer with its sizes. */
export interface Geometry<L extends Layer = Layer> {
  readonly layer: L;
  /** Whether it is the network's first. */
  readonly first: boolean;
  readonly input: Size;
  /** Output before and after the max-pool, the same if none is taken. */
  readonly full: Size;
  readonly out: Size;
  /** Whether its max-pool is taken. A last odd row or column is dropped. */
  readonly pooled: boolean;
}

/**
 * The layers up to the last, for images of a size.
 *
 * @throws {RangeError} If an average would be of more than {@linkcode MAX_POSITIONS}.
 */
export function geometriesOf<L extends Layer>(
  layers: readonly L[],
  { height, width }: Size,
  last: LastLayer,
): Geometry<L>[] {
  let input: Size = { height, width };
  return layers.slice(0, last.index + 1).map((layer, index) => {
    const pooled = layer.pool !== undefined && (index < last.index || last.pooled);
    const full = layer.kind === "average" ? averaged(input) : convolved(layer, input);
    const out = pooled ? { height: full.height >> 1, width: full.width >> 1 } : full;
    const geometry = { layer, first: index === 0, input, full, out, pooled };
    input = out;
    return geometry;
  });
}

function convolved({ padding, filterSize }: Layer, { height, width }: Size): Size {
  return {
    height: height + 2 * padding - filterSize[0] + 1,
    width: width + 2 * padding - filterSize[1] + 1,
  };
}

function averaged({ height, width }: Size): Size {
  if (height * width <= MAX_POSITIONS) return { height: 1, width: 1 };
  throw new RangeError(
    `Cannot average a map of ${height}x${width} positions: at most ${MAX_POSITIONS} can be summed exactly in int32`,
  );
}

/** Multiplications and additions of a layer for one image, as it is defined. */
export function operationsOf(
  { layer, input, full }: Pick<Geometry, "layer" | "input" | "full">,
): number {
  const { kind, filterSize: [height, width], inChannels, outChannels } = layer;
  if (kind === "average") return input.height * input.width * inChannels;
  return 2 * full.height * full.width * height * width * inChannels * outChannels;
}

/** Multiplications and additions of a network for one image, by default one of the training size. */
export function networkOperations(
  network: { readonly layers: readonly Layer[]; readonly input: Size },
  size: Size = network.input,
  last: LastLayer = lastLayer(network),
): number {
  return geometriesOf(network.layers, size, last)
    .reduce((sum, geometry) => sum + operationsOf(geometry), 0);
}
