/**
 * Images as they go in and come out: decoded once, resized, drawn on, encoded; and fetched by strangers'
 * URLs.
 *
 * @example
 * ```ts
 * import { classify } from "@edge/vgg16";
 * import { drawPredictions, encodePng, readImage } from "@edge/vgg16/image";
 *
 * const photo = await readImage("tests/data/photos/cat.png");
 * const labeled = await encodePng(await drawPredictions(photo, await classify(photo, { topK: 3 })));
 * ```
 *
 * @module
 */

export { drawExplanation, drawPredictions } from "../explain/draw.ts";
export { encodePng } from "../image/codecs/encode_png.ts";
export { fetchImage } from "../image/fetch_image.ts";
export { readImage } from "../image/read.ts";
export { resizeImage } from "../image/resize.ts";

export type { Explanation } from "../explain/explain.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  Pixels,
  RawPixels,
  ReadImageOptions,
} from "../image/image.ts";
export type { Address, FetchImageOptions } from "../image/remote/guarded_fetch.ts";
export type { ResizeFilter, ResizeOptions } from "../image/resize.ts";
export type { Prediction } from "../output/predictions.ts";
export type { Fetch } from "../urls.ts";
