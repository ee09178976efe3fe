/** The layers of a run and their sizes: what both executors plan from. */

import type { Layer } from "../model/architecture.ts";

/** What a run gives of a layer: its values, before or after its max-pool. */
export interface LayerOutput {
  /** `conv1_2`, `pool1`, `fc7`, … */
  readonly name: string;
  /** Index of the layer, and whether its max-pool is taken. */
  readonly index: number;
  readonly pooled: boolean;
}

/**
 * Finds what has a name. Default: what the network's last layer gives.
 *
 * @throws {RangeError} If there is none of that name.
 */
export function layerOutput(
  { layers }: { readonly layers: readonly Layer[] },
  name?: string,
): LayerOutput {
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

/**
 * What has these names, each once, in the order in which a run comes to them.
 *
 * @throws {RangeError} If there is none of a name, or no name.
 */
export function layerOutputs(
  network: { readonly layers: readonly Layer[] },
  names: readonly string[],
): LayerOutput[] {
  if (names.length === 0) throw new RangeError("Expected at least one layer: found none");
  const outputs = names.map((name) => layerOutput(network, name));
  const unique = new Map(outputs.map((output) => [output.name, output]));
  return [...unique.values()]
    .sort((a, b) => a.index - b.index || Number(a.pooled) - Number(b.pooled));
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
  /** The name under which a run gives what comes out, if it does. */
  readonly read: string | undefined;
  /** Whether this is the layer before once more, now with its max-pool. */
  readonly again: boolean;
}

/**
 * The layers up to the last output, for images of a size. One that is read without its max-pool, but
 * not the last, is there twice: without and with it.
 *
 * @param outputs As {@linkcode layerOutputs} gives them.
 * @throws {RangeError} If an average would be of more than {@linkcode MAX_POSITIONS}.
 */
export function geometriesOf<L extends Layer>(
  layers: readonly L[],
  { height, width }: Size,
  outputs: readonly LayerOutput[],
): Geometry<L>[] {
  const last = outputs.at(-1)!;
  let input: Size = { height, width };
  return layers.slice(0, last.index + 1).flatMap((layer, index) => {
    const own = outputs.filter((output) => output.index === index);
    const full = layer.kind === "average" ? averaged(input) : convolved(layer, input);
    const common = { layer, first: index === 0, input, full };
    const hasPool = layer.pool !== undefined;
    const bare = own.find(({ pooled }) => !pooled)?.name;
    const found: Geometry<L>[] = [];
    if (bare !== undefined || !hasPool) {
      found.push({ ...common, out: full, pooled: false, read: bare, again: false });
    }
    if (hasPool && (index < last.index || last.pooled)) {
      const out = { height: full.height >> 1, width: full.width >> 1 };
      const read = own.find(({ pooled }) => pooled)?.name;
      found.push({ ...common, out, pooled: true, read, again: bare !== undefined });
    }
    input = found.at(-1)!.out;
    return found;
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
  outputs: readonly LayerOutput[] = [layerOutput(network)],
): number {
  return geometriesOf(network.layers, size, outputs)
    .filter(({ again }) => !again)
    .reduce((sum, geometry) => sum + operationsOf(geometry), 0);
}
