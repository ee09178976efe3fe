/** Images -> batches of their views, as an engine takes them. */

import { abortable } from "@std/async/abortable";
import { concat } from "@std/bytes/concat";
import type { Batch } from "../engine/engine.ts";
import type { ImageInput, LazyImage } from "../image/image.ts";
import { unlessAborted } from "../image/read.ts";
import type { InputSize } from "./prepare.ts";
import type { Input, PreparedImage } from "./prepared_image.ts";
import type { ViewShare } from "../model/readout.ts";
import type { View } from "./views.ts";

/** Views of one size. */
export interface ViewBatch extends Batch {
  /** Of each view: the position of its image among those that were given, and what part it has there. */
  readonly views: readonly (ViewShare & { readonly image: number })[];
}

/** Values of a batch's input above which it is split: about seven images of 224x224. */
const MAX_BATCH_VALUES = 2 ** 20;
const MAX_BATCH = 64;
/** Images that go through a network together, and that are decoded meanwhile. */
export const MAX_IMAGES = 32;

/** Most pixels of a batch. */
export function maxPixelsFor({ channels }: InputSize): number {
  return MAX_BATCH_VALUES / channels;
}

/** How many images go through a network together, if there is one view of each. */
export function imagesTogether(input: InputSize): number {
  const fitting = Math.floor(maxPixelsFor(input) / (input.height * input.width));
  return Math.max(1, Math.min(MAX_IMAGES, fitting));
}

/** Things that come one after the other, for which nobody waits once the signal is aborted. */
export function stoppable<T>(
  items: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal | undefined,
): Iterable<T> | AsyncIterable<T> {
  if (signal === undefined || !(Symbol.asyncIterator in items)) return items;
  return untilAborted(items, signal);
}

async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  signal.throwIfAborted();
  const iterator = items[Symbol.asyncIterator]();
  let isOver = false;
  try {
    while (true) {
      const { done, value } = await abortable(Promise.resolve(iterator.next()), signal);
      isOver = done === true;
      if (isOver) return;
      yield value;
    }
  } finally {
    const end = async () => isOver || await iterator.return?.();
    const ending = end().catch(() => {});
    // A generator that waits for an item ends only when it has that.
    if (!signal.aborted) await ending;
  }
}

/** Gets an image that is given as a function; others are given already. */
export function openImage(image: LazyImage, signal?: AbortSignal): Promise<ImageInput>;
export function openImage(
  image: LazyImage | PreparedImage,
  signal?: AbortSignal,
): Promise<Input>;
export async function openImage(
  image: LazyImage | PreparedImage,
  signal?: AbortSignal,
): Promise<Input> {
  // An iterator may give promises, which nobody has waited for.
  const opening = Promise.resolve(typeof image === "function" ? image() : image);
  return await unlessAborted(opening, signal);
}

/** A view, and the position of its image in the caller's list. */
interface OwnedView {
  readonly view: View;
  readonly image: number;
}

/**
 * Puts views into batches of one size each, no larger than an engine should get. Smaller sizes come
 * first, so that an image's views are added up in the same order whatever is beside it: sums of floats
 * depend on it.
 */
export function* batchViews(views: readonly OwnedView[], maxPixels: number): Generator<ViewBatch> {
  const sizes = Map.groupBy(views, ({ view: { height, width } }) => height * 2 ** 16 + width);
  for (const [, same] of [...sizes].sort(([a], [b]) => a - b)) {
    const { height, width } = same[0]!.view;
    const most = Math.max(1, Math.min(MAX_BATCH, Math.floor(maxPixels / (height * width))));
    for (let first = 0; first < same.length; first += most) {
      const views = same.slice(first, first + most);
      yield {
        data: views.length === 1 ? views[0]!.view.data : concat(views.map(({ view }) => view.data)),
        count: views.length,
        height,
        width,
        views: views.map(({ view: { weight, part }, image }) => ({ image, weight, part })),
      };
    }
  }
}
