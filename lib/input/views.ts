/**
 * An image -> the crops, scales and flips of it that are classified and averaged (arXiv 1409.1556,
 * section 3.2).
 */

import { ImageTooLargeError } from "../errors.ts";
import { type Box, channelsOf, type Pixels, type Size } from "../image/image.ts";
import type { Model } from "../model/model.ts";
import { type FeatureRecipe, type Readout, resized, type ViewShare } from "../model/readout.ts";
import { completeOptions, VIEW_OPTIONS } from "../options.ts";
import {
  centerBox,
  cutView,
  type InputSize,
  prepareInput,
  shorterSideTo,
  withChannels,
} from "./prepare.ts";

/** Which parts of an image are looked at. */
export type Crops = "center" | "ten" | "dense" | "multi" | "dense+multi";

/** How an image is looked at. */
export interface ViewOptions {
  /**
   * - `"center"`, the default: the center, as the model was trained;
   * - `"ten"`: the four corners and the center;
   * - `"dense"`: all of the image, the dense layers applied as convolutions, their score map averaged;
   * - `"multi"`: the paper's regular grid of 5 x 5 crops;
   * - `"dense+multi"`: both, averaged.
   */
  readonly crops?: Crops | undefined;
  /**
   * Shorter sides in pixels to which the image is resized in turn, each at least the model's input
   * size (the paper's Q). Default: the one of the model's preprocessing.
   */
  readonly scales?: readonly number[] | undefined;
  /** Whether each view is also looked at mirrored. Default: for `"ten"` and the parts of `"multi"`. */
  readonly flip?: boolean | undefined;
}

/** A part of an image, with the size and the channels that the network takes. */
export interface View extends Pixels, ViewShare {}

const GRID = 5;
/** Of a resized image that is looked at as a whole: 2048 x 2048. */
const MAX_DENSE_PIXELS = 2 ** 22;

/**
 * Checks how images shall be looked at.
 *
 * @throws {RangeError} If `crops` is not one of its values, or a scale is not an integer, smaller than
 *   the model's input or over 4096, or they do not go with the model's readout.
 */
export function checkViews(options: ViewOptions, model: LookedWith): void {
  const { height, width } = model.architecture.input;
  const bounds = { min: Math.max(height, width), why: "not below the model's input size" };
  completeOptions({ ...VIEW_OPTIONS, scales: { ...VIEW_OPTIONS.scales, ...bounds } }, options);
  if (model.readout === undefined || isPlain(options)) return;
  const { sizes, blocks } = model.readout.features;
  if (sizes.length > 1) {
    throw new RangeError(
      "A model that looks at an image in several sizes looks at its center: leave out crops and scales",
    );
  }
  const parts = blocks.find(({ pooling }) => pooling !== "avg");
  if (parts !== undefined && options.crops?.startsWith("dense")) {
    throw new RangeError(
      `A model whose head sees each part of ${parts.layer} takes views of one size: leave out dense crops, and the ` +
        "scale of an explanation",
    );
  }
}

/** What of a model says how images are looked at. */
export interface LookedWith extends Pick<Model, "architecture"> {
  readonly readout?: Pick<Readout, "features"> | undefined;
}

/** The shorter sides in pixels to which an image is resized. */
export function scalesOf(
  model: LookedWith & Pick<Model, "preprocessing">,
  { scales }: ViewOptions,
): readonly number[] {
  return scales ??
    sizedModels(model).map(({ architecture: { input }, preprocessing }) =>
      preprocessing.resize === "direct" ? Math.max(input.height, input.width) : preprocessing.size
    );
}

/** What of a model goes by the size of its input. */
type SizedModel = Pick<Model, "architecture" | "preprocessing">;

/** A model on inputs of another size: what an image is resized to grows with the input. */
export function modelAt(
  { architecture, preprocessing }: SizedModel,
  size: FeatureRecipe["sizes"][number],
): SizedModel {
  const { height, width } = architecture.input;
  // Not below the input, however it is rounded.
  const side = Math.ceil(preprocessing.size * Math.max(...size) / Math.max(height, width));
  return {
    architecture: resized(architecture, size),
    preprocessing: { ...preprocessing, size: side },
  };
}

/** The model in each of the sizes in which it looks at an image. */
function sizedModels(
  { readout, ...model }: LookedWith & Pick<Model, "preprocessing">,
): SizedModel[] {
  if (readout === undefined) return [model];
  return readout.features.sizes.map((size) => modelAt(model, size));
}

/**
 * Cuts an image into the views of which a model's head makes scores, one at least. Of a readout each look
 * gives one for each size, and its mirror image where the features want that or `flip` does.
 *
 * @throws {ImageTooLargeError} If it is so long that all of it at a scale is over 4 million pixels.
 */
export function looksOf(
  image: Pixels,
  model: LookedWith & Pick<Model, "preprocessing">,
  options: ViewOptions = {},
): View[] {
  if (model.readout === undefined) return viewsOf(image, model, options);
  const mirrors = mirrorsOf(model.readout, options), share = 1 / mirrors.length;
  const sized = sizedModels(model);
  return sized.flatMap((model, size) =>
    viewsOf(image, model, { ...options, flip: false }).flatMap((view, look) =>
      mirrors.map((mirrored): View => ({
        ...view,
        data: mirrored ? mirror(view) : view.data,
        weight: view.weight * share / sized.length,
        part: { look, size, mirrored, share },
      }))
    )
  );
}

/** Of the views that make a row of features, those that show the image as {@linkcode viewsOf} does. */
export function plainViews(views: readonly View[]): View[] {
  const plain = views.filter(({ part }) => !part || part.size === 0 && !part.mirrored);
  const sum = plain.reduce((sum, { weight }) => sum + weight, 0);
  return sum === 1 ? plain : plain.map((view) => ({ ...view, weight: view.weight / sum }));
}

function mirrorsOf({ features }: Pick<Readout, "features">, { flip }: ViewOptions): boolean[] {
  return flip ?? features.mirrored ? [false, true] : [false];
}

/**
 * Cuts an image into views, one at least.
 *
 * @throws {ImageTooLargeError} If it is so long that all of it at a scale is over 4 million pixels.
 */
export function viewsOf(
  image: Pixels,
  model: Pick<Model, "architecture" | "preprocessing">,
  options: ViewOptions = {},
): View[] {
  const { preprocessing, architecture: { input } } = model;
  const { height, width } = input;
  if (isPlain(options)) {
    const data = prepareInput(image, preprocessing, input);
    return withMirrored([{ data, height, width, weight: 1 }], options.flip ?? false);
  }
  const pixels = withChannels(image, input.channels, preprocessing.grayscale);
  const cuts = cutsOf(image, model, options), share = 1 / cuts.length;
  return cuts.flatMap(({ width, height, boxes, isMirrored }) => {
    const views = boxes.map(({ count, ...box }) => {
      const data = cutView(pixels, width, height, box, preprocessing);
      const total = boxes.reduce((sum, { count }) => sum + count, 0);
      const weight = share * count / total;
      return { data, height: box.height, width: box.width, weight };
    });
    return withMirrored(views, isMirrored);
  });
}

/**
 * How many pixels the views have of which a model's head makes scores, without cutting one.
 *
 * @throws {ImageTooLargeError} As {@linkcode looksOf} does.
 */
export function lookPixels(
  image: Size,
  model: LookedWith & Pick<Model, "preprocessing">,
  options: ViewOptions = {},
): number {
  if (model.readout === undefined) return viewPixels(image, model, options);
  const mirrors = mirrorsOf(model.readout, options).length, once = { ...options, flip: false };
  return sizedModels(model)
    .reduce((sum, sized) => sum + mirrors * viewPixels(image, sized, once), 0);
}

/** The same for the views of {@linkcode viewsOf}. */
export function viewPixels(
  image: Size,
  model: Pick<Model, "architecture" | "preprocessing">,
  options: ViewOptions = {},
): number {
  const { height, width } = model.architecture.input;
  if (isPlain(options)) return height * width * (options.flip ? 2 : 1);
  let pixels = 0;
  for (const { boxes, isMirrored } of cutsOf(image, model, options)) {
    for (const box of boxes) pixels += box.width * box.height * (isMirrored ? 2 : 1);
  }
  return pixels;
}

/** Whether an image is looked at as the model was trained. */
function isPlain({ crops = VIEW_OPTIONS.crops.default, scales }: ViewOptions): boolean {
  return crops === "center" && scales === undefined;
}

/** What is cut out of an image that is resized once. All of an image's count alike. */
interface Cut extends Size {
  readonly boxes: readonly (Box & { count: number })[];
  readonly isMirrored: boolean;
}

function cutsOf(
  image: Size,
  model: Pick<Model, "architecture" | "preprocessing">,
  options: ViewOptions,
): Cut[] {
  const { crops = VIEW_OPTIONS.crops.default, flip } = options;
  const parts = crops === "dense+multi" ? ["dense", "multi"] as const : [crops];
  const sizes = scalesOf(model, options);
  return parts.flatMap((part) =>
    sizes.map((size) => {
      const [width, height] = shorterSideTo(size, image.width, image.height);
      const boxes = boxesOf(part, width, height, model.architecture.input);
      return { width, height, boxes, isMirrored: flip ?? (part === "ten" || part === "multi") };
    })
  );
}

/** The parts of a resized image, each once, with how often it counts. */
function boxesOf(
  crops: Exclude<Crops, "dense+multi">,
  width: number,
  height: number,
  input: InputSize,
): (Box & { count: number })[] {
  if (crops === "dense") {
    if (width * height > MAX_DENSE_PIXELS) {
      throw new ImageTooLargeError(
        `Expected at most ${MAX_DENSE_PIXELS} pixels for dense evaluation, found ${width}x${height} ` +
          `after resizing: use crops, or smaller scales`,
        { width, height },
      );
    }
    return [{ left: 0, top: 0, width, height, count: 1 }];
  }
  const center = centerBox(width, height, input);
  if (crops === "center") return [{ ...center, count: 1 }];
  const right = width - input.width, bottom = height - input.height;
  const places: (readonly [left: number, top: number])[] = crops === "ten"
    ? [[0, 0], [right, 0], [0, bottom], [right, bottom], [center.left, center.top]]
    : grid(right).flatMap((left) => grid(bottom).map((top) => [left, top] as const));
  // An image of nearly the input's size has the same crop more than once.
  const counts = new Map<string, Box & { count: number }>();
  for (const [left, top] of places) {
    const known = counts.get(`${left},${top}`)?.count ?? 0;
    const box = { left, top, width: input.width, height: input.height, count: known + 1 };
    counts.set(`${left},${top}`, box);
  }
  return [...counts.values()];
}

function grid(span: number): number[] {
  return Array.from({ length: GRID }, (_, i) => Math.round(span * i / (GRID - 1)));
}

function withMirrored(views: readonly View[], flip: boolean): View[] {
  if (!flip) return [...views];
  const halves = views.map((view) => ({ ...view, weight: view.weight / 2 }));
  return [...halves, ...halves.map((view) => ({ ...view, data: mirror(view) }))];
}

/** The pixels, right to left. */
export function mirror(pixels: Pixels): Uint8Array {
  const { data, width, height } = pixels, channels = channelsOf(pixels);
  const mirrored = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels, to = (y * width + width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) mirrored[to + c] = data[from + c]!;
    }
  }
  return mirrored;
}
