/**
 * The functions of `./edge` where WebAssembly is compiled from no bytes, as in Cloudflare's Workers: first the
 * program gives the compiled modules, which its bundler has from files that `writeModules()` makes.
 *
 * @example
 * ```ts
 * import { writeModules } from "@edge/vgg16/worker";
 * import { model } from "@edge/vgg16-small";
 *
 * // What the Worker then imports: provideModules(modules, model).
 * const names = await writeModules(await Deno.makeTempDir(), model);
 * console.log(names.at(-2)); // mod.js
 * ```
 *
 * @module
 */

export { loadClassifier } from "../classifier.ts";
export { classify } from "../compose/shared.ts";
export { createHandler, createService, handler } from "../http/service.ts";
export { isVggError } from "../errors.ts";
export { provideModules, writeModules } from "../worker_modules.ts";

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
export type { SourceLike } from "../io/open_source.ts";
export type { PackagedFile, WrappedFile } from "../io/wrapped_file.ts";
export type {
  Architecture,
  Configuration,
  EmbeddingName,
  LayerInfo,
  LayerName,
} from "../model/architecture.ts";
export type { ClassInfo, ClassName } from "../model/classes.ts";
export type { DefaultLabel } from "../model/default_labels.ts";
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
export type { ModuleName } from "../module_name.ts";
export type { Fetch } from "../urls.ts";
export type { WorkerModules } from "../worker_modules.ts";
