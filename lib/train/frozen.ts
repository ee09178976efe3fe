/** What of a model stays, and what of that the new head sees. */

import { modelAt } from "../input/views.ts";
import { layerInfos, type LayerName, layersOf, MAX_DENSE } from "../model/architecture.ts";
import type { Model, Preprocessing, WeightPiece } from "../model/model.ts";
import {
  featureLength,
  type FeaturePooling,
  type FeatureRecipe,
  MAX_FEATURES,
} from "../model/readout.ts";
import { checkValue } from "../options.ts";
import { FIT_OPTIONS, LARGER_MOST, MIRRORED_MOST } from "../options/training.ts";
import { STANDARD_DEVIATION, STANDARD_MEAN } from "../input/whiten.ts";

/** What features are to be made of. */
export interface FeatureChoice {
  /** Layers that are read. */
  readonly layers?: readonly LayerName[] | undefined;
  /** What becomes of their positions. */
  readonly pooling?: FeaturePooling | undefined;
  /** Sides in pixels of the squares in which a picture is looked at. */
  readonly sides?: readonly number[] | undefined;
  /** Whether the mirror image is looked at, too. */
  readonly mirror?: "auto" | "on" | "off" | undefined;
  /** Whether colors are dropped. */
  readonly grayscale?: boolean | undefined;
  /** Whether each picture's own mean and deviation are removed. */
  readonly standardize?: "image" | undefined;
}

/** The layers that stay, as a model without a head, and what is read of them. */
export interface Frozen {
  readonly model: Model;
  /** The SHA-256 of the file that its numbers are from, if they are from one; it has no file of its own. */
  readonly sha256?: string | undefined;
  readonly features: FeatureRecipe;
}

/**
 * Chooses what stays of a model. By default these are its convolutions, of which the last two pools are
 * read, on average.
 *
 * @param pictures How many there are to learn from: of few, more is looked at.
 * @throws {RangeError} If the model has no such layer, its dense layers are to see another size than they were
 *   trained for, or features are too many.
 */
export function freeze(base: Model, choice: FeatureChoice, pictures: number): Frozen {
  const names = layerInfos(base.architecture).map(({ name }) => name)
    .filter((name) => name !== "prob" && name !== CLASSIFYING);
  const { layers = DEFAULT_LAYERS } = choice;
  checkValue("layer", { ...FIT_OPTIONS.layer, kind: "choices", choices: names }, layers);
  const blocks = names.filter((name) => layers.includes(name))
    .map((layer) => ({ layer, pooling: choice.pooling ?? "avg" }));
  const { height, width } = base.architecture.input;
  const { mirror = "auto", sides = [defaultSide(Math.max(height, width), pictures)] } = choice;
  const isDense = layers.some((name) => name.startsWith("fc"));
  if (isDense && choice.sides !== undefined) {
    throw new RangeError(
      `The dense layers see inputs of ${height}x${width} pixels: leave out sides, or read ` +
        `${names.filter((name) => !name.startsWith("fc")).at(-1)} or a layer before it`,
    );
  }
  const sizes = isDense
    ? [[height, width] as const]
    : [...new Set(sides)].sort((a, b) => a - b).map((side) => [side, side] as const);
  const mirrored = mirror === "auto" ? pictures <= MIRRORED_MOST : mirror === "on";
  const features = { sizes, blocks, mirrored }, model = withoutHead(base, features, choice);
  const length = featureLength(features, model.architecture);
  if (length > MAX_FEATURES) {
    throw new RangeError(
      `Expected at most ${MAX_FEATURES} features, found ${length}: read later layers, fewer of them, or pool them`,
    );
  }
  return { model, sha256: base.sha256, features };
}

/** The layer whose outputs are the logits. */
const CLASSIFYING = `fc${MAX_DENSE}`;

/** Layers that are read by default. */
const DEFAULT_LAYERS: readonly LayerName[] = ["pool4", "pool5"];

/**
 * The side of the square in which pictures are looked at. Of few pictures the mirror image is worth more than a
 * larger side, of many neither the time.
 *
 * @param trained The side that the layers were trained for.
 */
function defaultSide(trained: number, pictures: number): number {
  const isLarger = pictures > MIRRORED_MOST && pictures <= LARGER_MOST;
  return isLarger ? 32 * Math.round(trained * 1.2 / 32) : trained;
}

/** The layers of a model up to those that are read, on inputs of the first size. */
function withoutHead(base: Model, { sizes, blocks }: FeatureRecipe, choice: FeatureChoice): Model {
  const { id, provenance } = base, { architecture, preprocessing } = modelAt(base, sizes[0]!);
  const isDense = blocks.some(({ layer }) => layer.startsWith("fc"));
  const isAverage = blocks.some(({ layer }) => layer === "average");
  const own = {
    ...architecture,
    pooling: isDense || isAverage ? architecture.pooling : undefined,
    dense: isDense ? architecture.dense : [],
    head: undefined,
  };
  const layers = layersOf(own), kept = new Set(layers.map(({ name }) => name));
  const weightBytes = layers.reduce(
    (sum, { filterSize: [h, w], inChannels, outChannels }) =>
      sum + h * w * inChannels * outChannels,
    0,
  );
  return {
    id,
    architecture: own,
    preprocessing: preprocessingFor(preprocessing, choice),
    labels: [],
    provenance,
    parameters: base.parameters.filter(({ name }) => kept.has(name)),
    weightBytes,
    async *weights(options) {
      let left = weightBytes;
      for await (const piece of base.weights(options)) {
        if (!kept.has(piece.layer)) continue;
        yield piece satisfies WeightPiece;
        if ((left -= piece.data.length) === 0) return; // Whatever follows is not even read.
      }
    },
  };
}

/** How the new model prepares images: the frozen layers' way, but for what the options change. */
function preprocessingFor(
  preprocessing: Preprocessing,
  { grayscale, standardize }: FeatureChoice,
): Preprocessing {
  const own = { ...preprocessing, ...grayscale ? { grayscale } : {} };
  if (standardize === undefined || preprocessing.standardize !== undefined) return own;
  // What the layers see varies as photographs do that they were trained on, around 0.
  const scale = preprocessing.scale * PHOTOGRAPHS_DEVIATION / STANDARD_DEVIATION;
  const mean = preprocessing.mean.map(() => STANDARD_MEAN * scale);
  return { ...own, standardize, scale, mean };
}

/** Of the bytes of ImageNet's photographs: torchvision's 0.225 of 255. */
const PHOTOGRAPHS_DEVIATION = 57;
