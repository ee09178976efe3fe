/**
 * Image classification with quantized VGG networks, on WebGPU or WebAssembly.
 *
 * @example
 * ```ts
 * import { classify } from "@edge/vgg16";
 *
 * const [best] = await classify(await Deno.readFile("tests/data/photos/cat.png"));
 * console.log(best.label); // cat
 * ```
 *
 * @module
 */

export { Classifier, classify, loadClassifier } from "./lib/classifier.ts";
export type {
  ClassifierInfo,
  ClassifierOptions,
  ClassifierUsage,
  ClassifyOptions,
  DistanceOptions,
  EmbedOptions,
  NoThreshold,
  PrepareOptions,
} from "./lib/classifier.ts";
export type { ProfileOptions } from "./lib/engine/profile.ts";
export { similarity } from "./lib/output/embedding.ts";
export type { Embedding, EmbeddingOptions } from "./lib/output/embedding.ts";
export type {
  Activations,
  Backend,
  Batch,
  Engine,
  EngineOptions,
  LayerProfile,
  Precision,
  RunOptions,
} from "./lib/engine/engine.ts";
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
export type { ErrorCode, ErrorMeaning, FormatCode, VggErrorOptions } from "./lib/errors.ts";
export {
  type Dataset,
  type IndexedSample,
  type LabeledImages,
  type ListOptions,
  listSamples,
  type Sample,
} from "./lib/input/dataset.ts";
export { evaluate } from "./lib/evaluate/evaluate.ts";
export type { EvaluateOptions, Evaluation } from "./lib/evaluate/evaluate.ts";
export { fuse, type Scorer } from "./lib/evaluate/fuse.ts";
export type {
  ClassMetrics,
  EvaluationRecord,
  Metrics,
  ReliabilityBin,
} from "./lib/evaluate/metrics.ts";
export type {
  Images,
  Input,
  LookOption,
  OptionsFor,
  PreparedImage,
} from "./lib/input/prepared_image.ts";
export type { Crops, ViewOptions } from "./lib/input/views.ts";
export { drawExplanation, drawPredictions } from "./lib/explain/draw.ts";
export type { ExplainOptions, Explanation } from "./lib/explain/explain.ts";
export { createHandler, handler } from "./lib/http/handler.ts";
export type { Connection, HandlerOptions } from "./lib/http/handler.ts";
export type { RemoteRules } from "./lib/http/remote/downloads.ts";
export type { Address } from "./lib/image/fetch_image.ts";
export type { ServedClassifier } from "./lib/http/queue/served_model.ts";
export type { LogLevel, Settings } from "./lib/http/server/settings.ts";
export { encodePng } from "./lib/image/codecs/encode_png.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  LazyImage,
  Pixels,
  RawPixels,
} from "./lib/image/image.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "./lib/progress.ts";
export type { Prediction, Predictions, SelectionOptions } from "./lib/output/predictions.ts";
export { fit } from "./lib/train/fit.ts";
export type { FitOptions } from "./lib/train/fit.ts";
export { fitFromScratch } from "./lib/train/fit_from_scratch.ts";
export type { ScratchOptions } from "./lib/train/fit_from_scratch.ts";
export type { Fitted, FittedInMemory, OutOptions } from "./lib/train/fitted.ts";
export type { LearningOptions } from "./lib/train/options.ts";
export type { NetworkOptions } from "./lib/train/network.ts";
export type { PixelOptions } from "./lib/train/pixels.ts";
export type { Split } from "./lib/train/split.ts";
export type { Whitening } from "./lib/train/statistics.ts";
export type { ClassInfo, ClassName } from "./lib/model/classes.ts";
export type { DefaultLabel } from "./lib/model/default_labels.ts";
export type {
  Architecture,
  Configuration,
  LayerInfo,
  LayerName,
} from "./lib/model/architecture.ts";
export type {
  FeatureStatistics,
  LayerParameters,
  Model,
  PixelWhitening,
  Preprocessing,
  Provenance,
  Verification,
  WeightPiece,
} from "./lib/model/model.ts";
export type { ModelSource, ResolveOptions } from "./lib/open_model.ts";
export { VERSION } from "./lib/version.ts";
