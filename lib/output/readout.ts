/** Activations of several layers -> features -> logits: the head of a model that has a readout. */

import type { Activations } from "../engine/engine.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import {
  blockLengths,
  type DenseReadout,
  type FeatureBlock,
  type FeatureRecipe,
  type Readout,
  type ViewShare,
} from "../model/readout.ts";
import { embeddingOf } from "./embedding.ts";
import { nearestGradient, nearestLogits } from "./nearest.ts";
import { headScores, type Scoring } from "./predictions.ts";
import { gradientByRow, rootsOf } from "./roots.ts";

/**
 * Rows of features, one for each look at an image. What the views of one size say is averaged: they are an
 * image and its mirror image.
 *
 * All sums are in float64 and in a fixed order, so that they are the same on all backends.
 */
export class FeatureRows {
  readonly #blocks: readonly FeatureBlock[];
  readonly #lengths: readonly number[];
  readonly #width: number;
  readonly #rows = new Map<number, { values: Float64Array; weight: number }>();

  constructor(recipe: FeatureRecipe, architecture: Architecture) {
    this.#blocks = recipe.blocks;
    this.#lengths = blockLengths(recipe, architecture);
    this.#width = this.#lengths.reduce((sum, length) => sum + length, 0);
  }

  /**
   * Adds view `n` of a batch.
   *
   * @param layers What each layer of the recipe gives, in its order.
   */
  add(layers: readonly Activations[], n: number, { weight, part }: ViewShare): void {
    const { look, size, share } = part!; // It is a look's view.
    const found = this.#rows.get(look);
    const row = found ?? { values: new Float64Array(this.#width), weight: 0 };
    if (found === undefined) this.#rows.set(look, row);
    row.weight += weight;
    const count = this.#blocks.length, first = size * count;
    let at = this.#lengths.slice(0, first).reduce((sum, length) => sum + length, 0);
    this.#blocks.forEach((block, b) => {
      for (const value of blockValues(layers[b]!, n, block)) row.values[at++]! += share * value;
    });
  }

  /** The rows in the order of the looks, once all views were added, in float32 as training keeps them. */
  get rows(): { values: Float32Array; weight: number }[] {
    return [...this.#rows].sort(([a], [b]) => a - b)
      .map(([, { values, weight }]) => ({ values: Float32Array.from(values), weight }));
  }
}

/** What a block says of image `n`, in real units. */
function blockValues(
  activations: Activations,
  n: number,
  { layer, pooling }: FeatureBlock,
): Float32Array {
  if (pooling !== "quarters") {
    return embeddingOf(activations, n, { layer, pooling, normalize: false }).data;
  }
  const [, height, width, channels] = activations.shape;
  if (height * width === 1) return blockValues(activations, n, { layer, pooling: "none" });
  const all = activations.data.subarray(n * height * width * channels);
  const values = new Float32Array(4 * channels), sums = new Float64Array(channels);
  for (const [quarter, [rows, columns]] of quartersOf(height, width).entries()) {
    sums.fill(0);
    for (let y = rows[0]; y < rows[1]; y++) {
      for (let x = columns[0]; x < columns[1]; x++) {
        const at = (y * width + x) * channels;
        for (let c = 0; c < channels; c++) sums[c]! += all[at + c]!;
      }
    }
    const factor = activations.scale[n]! / ((rows[1] - rows[0]) * (columns[1] - columns[0]));
    for (let c = 0; c < channels; c++) values[quarter * channels + c] = sums[c]! * factor;
  }
  return values;
}

export type Span = readonly [from: number, to: number];

/** Rows and columns of the four quarters of a map; of an odd number of them the middle is in both halves. */
export function quartersOf(height: number, width: number): [rows: Span, columns: Span][] {
  const halves = (size: number): Span[] => [[0, Math.ceil(size / 2)], [Math.floor(size / 2), size]];
  return halves(height).flatMap((rows) =>
    halves(width).map((columns): [Span, Span] => [rows, columns])
  );
}

/** What a head says of a row of features: a logit for each class. */
export function readoutLogits(
  { head }: Pick<Readout, "head">,
  row: Float32Array,
  classes: number,
): Float64Array {
  return head.kind === "dense" ? denseLogits(head, row) : nearestLogits(head, row, classes);
}

function denseLogits({ layers }: DenseReadout, row: Float32Array): Float64Array {
  return layers.reduce((inputs, { weight, bias }, n) => {
    const outputs = Float64Array.from(bias, (value, o) => {
      let sum = value;
      const at = o * inputs.length;
      for (let i = 0; i < inputs.length; i++) sum += weight[at + i]! * inputs[i]!;
      return sum;
    });
    return n < layers.length - 1 ? outputs.map((value) => Math.max(0, value)) : outputs;
  }, rootsOf(row));
}

/**
 * How a class's logit changes with each feature: exact, with the ReLUs as they are there.
 *
 * @returns `[D]`
 */
export function readoutGradient(
  { head }: Pick<Readout, "head">,
  row: Float32Array,
  index: number,
): Float64Array {
  return head.kind === "dense"
    ? denseGradient(head, row, index)
    : nearestGradient(head, row, index);
}

function denseGradient({ layers }: DenseReadout, row: Float32Array, index: number): Float64Array {
  const hidden = layers.slice(0, -1).map((_, n) =>
    denseLogits({ kind: "dense", layers: layers.slice(0, n + 1) }, row)
  );
  const own = Float64Array.from(layers.at(-1)!.bias, (_, o) => o === index ? 1 : 0);
  const gradient = layers.reduceRight((gradient, { weight }, n) => {
    const inputs = weight.length / gradient.length, before = new Float64Array(inputs);
    gradient.forEach((value, o) => {
      if (hidden[n] !== undefined && hidden[n]![o]! <= 0) return; // The ReLU behind it gives 0.
      for (let i = 0; i < inputs; i++) before[i]! += value * weight[o * inputs + i]!;
    });
    return before;
  }, own);
  return gradientByRow(gradient, row);
}

/** The scores of one image: those of its looks, averaged by their weights. */
export class ReadoutMean {
  readonly #rows: FeatureRows;
  readonly #model: Pick<Model, "labels"> & Scoring & { readonly readout: Readout };

  constructor(model: Pick<Model, "architecture" | "labels" | "temperature">, readout: Readout) {
    const { architecture, labels, temperature } = model;
    this.#rows = new FeatureRows(readout.features, architecture);
    this.#model = { architecture: {}, labels, temperature, readout };
  }

  /** Adds view `n` of a batch. */
  add(layers: readonly Activations[], n: number, view: ViewShare): void {
    this.#rows.add(layers, n, view);
  }

  /** The features of the first look, once all its views were added. */
  get row(): Float32Array {
    return this.#rows.rows[0]!.values;
  }

  /**
   * The scores, once all views were added.
   *
   * @throws {ScoresNotFiniteError} If a score is not finite.
   */
  result(): Float64Array {
    const { labels, readout } = this.#model, scores = new Float64Array(labels.length);
    const rows = this.#rows.rows;
    const all = rows.reduce((sum, { weight }) => sum + weight, 0); // 1, as floats add up.
    for (const { values, weight } of rows) {
      const logits = readoutLogits(readout, values, labels.length);
      const own = headScores(logits, 1, this.#model);
      for (let c = 0; c < own.length; c++) scores[c]! += weight / all * own[c]!;
    }
    return scores;
  }
}
