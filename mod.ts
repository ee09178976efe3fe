/**
 * Image classification with quantized VGG networks, on WebGPU or WebAssembly.
 *
 * @example
 * ```ts
 * import { classify } from "@edge/vgg16";
 *
 * const [best] = await classify(await Deno.readFile("tests/data/photos/cat.png"));
 * console.log(best.label); // tabby cat
 * ```
 *
 * @module
 */

import "./lib/entries/embedded.ts";
import "./lib/entries/whole.ts";

export { loadClassifier } from "./lib/classifier.ts";
export { classifierFrom } from "./lib/compose/classifier_from.ts";
export { fuse } from "./lib/compose/fuse.ts";
export { classify, sharedClassifier } from "./lib/compose/shared.ts";
export { createHandler, createService, handler } from "./lib/http/service.ts";
export { similarity } from "./lib/output/embedding.ts";
export {
  BackendUnavailableError,
  CheckpointFormatError,
  DiskFullError,
  DisposedError,
  ERROR_CODES,
  ImageDecodeError,
  ImageTooLargeError,
  isVggError,
  ModelNotFoundError,
  OfflineError,
  ScoresNotFiniteError,
  VggError,
  WeightsDownloadError,
  WeightsIntegrityError,
} from "./lib/errors.ts";

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
} from "./lib/classifier.ts";
export type { ClassifierParts, ScoreRows, ScoresOptions } from "./lib/compose/classifier_from.ts";
export type { Backend, BackendOptions, LayerProfile, Precision } from "./lib/engine/engine.ts";
export type { ProfileOptions } from "./lib/engine/profile.ts";
export type { ErrorCode, FormatCode } from "./lib/errors.ts";
export type { ExplainOptions, Explanation } from "./lib/explain/explain.ts";
export type { Connection, Service } from "./lib/http/server/http_service.ts";
export type {
  LogLevel,
  RemoteRules,
  ServiceOptions,
  Settings,
} from "./lib/http/server/settings.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  LazyImage,
  Pixels,
  RawPixels,
} from "./lib/image/image.ts";
export type { Address, FetchImageOptions } from "./lib/image/remote/guarded_fetch.ts";
export type { ImageOutcome, ImageResult } from "./lib/input/each_image.ts";
export type { ErrorsOf, ImageError, ImagePlace, ManyOptions } from "./lib/input/image_error.ts";
export type {
  Images,
  Input,
  LookOption,
  NamedImage,
  OptionsFor,
  PreparedImage,
} from "./lib/input/prepared_image.ts";
export type { Crops, ViewOptions } from "./lib/input/views.ts";
export type { PlainSource, SourceLike } from "./lib/io/open_source.ts";
export type { PackagedFile, WrappedFile } from "./lib/io/wrapped_file.ts";
export type {
  Architecture,
  Configuration,
  EmbeddingName,
  LayerInfo,
  LayerName,
} from "./lib/model/architecture.ts";
export type { ClassInfo, ClassName } from "./lib/model/classes.ts";
export type { DefaultLabel } from "./lib/model/default_labels.ts";
export type {
  LayerParameters,
  Model,
  PixelWhitening,
  Preprocessing,
  Provenance,
  Verification,
  WeightPiece,
} from "./lib/model/model.ts";
export type {
  DenseReadout,
  FeatureBlock,
  FeaturePooling,
  FeatureRecipe,
  NearestReadout,
  Readout,
  ReadoutDescription,
} from "./lib/model/readout.ts";
export type { ModelSource } from "./lib/open_model.ts";
export type { Embedding, EmbeddingOptions, ReadableLayer } from "./lib/output/embedding.ts";
export type { Prediction, Predictions, SelectionOptions } from "./lib/output/predictions.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "./lib/progress.ts";
export type { Fetch } from "./lib/urls.ts";
