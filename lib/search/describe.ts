/** A picture -> what it is found by. */

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
import { scalesOf, type View, viewsOf } from "../input/views.ts";
import { type LayerName, layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { embeddingOf } from "../output/embedding.ts";
import { scoresOfMean } from "../output/predictions.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { directionOf } from "./vectors.ts";

/** What pictures are compared by. */
export interface Description {
  /** What it looks like: of each channel of the last convolutions the largest value anywhere. */
  readonly look: Int8Array;
  /** How much there is to be seen: the length of these values, in the network's own units. */
  readonly content: number;
  /** What it means: the scores of all classes; all zeros without. */
  readonly meaning: Int8Array;
  /** The length of the scores as a vector: 1 if one class has them all, near 0 if all have the same. */
  readonly certainty: number;
  /** Where it is light and dark. */
  readonly layout: Layout;
}

/** What is known of a picture. */
export interface Described extends Description, Size {
  /** Bytes of its file; of pixels, how many they are. */
  readonly bytes: number;
}

/** What the network says of it. */
type Seen = Omit<Description, "layout">;

/** A picture that is ready for the network. */
interface Ready extends Omit<Described, keyof Seen> {
  readonly views: readonly View[];
}

/** What of a model describes pictures. */
export type DescribingModel = Pick<
  Model,
  "architecture" | "preprocessing" | "temperature" | "labels" | "readout"
>;

const LOOK = { layer: "pool5", pooling: "max", normalize: false } as const;

/** Values of both vectors. Heads that see features of their own, or no classes, have no meaning here. */
export function vectorLengths(
  { architecture, labels, readout }: DescribingModel,
): { readonly look: number; readonly meaning: number } {
  const hasScores = architecture.dense.length > 0 && readout === undefined;
  return { look: architecture.convolutions.at(-1)!, meaning: hasScores ? labels.length : 0 };
}

/**
 * What is done with pictures, to describe each: the view that `classify()` takes goes through the network once.
 *
 * @param load Gives the engine. It is called once the first picture is ready.
 */
export function describing(
  load: () => Promise<Engine>,
  model: DescribingModel,
  options: ImageOptions,
): Work<Ready, Described> {
  const { input } = model.architecture;
  const layers: LayerName[] = [LOOK.layer];
  if (vectorLengths(model).meaning > 0) layers.push(layersOf(model.architecture).at(-1)!.name);
  const { readout: _, ...plain } = model, shorterSide = Math.max(...scalesOf(plain, {}));
  return {
    prepare: async (image, signal) => {
      const read = { ...options, shorterSide, signal };
      const { pixels, ...size } = await readSized(image as ImageInput, read); // Nobody prepared one.
      const views = viewsOf(pixels, model), layout = layoutOf(pixels);
      if (views.every(({ data }) => data.buffer !== pixels.data.buffer)) releasePixels(pixels);
      return { ...size, layout, views };
    },
    compute: async (ready, signal) => {
      const compute = computeViews(
        await load(),
        input,
        layers,
        () => new PictureDescription(model),
      );
      const found = await compute(ready.map(({ views }) => views), signal);
      return found.map((outcome, n) => {
        if (outcome.status === "rejected") return outcome;
        const { views: _, ...about } = ready[n]!;
        return { ...outcome, value: { ...about, ...outcome.value } };
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
): Promise<Size & { readonly bytes: number; readonly pixels: Pixels }> {
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

/** What the layers say of the one view of a picture. */
class PictureDescription implements Mean<Seen> {
  readonly #model: DescribingModel;
  #found: Seen | undefined;

  constructor(model: DescribingModel) {
    this.#model = model;
  }

  add([look, logits]: readonly Activations[], n: number): void {
    const { data } = embeddingOf(look!, n, LOOK);
    const scores = logits && scoresOfMean(logits, n, this.#model);
    this.#found = {
      look: directionOf(data),
      content: lengthOf(data),
      meaning: scores === undefined ? new Int8Array(0) : directionOf(scores),
      certainty: scores === undefined ? 0 : Math.min(1, lengthOf(scores)),
    };
  }

  result(): Seen {
    return this.#found!;
  }
}

function lengthOf(values: Float32Array | Float64Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}
