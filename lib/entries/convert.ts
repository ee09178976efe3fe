/**
 * Converts VGG checkpoints of any format to model files, and pulls published ones.
 *
 * @example
 * ```ts ignore
 * import { convert, pullModel } from "@edge/vgg16/convert";
 *
 * await convert("vgg16-397923af.pth", { out: "vgg16.safetensors" });
 * const path = await pullModel("vgg16-imagenet"); // once; later calls find it in the cache
 * ```
 *
 * @module
 */

export type { Architecture, Configuration } from "../model/architecture.ts";
export { IMAGENET_CLASSES, type ImagenetClass } from "../model/labels.ts";
export type {
  LayerParameters,
  Model,
  Preprocessing,
  Provenance,
  Verification,
  WeightPiece,
} from "../model/model.ts";
export type { ReadOptions, SourceOptions } from "../io/byte_source.ts";
export type { SourceLike } from "../io/open_source.ts";
export { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
export { openModel } from "../model/file.ts";
export type { Progress, ProgressOptions, ProgressStage } from "../progress.ts";
export type { ModelSource, ResolveOptions } from "../open_model.ts";
export type { ConversionInput } from "../convert/source.ts";
export {
  type Conversion,
  type ConversionInMemory,
  convert,
  type ConvertOptions,
} from "../convert/convert.ts";
export { pullModel, type PullOptions } from "../convert/pull/pull.ts";
export type { LayerReport } from "../convert/quantize/layer.ts";
