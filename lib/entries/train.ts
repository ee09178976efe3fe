/**
 * Your own classes: a new head on the frozen layers of a model, or a whole small network from scratch.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 * import { fit } from "@edge/vgg16/train";
 *
 * // A picture is whatever `classify` takes; these are gray, and of 32 x 32 pixels.
 * const picture = (gray: number) => ({
 *   data: new Uint8Array(32 * 32 * 3).fill(gray),
 *   width: 32,
 *   height: 32,
 * });
 * const samples = Array.from({ length: 10 }, (_, n) => {
 *   const [label, gray] = n % 2 === 0 ? ["dark", 40 + n] : ["bright", 190 + n];
 *   return { file: `${n}`, label, image: picture(gray) };
 * });
 * const { bytes } = await fit({ labels: ["dark", "bright"], samples });
 * await using classifier = await loadClassifier<"dark" | "bright">({ model: bytes });
 * const [best] = await classifier.classify(picture(220));
 * console.log(best.label); // bright
 * ```
 *
 * @module
 */

import "./embedded.ts";
import "./whole.ts";

export { listSamples } from "../input/list_samples.ts";
export { addExamples } from "../train/add_examples.ts";
export { fitFromScratch } from "../train/fit_from_scratch.ts";
export { fit } from "../train/fit.ts";

export type { Backend, BackendOptions, Precision } from "../engine/engine.ts";
export type { ERROR_CODES, ErrorCode } from "../errors.ts";
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
export type { PlainSource, SourceLike } from "../io/open_source.ts";
export type { PackagedFile, WrappedFile } from "../io/wrapped_file.ts";
export type { Architecture, Configuration, LayerName } from "../model/architecture.ts";
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
} from "../model/readout.ts";
export type { ModelSource, ResolveOptions } from "../open_model.ts";
export type { Calibration } from "../output/calibration.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Accuracy } from "../train/accuracy.ts";
export type {
  Assessment,
  Baseline,
  Baselines,
  ClassAssessment,
  JudgedPicture,
  LabeledPicture,
} from "../train/assess.ts";
export type { AddOptions, Extended, ExtendedInMemory } from "../train/add_examples.ts";
export type { FitOptions } from "../train/fit.ts";
export type { ScratchOptions } from "../train/fit_from_scratch.ts";
export type { Fitted, FittedInMemory, OutOptions } from "../train/fitted.ts";
export type { NetworkOptions } from "../train/network_options.ts";
export type { LearningOptions } from "../train/options.ts";
export type { PixelOptions } from "../train/pixel_options.ts";
export type { Whitening } from "../train/statistics.ts";
export type { Fetch } from "../urls.ts";
