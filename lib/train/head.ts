/**
 * A new head: one or two dense layers on the features of frozen ones; where it goes, and its training.
 */

import { takeTurn } from "../threads/turn.ts";
import { type Architecture, type LayerName, layersOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { checkValue } from "../options.ts";
import { FIT_OPTIONS } from "../options/training.ts";
import { forwardDense, initialFilter, trainedLayer } from "./dense.ts";
import type { FeatureLayer, Features } from "./features.ts";
import type { Trained } from "./fitted.ts";
import { type Examples, type LoopOptions, trainLoop } from "./loop.ts";
import { normalFrom, randomFrom } from "./random.ts";
import type { Split } from "./split.ts";
import { foldTransform, Statistics, transformed, type Whitening } from "./statistics.ts";
import { withTfjs } from "./tfjs.ts";

/** Which layers of a model stay, and what the new model looks like. */
export interface HeadPlan extends FeatureLayer {
  readonly architecture: Architecture;
}

/**
 * Plans a head of one or two dense layers.
 *
 * @throws {RangeError} If the model has no such layer, or the head would be its fourth dense layer.
 */
export function planHead(
  base: Model,
  { layer, hidden }: { readonly layer?: LayerName | undefined; readonly hidden: number },
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
    // What is trained is a soft-max, whatever the base has.
    architecture: { ...base.architecture, dense: [...frozen, ...head, classes], head: undefined },
  };
}

/** What a head is trained on and how. */
export interface HeadTask {
  readonly features: Features;
  /** The class of each picture. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
  readonly split: Split;
  readonly classWeights: Float32Array;
  /** Units of the hidden layer; 0 for none. */
  readonly hidden: number;
  readonly whitening: Whitening;
}

/** A trained head. */
export interface TrainedHead extends Trained {
  /** Of the features that were learned from, `[D]`. */
  readonly mean: Float64Array;
  /** Of each feature, or along the principal axes, largest first, `[D]`. */
  readonly variance: Float64Array;
}

/** Trains a head. Its layers take the features as they are: the whitening is folded into the first. */
export async function trainHead(task: HeadTask, options: LoopOptions): Promise<TrainedHead> {
  const { features, labels, classes, split, classWeights, hidden, whitening } = task;
  const { length, views } = features;
  const rowsOf = (pictures: readonly number[], perPicture: number): Uint32Array =>
    Uint32Array.from(
      { length: pictures.length * perPicture },
      (_, i) => pictures[Math.floor(i / perPicture)] * views + i % perPicture,
    );
  const trainRows = rowsOf(split.train, views), validationRows = rowsOf(split.validation, 1);
  const { signal } = options;
  const statistics = await statisticsOf(features, trainRows, whitening, signal);
  const transform = await statistics.transform(whitening, undefined, signal);
  const values = new Float32Array(features.data.length);
  for (let at = 0; at < values.length; at += length) {
    if (at / length % ROWS === 0) await takeTurn(signal);
    const row = features.data.subarray(at, at + length);
    transformed(transform, row, values.subarray(at, at + length));
  }

  return await withTfjs(async (tf) => {
    const examples = (rows: Uint32Array): Examples => ({
      labels: rows.map((row) => labels[Math.floor(row / views)]),
      batch: (positions) => {
        const batch = new Float32Array(positions.length * length);
        positions.forEach((position, n) => {
          const at = rows[position] * length;
          batch.set(values.subarray(at, at + length), n * length);
        });
        return tf.tensor2d(batch, [positions.length, length]);
      },
    });
    const sizes = [length, ...hidden > 0 ? [hidden] : [], classes];
    const normal = normalFrom(randomFrom(options.seed));
    const dense = tf.tidy(() =>
      sizes.slice(1).map((outputs, i) => [
        initialFilter(tf, normal, [sizes[i], outputs], i === sizes.length - 2),
        tf.variable(tf.zeros([outputs])),
      ])
    );
    const variables = dense.flat();
    try {
      const { history, bestEpoch } = await trainLoop(tf, {
        variables,
        classes,
        classWeights,
        train: examples(trainRows),
        validation: examples(validationRows),
        forward: (inputs) => forwardDense(tf, inputs, dense),
      }, options);
      const layers = dense.map(([filter, bias]) => trainedLayer(filter, bias.dataSync()));
      layers[0] = foldTransform(transform, layers[0].weight, layers[0].bias);
      const variance = whitening === "pca" || whitening === "zca"
        ? await statistics.principalVariance()
        : statistics.variance;
      return { layers, history, bestEpoch, mean: statistics.mean, variance };
    } finally {
      tf.dispose(variables);
    }
  });
}

/** Rows that are looked at between two turns. */
const ROWS = 64;

async function statisticsOf(
  { data, length }: Features,
  rows: Uint32Array,
  whitening: Whitening,
  signal: AbortSignal | undefined,
): Promise<Statistics> {
  const statistics = new Statistics(length, whitening === "pca" || whitening === "zca");
  for (const [n, row] of rows.entries()) {
    if (n % ROWS === 0) await takeTurn(signal);
    statistics.add(data.subarray(row * length, (row + 1) * length));
  }
  return statistics;
}
