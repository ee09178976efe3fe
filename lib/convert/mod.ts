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
  WeightPiece,
} from "../model/model.ts";
export type { SourceLike, SourceOptions } from "../io/byte_source.ts";
export { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
export { openModel } from "../model/file.ts";
export type { LoadProgress, ResolveOptions } from "./resolve.ts";
export type { ConversionInput } from "./conversion_source.ts";
export { type Conversion, convert, type ConvertOptions } from "./convert.ts";
export { pullModel, type PullOptions } from "./pull.ts";
export type { LayerReport } from "./quantize_layer.ts";
