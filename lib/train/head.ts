/**
 * A new head: one or two dense layers on the features of frozen ones; where it goes, and its training.
 */

import { takeTurn } from "../threads/turn.ts";
import { type Architecture, type LayerName, layersOf, MAX_DENSE } from "../model/architecture.ts";
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
 * Plans a head of one or two dense layers, on a dense layer, the average or the last pool of a
 * model. On the pool it is a head on all positions, also where the model averages them.
 *
 * @throws {RangeError} If the model has no such layer, or would have more dense layers than
 *   {@linkcode MAX_DENSE}.
 */
export function planHead(
  base: Model,
  { layer, hidden }: { readonly layer?: LayerName | undefined; readonly hidden: number },
  classes: number,
): HeadPlan {
  const { input: { height, width }, pooling, convolutions, dense } = base.architecture;
  const names = layersOf(base.architecture).filter(({ kind }) => kind === "dense")
    .map(({ name }) => name);
  const maps: LayerName[] = pooling === "average" ? ["pool5", "average"] : ["pool5"];
  const candidates = [...maps, ...names.slice(0, -1)];
  const chosen = layer ?? candidates.at(-1)!;
  checkValue("layer", { ...FIT_OPTIONS.layer, kind: "choice", choices: candidates }, chosen);
  const frozen = dense.slice(0, names.indexOf(chosen) + 1), head = hidden > 0 ? [hidden] : [];
  const count = frozen.length + head.length + 1;
  if (count > MAX_DENSE) {
    const before = candidates[candidates.indexOf(chosen) - 1];
    throw new RangeError(
      `A VGG has at most ${MAX_DENSE} dense layers, and a hidden layer after ${chosen} makes ${count}: ` +
        `use layer ${before}, or no hidden layer`,
    );
  }
  const positions = chosen === "pool5" ? (height >> 5) * (width >> 5) : 1;
  return {
    layer: chosen,
    length: frozen.at(-1) ?? positions * convolutions.at(-1)!,
    architecture: {
      ...base.architecture,
      pooling: chosen === "pool5" ? undefined : pooling,
      dense: [...frozen, ...head, classes],
      head: undefined, // What is trained is a soft-max, whatever the base has.
    },
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
