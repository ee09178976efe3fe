/** A picture -> the vectors that it is found by. */

import type { Activations, Engine } from "../engine/engine.ts";
import { decodeImage, readSize } from "../image/decode.ts";
import {
  type ImageInput,
  type ImageOptions,
  type Pixels,
  releasePixels,
  type Size,
} from "../image/image.ts";
import { isRawPixels, readBytes, readImage } from "../image/read.ts";
import { imagesTogether } from "../input/batches.ts";
import { computeViews, type Mean } from "../input/compute_views.ts";
import type { Work } from "../input/each_image.ts";
import { centerBox, cutView, shorterSideTo, withChannels } from "../input/prepare.ts";
import { mirror, type View } from "../input/views.ts";
import type { Model } from "../model/model.ts";
import type { ViewShare } from "../model/readout.ts";
import type { Part, Recipe } from "./recipes.ts";

/** What is known of a picture. */
export interface Described extends Size {
  /** Bytes of its file; of pixels, how many they are. */
  readonly bytes: number;
  /** A vector for each part, `[parts, D]`. Only their directions count. */
  readonly vectors: Int8Array;
}

/** A picture that is ready for the network. */
interface Ready extends Omit<Described, "vectors"> {
  readonly views: readonly View[];
}

/** Values of a vector. */
export function vectorLength(
  { layers }: Recipe,
  { parameters }: Pick<Model, "parameters">,
): number {
  return layers.reduce((sum, layer) => {
    // A pool has the channels of the block's last convolution.
    const block = layer.startsWith("pool") ? `conv${layer.at(-1)}_` : layer;
    return sum + parameters.findLast(({ name }) => name.startsWith(block))!.bias.length;
  }, 0);
}

/**
 * What is done with pictures, to describe each.
 *
 * @param load Gives the engine. It is called once the first picture is ready.
 */
export function describing(
  load: () => Promise<Engine>,
  model: Pick<Model, "architecture" | "preprocessing">,
  recipe: Recipe,
  options: ImageOptions,
): Work<Ready, Described> {
  const { input } = model.architecture;
  return {
    prepare: async (image, signal) => {
      const read = { ...options, shorterSide: recipe.side, signal };
      const { pixels, ...size } = await readSized(image as ImageInput, read); // Nobody prepared one.
      const views = viewsOf(pixels, model, recipe);
      if (views.every(({ data }) => data.buffer !== pixels.data.buffer)) releasePixels(pixels);
      return { ...size, views };
    },
    compute: async (ready, signal) => {
      const compute = computeViews(
        await load(),
        input,
        recipe.layers,
        () => new PartVectors(recipe),
      );
      const found = await compute(ready.map(({ views }) => views), signal);
      return found.map((outcome, n) => {
        if (outcome.status === "rejected") return outcome;
        const { width, height, bytes } = ready[n]!;
        return { ...outcome, value: { width, height, bytes, vectors: outcome.value } };
      });
    },
    most: imagesTogether(input),
    bytesOf: ({ views }) => views.reduce((sum, { data }) => sum + data.length, 0),
  };
}

/** Reads a picture, of which not all pixels are needed, and tells how large it is. */
async function readSized(
  image: ImageInput,
  options: ImageOptions & { readonly shorterSide: number },
): Promise<Omit<Ready, "views"> & { readonly pixels: Pixels }> {
  if (isRawPixels(image)) {
    const pixels = await readImage(image, options), { width, height, data } = pixels;
    return { pixels, width, height, bytes: data.length };
  }
  const file = await readBytes(image, options);
  const pixels = await decodeImage(file, options);
  const { width, height } = await readSize(file, options) ?? pixels;
  // As it is shown, which its header does not say.
  const isTurned = pixels.width < pixels.height !== width < height;
  const [w, h] = isTurned ? [height, width] : [width, height];
  return { pixels, width: w, height: h, bytes: file.length };
}

/** Longest side of what is seen, as a multiple of the shorter one: what is longer is compressed. */
const MAX_RATIO = 5;
/** The network halves a picture five times. */
const STRIDE = 32;

/** What is seen of a picture, and its mirror image. */
function viewsOf(
  image: Pixels,
  { architecture: { input }, preprocessing }: Pick<Model, "architecture" | "preprocessing">,
  { sees, side, mirrored }: Recipe,
): View[] {
  const pixels = withChannels(image, input.channels, preprocessing.grayscale);
  const sides = sees === "center"
    ? shorterSideTo(side, image.width, image.height)
    : wholeSides(side, image);
  const box = sees === "center"
    ? centerBox(...sides, { width: side, height: side })
    : { left: 0, top: 0, width: sides[0], height: sides[1] };
  const data = cutView(pixels, ...sides, box, preprocessing);
  const { width, height } = box, share = mirrored ? 0.5 : 1;
  return (mirrored ? [false, true] : [false]).map((mirrored) => ({
    data: mirrored ? mirror({ data, width, height }) : data,
    ...{ width, height, weight: share, part: { look: 0, size: 0, mirrored, share } },
  }));
}

function wholeSides(side: number, { width, height }: Size): [width: number, height: number] {
  const scale = side / Math.min(width, height);
  const scaled = (length: number): number =>
    Math.min(MAX_RATIO * side, Math.max(side, STRIDE * Math.round(length * scale / STRIDE)));
  return [scaled(width), scaled(height)];
}

/** What some layers say of the parts of a picture, averaged over it and its mirror image. */
class PartVectors implements Mean<Int8Array> {
  readonly #recipe: Recipe;
  /** A row for each part and layer. */
  readonly #rows: Float64Array[] = [];

  constructor(recipe: Recipe) {
    this.#recipe = recipe;
  }

  add(layers: readonly Activations[], n: number, { weight, part }: ViewShare): void {
    let row = 0;
    for (const place of this.#recipe.parts) {
      const seen = part?.mirrored ? { ...place, left: 1 - place.left - place.width } : place;
      for (const activations of layers) {
        const sums = this.#rows[row++] ??= new Float64Array(activations.shape[3]);
        addAverage(activations, n, seen, weight, sums);
      }
    }
  }

  result(): Int8Array {
    const count = this.#recipe.layers.length;
    const vectors = this.#recipe.parts.map((_, part) => {
      const blocks = this.#rows.slice(part * count, (part + 1) * count).map(unit);
      return bytesOf(blocks.flatMap((block) => [...block]));
    });
    return Int8Array.from(vectors.flat());
  }
}

/** Adds the average of a map's positions in a part of it, times a weight. */
function addAverage(
  { data, scale, shape: [, height, width, channels] }: Activations,
  n: number,
  part: Part,
  weight: number,
  sums: Float64Array,
): void {
  const [top, bottom] = spanOf(part.top, part.height, height);
  const [left, right] = spanOf(part.left, part.width, width);
  const own = new Float64Array(channels);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const at = ((n * height + y) * width + x) * channels;
      for (let c = 0; c < channels; c++) own[c]! += data[at + c]!;
    }
  }
  const factor = weight * scale[n]! / ((bottom - top) * (right - left));
  for (let c = 0; c < channels; c++) sums[c]! += factor * own[c]!;
}

/** The positions of a part, one at least. */
function spanOf(start: number, length: number, positions: number): [from: number, to: number] {
  const from = Math.min(positions - 1, Math.round(start * positions));
  return [from, Math.max(from + 1, Math.round((start + length) * positions))];
}

/** Scales values to a Euclidean length of 1; zeros stay zeros. */
function unit(values: Float64Array): Float64Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? values.map((value) => value / length) : values;
}

/** The direction of a vector in bytes, -127…127. */
function bytesOf(values: readonly number[]): number[] {
  const most = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return most > 0 ? values.map((value) => Math.round(value / most * 127)) : [...values];
}
