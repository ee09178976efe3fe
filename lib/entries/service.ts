/**
 * The HTTP service as a web handler, `Request -> Response`, without a socket of its own.
 *
 * @example
 * ```ts
 * import { createHandler } from "@edge/vgg16/service";
 *
 * const handler = createHandler({ maxBodyBytes: 1_000_000, logLevel: "off" });
 * const image = await Deno.readFile("tests/data/photos/cat.png");
 * const request = new Request("http://localhost/classify", { method: "POST", body: image });
 * const [best] = await (await handler(request)).json();
 * console.log(best.label); // tabby cat
 * ```
 *
 * @module
 */

import "./embedded.ts";
import "./whole.ts";

export { createHandler, createService, handler } from "../http/service.ts";

export type {
  Classifier,
  ClassifierInfo,
  ClassifierOptions,
  ClassifierUsage,
  ClassifyOptions,
  DistanceOptions,
  EmbedOptions,
  EmbedStreamOptions,
  ImageClassifier,
  ImageClassifierInfo,
  NoThreshold,
  PrepareOptions,
  StreamOptions,
} from "../classifier.ts";
export type { Backend, BackendOptions, LayerProfile, Precision } from "../engine/engine.ts";
export type { ProfileOptions } from "../engine/profile.ts";
export type { ERROR_CODES, ErrorCode, VggError } from "../errors.ts";
export type { ExplainOptions, Explanation } from "../explain/explain.ts";
export type { Connection, Service } from "../http/server/http_service.ts";
export type { LogLevel, RemoteRules, ServiceOptions, Settings } from "../http/server/settings.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  LazyImage,
  Pixels,
  RawPixels,
} from "../image/image.ts";
export type { Address, FetchImageOptions } from "../image/remote/guarded_fetch.ts";
export type { ImageOutcome, ImageResult } from "../input/each_image.ts";
export type { ErrorsOf, ImageError, ImagePlace, ManyOptions } from "../input/image_error.ts";
export type {
  Images,
  Input,
  LookOption,
  NamedImage,
  OptionsFor,
  PreparedImage,
} from "../input/prepared_image.ts";
export type { Crops, ViewOptions } from "../input/views.ts";
export type { PlainSource, SourceLike } from "../io/open_source.ts";
export type { PackagedFile, WrappedFile } from "../io/wrapped_file.ts";
export type {
  Architecture,
  Configuration,
  EmbeddingName,
  LayerInfo,
  LayerName,
} from "../model/architecture.ts";
export type { ClassInfo, ClassName } from "../model/classes.ts";
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
  ReadoutDescription,
} from "../model/readout.ts";
export type { ModelSource } from "../open_model.ts";
export type { Embedding, EmbeddingOptions, ReadableLayer } from "../output/embedding.ts";
export type { Prediction, Predictions, SelectionOptions } from "../output/predictions.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Fetch } from "../urls.ts";
