/** What classifiers need of an image that is decoded for them, once for several. */

import type { ImageOptions, ReadImageOptions } from "../image/image.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import type { ViewOptions } from "./views.ts";

/** Pixels of the shorter side, where not all are needed, and whether it must not come from the network. */
export type Needs = Pick<ReadImageOptions, "shorterSide" | "offline">;

const known = new WeakMap<object, (views: ViewOptions) => Needs>();

/** Tells what a classifier needs for some views. */
export function tellNeeds(classifier: object, needsFor: (views: ViewOptions) => Needs): void {
  known.set(classifier, needsFor);
}

/** How an image is read for a classifier; in full for one of which nothing is known. */
export function readingFor(
  classifier: object,
  options: ViewOptions & ImageOptions,
): ReadImageOptions {
  const { shorterSide, offline } = known.get(classifier)?.(options) ?? {};
  const given = pickOptions(IMAGE_OPTIONS, options);
  return { ...given, shorterSide, offline: offline || given.offline };
}
