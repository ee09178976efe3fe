/**
 * Where a new head is attached.
 *
 * @module
 */

import { type Architecture, layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { checkValue } from "../options.ts";
import { FIT_OPTIONS } from "../options/training.ts";

/** Which layers of a model stay, and what the new model looks like. */
export interface HeadPlan {
  /** The last frozen layer. */
  readonly layer: string;
  /** Values of that layer for one view. */
  readonly length: number;
  readonly architecture: Architecture;
}

/**
 * Plans a head of one or two dense layers.
 *
 * @throws {RangeError} If the model has no such layer, or the head would be its fourth dense layer.
 */
export function planHead(
  base: Model,
  { layer, hidden }: { readonly layer?: string; readonly hidden: number },
  classes: number,
): HeadPlan {
  const layers = layersOf(base.architecture);
  const dense = layers.filter(({ name }) => name.startsWith("fc"));
  const pool = layers[layers.length - dense.length - 1];
  const candidates = [pool.pool!, ...dense.slice(0, -1).map(({ name }) => name)];
  const chosen = layer ?? candidates.at(-1)!, kept = candidates.indexOf(chosen);
  checkValue("layer", { ...FIT_OPTIONS.layer, kind: "choice", choices: candidates }, chosen);
  if (kept + (hidden > 0 ? 2 : 1) > 3) {
    throw new RangeError(
      `A VGG has at most 3 dense layers, and a hidden layer after ${chosen} makes 4: ` +
        `use layer ${candidates[kept - 1]}, or no hidden layer`,
    );
  }
  const { height, width } = base.architecture.input;
  const [frozen, head] = [base.architecture.dense.slice(0, kept), hidden > 0 ? [hidden] : []];
  return {
    layer: chosen,
    length: kept === 0
      ? (height >> 5) * (width >> 5) * pool.outChannels
      : base.architecture.dense[kept - 1],
    architecture: { ...base.architecture, dense: [...frozen, ...head, classes] },
  };
}
