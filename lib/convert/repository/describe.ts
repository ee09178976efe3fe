/**
 * What the JSON files beside a model's weights say: `config.json`, as timm and transformers write it, and
 * transformers' `preprocessor_config.json`.
 */

import { isRecord, isSize } from "../../model/json.ts";
import type { ImageHint } from "../formats/checkpoint.ts";

/** What is known of a model beside its weights. */
export interface ModelDescription {
  readonly images?: ImageHint | undefined;
  readonly labels?: readonly string[] | undefined;
  /** Height and width of the input, which is square. */
  readonly inputSize?: number | undefined;
  readonly license?: string | undefined;
}

/** Reads what there is. Other values than expected say nothing. */
export function describeModel(config: unknown, preprocessor: unknown): ModelDescription {
  const top = isRecord(config) ? config : {};
  // timm's first files had no part of their own for this.
  const timm = isRecord(top.pretrained_cfg) ? { ...top, ...top.pretrained_cfg } : top;
  return {
    images: isRecord(preprocessor) ? transformersImages(preprocessor) : timmImages(timm),
    labels: timmLabels(top) ?? transformersLabels(top),
    inputSize: squareOf(timm.input_size) ?? transformersSide(preprocessor),
    license: typeof timm.license === "string" ? timm.license : undefined,
  };
}

/** timm makes 0…1 of bytes, and then subtracts `mean` and divides by `std`. */
function timmImages(config: Record<string, unknown>): ImageHint | undefined {
  const { mean, std, crop_pct, interpolation, input_size } = config;
  if (!areColors(mean) || !areColors(std)) return undefined;
  const side = squareOf(input_size);
  return {
    preprocessing: { scale: 1 / 255, mean, std },
    colors: "rgb",
    resize: { ...shorterSide(side, crop_pct), ...filterOf(interpolation) },
    isRead: true,
    because: "config.json",
  };
}

/** Each step of transformers' image processors may be left out. */
function transformersImages(processor: Record<string, unknown>): ImageHint | undefined {
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = processor;
  const isNormalized = do_normalize !== false;
  if (isNormalized && !(areColors(image_mean) && areColors(image_std))) return undefined;
  const factor = typeof rescale_factor === "number" && rescale_factor > 0
    ? rescale_factor
    : 1 / 255;
  return {
    preprocessing: {
      scale: do_rescale === false ? 1 : factor,
      mean: isNormalized ? image_mean as number[] : [0],
      std: isNormalized ? image_std as number[] : [1],
    },
    colors: "rgb",
    resize: transformersResize(processor),
    isRead: true,
    because: "preprocessor_config.json",
  };
}

function transformersResize(processor: Record<string, unknown>): ImageHint["resize"] {
  const { do_resize, size, resample, crop_pct } = processor;
  const filter = filterOf(PILLOW_FILTERS[resample as number]);
  if (do_resize === false) return filter;
  const edge = isRecord(size) ? size.shortest_edge : size;
  const cropped = cropOf(processor);
  if (isSide(edge) && cropped !== undefined) {
    return { resize: "shorter-side", size: edge, ...filter };
  }
  if (isSide(edge) && isRecord(size)) return { ...shorterSide(edge, crop_pct), ...filter };
  return { resize: "direct", ...filter };
}

/** `Image.BILINEAR` and `Image.BICUBIC`. */
const PILLOW_FILTERS: Readonly<Record<number, string>> = { 2: "bilinear", 3: "bicubic" };

function filterOf(name: unknown): { filter: "bilinear" | "bicubic" } | undefined {
  return name === "bilinear" || name === "bicubic" ? { filter: name } : undefined;
}

/** The shorter side before all but `part` of it is cut off. */
function shorterSide(side: number | undefined, part: unknown): ImageHint["resize"] {
  if (side === undefined || typeof part !== "number" || !(part > 0 && part <= 1)) return undefined;
  return { resize: "shorter-side", size: Math.floor(side / part) };
}

function transformersSide(processor: unknown): number | undefined {
  if (!isRecord(processor)) return undefined;
  const { size } = processor;
  const edge = isRecord(size)
    ? size.shortest_edge ?? (size.height === size.width && size.height)
    : size;
  return cropOf(processor) ?? (isSide(edge) ? edge : undefined);
}

function cropOf({ do_center_crop, crop_size }: Record<string, unknown>): number | undefined {
  const { height, width } = isRecord(crop_size)
    ? crop_size
    : { height: crop_size, width: crop_size };
  return do_center_crop === true && isSide(height) && height === width ? height : undefined;
}

/** The side of `[channels, height, width]`. */
function squareOf(size: unknown): number | undefined {
  const [, height, width] = Array.isArray(size) ? size : [];
  return isSide(height) && height === width ? height : undefined;
}

/** Names, or what describes them. */
function timmLabels({ label_names, label_descriptions }: Record<string, unknown>) {
  if (!Array.isArray(label_names) || !label_names.every((name) => typeof name === "string")) {
    return undefined;
  }
  const descriptions = new Map(
    isRecord(label_descriptions) ? Object.entries(label_descriptions) : [],
  );
  return label_names.map((name: string): string => {
    const description = descriptions.get(name);
    return typeof description === "string" ? description : name;
  });
}

/** `{"0": "tench", …}`; `LABEL_0` is what is written where nobody has said anything. */
function transformersLabels({ id2label }: Record<string, unknown>): string[] | undefined {
  if (!isRecord(id2label)) return undefined;
  const byIndex = new Map(Object.entries(id2label));
  const labels = Array.from({ length: byIndex.size }, (_, index) => byIndex.get(`${index}`));
  const isNamed = labels.every((label) => typeof label === "string") &&
    !labels.every((label) => /^LABEL_\d+$/.test(label));
  return isNamed && labels.length > 0 ? labels : undefined;
}

/** One number a color. */
function areColors(value: unknown): value is number[] {
  return Array.isArray(value) && (value.length === 1 || value.length === 3) &&
    value.every((number) => Number.isFinite(number));
}

function isSide(value: unknown): value is number {
  return isSize(value) && value > 0;
}
