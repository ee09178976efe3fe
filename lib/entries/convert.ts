/**
 * Converts VGG checkpoints of any format to model files, and pulls published ones.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 * import { convert } from "@edge/vgg16/convert";
 *
 * // With `out: "mine.safetensors"` it is a file.
 * const { format, bytes } = await convert("tests/fixtures/checkpoints/zip_d.pth");
 * console.log(format); // PyTorch
 * await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
 * ```
 *
 * @module
 */

import "./whole.ts";

export { IMAGENET_CLASSES, type ImagenetClass } from "../model/labels.ts";
export { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
export { openModel } from "../model/file.ts";
export {
  type Conversion,
  type ConversionInMemory,
  convert,
  type ConvertOptions,
} from "../convert/convert.ts";
export { pullModel, type PullOptions } from "../convert/pull/pull.ts";

export type { PreprocessingPreset } from "../convert/formats/checkpoint.ts";
export type { GivenPreprocessing } from "../convert/network/preprocessing.ts";
export type { LayerReport } from "../convert/quantize/layer.ts";
export type { ConversionInput } from "../convert/source.ts";
export type { ReadOptions, SourceOptions } from "../io/byte_source.ts";
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
export type { EpochMetrics, Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { Fetch } from "../urls.ts";
