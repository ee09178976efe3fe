/**
 * Many images -> batches of their views, as an engine takes them.
 *
 * @module
 */

import type { Batch } from "../engine/engine.ts";
import type { Architecture } from "../model/architecture.ts";
import { batchViews, type View } from "./views.ts";

/**
 * An image as a classifier's network takes it: decoded, resized and cropped. Made by
 * `Classifier.prepare()`, for that model alone.
 */
export class PreparedImage {
  /** One view of the image, or several that are averaged. */
  readonly views: readonly View[];
  /** Use `Classifier.prepare()`. */
  constructor(views: readonly View[]) {
    this.views = views;
  }
}

/** A view, and the position of its image in the list that was given. */
export type ViewOf = View & { readonly image: number };

/** Values of a batch's input above which it is split: about seven images of 224x224. */
const MAX_BATCH_VALUES = 2 ** 20;
const MAX_BATCH = 64;

/**
 * Prepares images and puts their views into batches of one size each, no more at a time than one may
 * hold.
 *
 * @param prepare Called for each image in turn.
 * @param input The size of the model's input.
 */
export async function* batchesOf<T>(
  images: readonly T[],
  prepare: (image: T) => Promise<PreparedImage> | PreparedImage,
  { channels, height, width }: Architecture["input"],
  signal?: AbortSignal,
): AsyncGenerator<{ batch: Batch; views: ViewOf[] }> {
  const maxPixels = MAX_BATCH_VALUES / channels;
  const maxImages = Math.max(1, Math.min(MAX_BATCH, Math.floor(maxPixels / (height * width))));
  for (let first = 0; first < images.length; first += maxImages) {
    const views: ViewOf[] = [];
    for (const [n, image] of images.slice(first, first + maxImages).entries()) {
      signal?.throwIfAborted();
      const prepared = await prepare(image);
      views.push(...prepared.views.map((view) => ({ ...view, image: first + n })));
    }
    for (const chosen of batchViews(views, maxPixels, MAX_BATCH)) {
      yield { batch: batchOf(chosen), views: chosen };
    }
  }
}

/** Views of one size as an engine takes them. */
export function batchOf(views: readonly View[]): Batch {
  const [{ height, width, data: { length } }] = views;
  const data = new Uint8Array(views.length * length);
  views.forEach((view, n) => data.set(view.data, n * length));
  return { data, count: views.length, height, width };
}
