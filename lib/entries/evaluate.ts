/**
 * What a model, or several as one, scores on labeled images.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 * import { evaluate } from "@edge/vgg16/evaluate";
 *
 * await using classifier = await loadClassifier({ backend: "wasm" });
 * const { metrics } = await evaluate(classifier, [
 *   { file: "tests/data/photos/cat.png", label: "tabby cat" },
 *   { file: "tests/data/photos/coffee.png", label: "espresso" },
 * ]);
 * console.log(metrics.top1); // 1
 * ```
 *
 * @module
 */

import "./whole.ts";

export { evaluate } from "../evaluate/evaluate.ts";
export { listSamples } from "../input/list_samples.ts";

export type {
  Classifier,
  ClassifierInfo,
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
export type { Backend, LayerProfile, Precision } from "../engine/engine.ts";
export type { ProfileOptions } from "../engine/profile.ts";
export type { ERROR_CODES, ErrorCode, VggError } from "../errors.ts";
export type { EvaluateOptions, Evaluation } from "../evaluate/evaluate.ts";
export type {
  ClassMetrics,
  EvaluationRecord,
  Metrics,
  ReliabilityBin,
  SureMetrics,
} from "../evaluate/metrics.ts";
export type { ExplainOptions, Explanation } from "../explain/explain.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  LazyImage,
  Pixels,
  RawPixels,
} from "../image/image.ts";
export type { Dataset, IndexedSample, LabeledImages, Sample } from "../input/dataset.ts";
export type { ListOptions } from "../input/list_samples.ts";
export type { SkippedSample, SkipReason } from "../input/skipped_samples.ts";
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
export type {
  Architecture,
  Configuration,
  EmbeddingName,
  LayerInfo,
  LayerName,
} from "../model/architecture.ts";
export type { ClassInfo, ClassName } from "../model/classes.ts";
export type { PixelWhitening, Preprocessing, Provenance, Verification } from "../model/model.ts";
export type {
  FeatureBlock,
  FeaturePooling,
  FeatureRecipe,
  ReadoutDescription,
} from "../model/readout.ts";
export type { Embedding, EmbeddingOptions, ReadableLayer } from "../output/embedding.ts";
export type { Prediction, Predictions, SelectionOptions } from "../output/predictions.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Fetch } from "../urls.ts";
