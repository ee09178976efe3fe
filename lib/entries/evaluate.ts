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
 *   { file: "tests/data/photos/cat.png", label: "cat" },
 *   { file: "tests/data/photos/boats.jpg", label: "ship" },
 * ]);
 * console.log(metrics.top1); // 1
 * ```
 *
 * @module
 */

export { evaluate } from "../evaluate/evaluate.ts";
export { listSamples } from "../input/dataset.ts";

export type { EvaluateOptions, Evaluation } from "../evaluate/evaluate.ts";
export type { Scorer } from "../evaluate/fuse.ts";
export type {
  ClassMetrics,
  EvaluationRecord,
  Metrics,
  ReliabilityBin,
} from "../evaluate/metrics.ts";
export type {
  ImageFormat,
  ImageInput,
  ImageOptions,
  ImageSource,
  LazyImage,
  Pixels,
  RawPixels,
} from "../image/image.ts";
export type {
  Dataset,
  IndexedSample,
  LabeledImages,
  ListOptions,
  Sample,
} from "../input/dataset.ts";
export type { Crops, ViewOptions } from "../input/views.ts";
export type { Architecture, Configuration } from "../model/architecture.ts";
export type { ClassInfo, ClassName } from "../model/classes.ts";
export type { PixelWhitening, Preprocessing } from "../model/model.ts";
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Fetch } from "../urls.ts";
