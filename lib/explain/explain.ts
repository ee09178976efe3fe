/** Which part of an image speaks for a class. */

import type { Activations, Engine } from "../engine/engine.ts";
import {
  checkViews,
  type LookedWith,
  lookPixels,
  looksOf,
  type View,
  type ViewOptions,
} from "../input/views.ts";
import { type ImageOptions, type Pixels, type Size, toRgb } from "../image/image.ts";
import { centerBox, shorterSideTo } from "../input/prepare.ts";
import { cropImage } from "../image/resize.ts";
import { completeOptions, EXPLANATION_OPTIONS } from "../options.ts";
import { bestClass, headScores, scoresOfMean } from "../output/predictions.ts";
import { type ClassInfo, type ClassName, findClass } from "../model/classes.ts";
import { layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import type { Readout } from "../model/readout.ts";
import { readoutGradient, ReadoutMean } from "../output/readout.ts";
import { readoutMap } from "./readout_map.ts";
import { type ClassMap, gradCam, gradCamLayers } from "./grad_cam.ts";

/** Options of {@linkcode Classifier.explain}. */
export interface ExplainOptions extends ImageOptions {
  /** The class to explain. Default: the predicted one. */
  readonly label?: ClassName | undefined;
  /**
   * `"grad-cam"`, the default: where the last convolution saw what speaks for the class (in a view of
   * less than 64 pixels that of block 4, as block 5 has fewer than 4x4 positions there), or, of a model
   * that `fit` made, what each position of the layers that it reads adds to the class's logit;
   * `"score-map"`: the class's probability at each place to which the network is applied, which needs
   * a `scale` above the model's input size, and a model that does not average them.
   */
  readonly method?: "grad-cam" | "score-map" | undefined;
  /**
   * Shorter side in pixels to which the whole image is resized; a larger one gives a finer map. Default:
   * the view that {@linkcode Classifier.classify} takes.
   */
  readonly scale?: number | undefined;
}

/** Which part of an image speaks for a class. */
export interface Explanation<Label extends string = string> {
  /** The class that is explained. */
  readonly label: Label;
  /** Index of the class in the model's outputs. */
  readonly index: number;
  /** The class's WordNet id, where the model has one. */
  readonly id?: string | undefined;
  /** The class's probability for what was looked at, 0…1. */
  readonly score: number;
  /** How. */
  readonly method: "grad-cam" | "score-map";
  /** `[height, width]`: at least 0 (`"grad-cam"`, in units of the logit), or 0…1 (`"score-map"`). */
  readonly map: Float32Array;
  /** Rows of the map. */
  readonly height: number;
  /** Columns of the map. */
  readonly width: number;
  /**
   * The part of the image that was looked at, in its own resolution; of a prepared image, what the
   * network sees.
   */
  readonly image: Pixels;
  /**
   * Where the map's positions lie in `image`: position i is centered at `offset + i * step`, as
   * fractions of the image's width and height.
   */
  readonly grid: {
    readonly offset: readonly [x: number, y: number];
    readonly step: readonly [x: number, y: number];
  };
}

/**
 * Rows and columns that a map has at least: a view of 32 pixels leaves 2x2 positions to block 5, which
 * say little, and 4x4 to block 4.
 */
const MIN_POSITIONS = 4;
/** Pixels between two positions of the score map. */
const SCORE_MAP_STRIDE = 32;

/** Checked options. */
export interface Target {
  /** Index of the class; `undefined` for the predicted one. */
  readonly index: number | undefined;
  readonly method: "grad-cam" | "score-map";
  readonly scale: number | undefined;
}

/**
 * Checks options against a model.
 *
 * @throws {RangeError} If the class is unknown or its name ambiguous, a value is out of range, or the
 *   method does not go with the model or the scale.
 */
export function checkExplanation(
  options: Omit<ExplainOptions, keyof ImageOptions>,
  model: LookedWith,
  classes: readonly ClassInfo[],
): Target {
  const { architecture: { input, pooling }, readout } = model;
  const bounds = {
    min: Math.max(input.height, input.width),
    why: "not below the model's input size",
  };
  const table = { ...EXPLANATION_OPTIONS, scale: { ...EXPLANATION_OPTIONS.scale, ...bounds } };
  const { method, scale, label } = completeOptions(table, options);
  if (classes.length === 0) {
    throw new RangeError("A model without dense layers has no class to explain");
  }
  const dense = readout?.features.blocks.find(({ layer }) => layer.startsWith("fc"));
  if (dense !== undefined) {
    throw new RangeError(
      `The head of this model sees ${dense.layer}, which has no positions: explain shows those of its maps`,
    );
  }
  if (method === "score-map" && (pooling === "average" || readout !== undefined)) {
    throw new RangeError(
      "A model that averages all positions has one score for an image, and no map of them: take grad-cam",
    );
  }
  if (method === "score-map" && scale === undefined) {
    throw new RangeError(
      "A score map needs a scale above the model's input size: give one, or take grad-cam",
    );
  }
  checkViews(scaled(scale), model);
  const index = label === undefined ? undefined : findClass(label, classes).index;
  return { method, scale, index };
}

/** What an explanation is of. */
export interface Looked {
  /** What the network sees; of a readout all views of one look, the first of which is explained. */
  readonly views: readonly [View, ...View[]];
  /** The same part of the image, as people see it. */
  readonly image: Pixels;
}

/** What is looked at of an image. */
export function lookAt(image: Pixels, model: Model, { scale }: Pick<Target, "scale">): Looked {
  const views = looksOf(image, model, scaled(scale)) as [View, ...View[]]; // It is one look.
  return { views, image: scale === undefined ? viewed(image, model) : image };
}

const scaled = (scale: number | undefined): ViewOptions =>
  scale === undefined ? {} : { crops: "dense", scales: [scale] };

/** How many pixels go through the network for an explanation: those of its views. */
export function explainPixels(
  image: Size,
  model: LookedWith & Pick<Model, "preprocessing">,
  { scale }: Pick<ExplainOptions, "scale">,
): number {
  return lookPixels(image, model, scaled(scale));
}

/**
 * What is looked at of a prepared image.
 *
 * @throws {RangeError} If it was prepared to be looked at more than once.
 */
export function lookAtViews(views: readonly View[]): Looked {
  const [first] = views as [View]; // There is one at least.
  const looks = first.part === undefined ? views.length : 1 + views.at(-1)!.part!.look;
  if (looks > 1) {
    throw new RangeError(
      `explain() takes images of one view: this one was prepared with ${looks}`,
    );
  }
  return { views: views as [View, ...View[]], image: toRgb(first) };
}

export async function explainImage<Label extends string>(
  engine: Engine,
  model: Model,
  classes: readonly ClassInfo<Label>[],
  { views, image }: Looked,
  { method, index: given }: Target,
  signal?: AbortSignal,
): Promise<Explanation<Label>> {
  const [view] = views;
  const explained = model.readout === undefined
    ? await explainNetwork(engine, model, view, method, given, signal)
    : await explainReadout(engine, model, model.readout, views, given, signal);
  const { index, score, map, stride, first } = explained, { label, id } = classes[index]!;
  return {
    label,
    index,
    ...id === undefined ? {} : { id },
    score,
    method,
    map: Float32Array.from(map.data),
    height: map.height,
    width: map.width,
    image,
    grid: {
      offset: [first[0] / view.width, first[1] / view.height],
      step: [stride / view.width, stride / view.height],
    },
  };
}

/** A map of a class, and where in a view its positions lie. */
interface Explained {
  readonly index: number;
  readonly score: number;
  readonly map: ClassMap;
  /** Pixels between two positions. */
  readonly stride: number;
  /** Where the first position is centered. */
  readonly first: readonly [x: number, y: number];
}

async function explainNetwork(
  engine: Engine,
  model: Model,
  view: View,
  method: Target["method"],
  given: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Explained> {
  const { input } = model.architecture, { layer, pools } = explainedLayer(model, view);
  const classifying = layersOf(model.architecture).at(-1)!.name;
  const layers = [classifying, ...method === "grad-cam" ? gradCamLayers(model, layer) : []];
  const found = await engine.runLayers({ ...view, count: 1 }, layers, { signal });
  const [logits, ...seen] = found as [Activations, ...Activations[]];
  const scores = scoresOfMean(logits, 0, model);
  const index = given ?? bestClass(scores);
  const map = method === "grad-cam"
    ? await gradCam(model, view, index, seen, signal)
    : scoreMap(logits, index, model);
  const stride = method === "grad-cam" ? 2 ** pools : SCORE_MAP_STRIDE;
  const first = method === "grad-cam"
    ? [stride / 2, stride / 2] as const
    : [input.width / 2, input.height / 2] as const;
  return { index, score: scores[index]!, map, stride, first };
}

/** What a look at an image gives; the map is that of its first view. */
async function explainReadout(
  engine: Engine,
  model: Model,
  readout: Readout,
  views: readonly View[],
  given: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Explained> {
  const { features } = readout, mean = new ReadoutMean(model, readout);
  const layers = features.blocks.map(({ layer }) => layer);
  const maps = layers.map((name) => name === "average" ? "pool5" : name);
  let seen: Activations[] = [];
  for (const view of views) {
    const isFirst = view === views[0], wanted = [...layers, ...isFirst ? maps : []];
    const found = await engine.runLayers({ ...view, count: 1 }, wanted, { signal });
    mean.add(found.slice(0, layers.length), 0, view);
    if (isFirst) seen = found.slice(layers.length);
  }
  const scores = mean.result(), index = given ?? bestClass(scores), [view] = views as [View];
  const gradient = readoutGradient(readout, mean.row, index);
  const map = readoutMap(features, model.architecture, gradient, seen);
  const stride = 2 ** Math.round(Math.log2(view.height / map.height)); // An odd row is dropped.
  return { index, score: scores[index]!, map, stride, first: [stride / 2, stride / 2] };
}

/** The last convolution of the deepest block with a map that is fine enough, and the pools before it. */
function explainedLayer(
  { architecture }: Model,
  { height, width }: Size,
): { layer: string; pools: number } {
  const pooled = layersOf(architecture).filter(({ pool }) => pool !== undefined);
  const pools = pooled.findLastIndex((_, pools) =>
    pools === 0 || Math.min(height, width) >> pools >= MIN_POSITIONS
  );
  return { layer: pooled[pools]!.name, pools };
}

/** The probability of a class at each position of the score map. */
function scoreMap(
  { data, shape, scale }: Activations,
  index: number,
  model: Model,
): ClassMap {
  const [, height = 1, width = 1, outputs = 1] = shape;
  const map = Float64Array.from({ length: height * width }, (_, p) => {
    const logits = data.subarray(p * outputs, (p + 1) * outputs);
    return headScores(logits, scale[0]!, model)[index]!;
  });
  return { data: map, height, width };
}

/** The part of an image that a classifier looks at by default. */
function viewed(
  image: Pixels,
  { preprocessing, architecture: { input } }: Pick<Model, "preprocessing" | "architecture">,
): Pixels {
  if (preprocessing.resize === "direct") return image;
  const [width, height] = shorterSideTo(preprocessing.size, image.width, image.height);
  const box = centerBox(width, height, input);
  const x = image.width / width, y = image.height / height;
  const left = Math.round(box.left * x), top = Math.round(box.top * y);
  return cropImage(image, {
    left,
    top,
    width: Math.max(1, Math.min(image.width - left, Math.round(box.width * x))),
    height: Math.max(1, Math.min(image.height - top, Math.round(box.height * y))),
  });
}
