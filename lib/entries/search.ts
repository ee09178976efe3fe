/**
 * Pictures that look the same or show the same kind of thing, and copies: an index that is kept in a file
 * and brought up to date.
 *
 * @example
 * ```ts
 * import { openIndex } from "@edge/vgg16/search";
 *
 * // With `file: "photos.index"` it is kept.
 * await using index = await openIndex({ backend: "wasm" });
 * const photos = ["cat.png", "coffee.png", "boats.jpg"].map((name) => `tests/data/photos/${name}`);
 * await index.update(photos);
 * const [best] = await index.similar(await Deno.readFile("tests/data/photos/cat.png"));
 * console.log(best.name, best.kind); // tests/data/photos/cat.png copy
 * console.log(await index.duplicates()); // []
 * ```
 *
 * @module
 */

import "./embedded.ts";
import "./whole.ts";

export { isVggError, SearchIndexError } from "../errors.ts";
export { openIndex } from "../search/search_index.ts";

export type { ClassifierOptions } from "../classifier.ts";
export type { Backend, BackendOptions, Precision } from "../engine/engine.ts";
export type { ERROR_CODES, ErrorCode, VggError, VggErrorOptions } from "../errors.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  LazyImage,
  Pixels,
  RawPixels,
} from "../image/image.ts";
export type { ImageError } from "../input/image_error.ts";
export type { Images, NamedImage, PreparedImage } from "../input/prepared_image.ts";
export type { PlainSource, SourceLike } from "../io/open_source.ts";
export type { PackagedFile, WrappedFile } from "../io/wrapped_file.ts";
export type { Architecture, Configuration, LayerName } from "../model/architecture.ts";
export type {
  LayerParameters,
  Model,
  PixelWhitening,
  Preprocessing,
  Provenance,
  Verification,
  WeightPiece,
} from "../model/model.ts";
export type {
  DenseReadout,
  FeatureBlock,
  FeaturePooling,
  FeatureRecipe,
  NearestReadout,
  Readout,
} from "../model/readout.ts";
export type { ModelSource } from "../open_model.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Copy, Duplicates } from "../search/duplicates.ts";
export type { By, Picture } from "../search/pictures.ts";
export type {
  DuplicatesOptions,
  IndexOptions,
  IndexUpdate,
  Match,
  SearchIndex,
  SimilarOptions,
  UpdateOptions,
} from "../search/search_index.ts";
export type { Fetch } from "../urls.ts";
