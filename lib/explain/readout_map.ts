/** Where in an image a model with a readout saw what speaks for a class. */

import type { Activations } from "../engine/engine.ts";
import type { Architecture } from "../model/architecture.ts";
import { blockLengths, type FeatureRecipe } from "../model/readout.ts";
import { quartersOf } from "../output/readout.ts";
import type { ClassMap } from "./grad_cam.ts";

/**
 * How much a class's logit changes with what each position says, `ReLU(Σ_k g_k A_k)`, over all layers that are read
 * of an image's first view: the class activation map of Zhou et al., 2016 (arXiv 1512.04150, equation 2), with the
 * gradient at the image, as the head sees roots. Coarser layers' positions cover several of the finest one's.
 *
 * @param gradient How the logit changes with each feature, `[D]`.
 * @param layers What the layers of the recipe give for the image in its first size.
 */
export function readoutMap(
  { blocks, sizes }: FeatureRecipe,
  architecture: Architecture,
  gradient: Float64Array,
  layers: readonly Activations[],
): ClassMap {
  const [height, width] = ([1, 2] as const).map((axis) =>
    Math.max(...layers.map(({ shape }) => shape[axis]))
  ) as [number, number];
  const data = new Float64Array(height * width);
  const lengths = blockLengths({ blocks, sizes: sizes.slice(0, 1) }, architecture);
  let at = 0;
  for (const [b, { pooling }] of blocks.entries()) {
    const own = gradient.subarray(at, at += lengths[b]!);
    const added = layerMap(layers[b]!, pooling, own);
    const rows = layers[b]!.shape[1], columns = layers[b]!.shape[2];
    // Each position of the finest map has its part of the coarser one's that covers it.
    const share = rows * columns / (height * width);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = Math.floor(y * rows / height) * columns + Math.floor(x * columns / width);
        data[y * width + x]! += share * added[from]!;
      }
    }
  }
  return { data: data.map((value) => Math.max(0, value)), height, width };
}

/** How much the logit changes with what each position of a layer says, `[height * width]`. */
function layerMap(
  { shape: [, height, width, channels], data, scale }: Activations,
  pooling: FeatureRecipe["blocks"][number]["pooling"],
  gradient: Float64Array,
): Float64Array {
  const map = new Float64Array(height * width);
  const add = (y: number, x: number, from: number, factor: number): void => {
    const at = (y * width + x) * channels;
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += gradient[from + c]! * data[at + c]!;
    map[y * width + x]! += sum * factor * scale[0]!;
  };
  if (pooling === "none" || map.length === 1) {
    for (let p = 0; p < map.length; p++) add(Math.floor(p / width), p % width, p * channels, 1);
    return map;
  }
  const parts = pooling === "avg"
    ? [[[0, height], [0, width]] as const]
    : quartersOf(height, width);
  for (const [n, [rows, columns]] of parts.entries()) {
    const factor = 1 / ((rows[1] - rows[0]) * (columns[1] - columns[0]));
    for (let y = rows[0]; y < rows[1]; y++) {
      for (let x = columns[0]; x < columns[1]; x++) add(y, x, n * channels, factor);
    }
  }
  return map;
}
