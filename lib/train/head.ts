/**
 * A new head: one or two dense layers on the features of frozen ones.
 *
 * @module
 */

import type { Tensor2D, Variable } from "@tensorflow/tfjs-core";
import type { Features } from "./features.ts";
import { type EpochMetrics, type Examples, type LoopOptions, trainLoop } from "./loop.ts";
import { normalFrom, randomFrom } from "./random.ts";
import type { Split } from "./split.ts";
import { foldTransform, Statistics, transformed, type Whitening } from "./statistics.ts";
import { type Tfjs, withTfjs } from "./tfjs.ts";

/** A dense layer in real numbers. */
export interface DenseLayer {
  /** `[O, I]`. */
  readonly weight: Float32Array;
  /** `[O]`. */
  readonly bias: Float32Array;
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
export interface TrainedHead {
  readonly layers: DenseLayer[];
  readonly history: EpochMetrics[];
  readonly bestEpoch: number;
  /** Of the features that were learned from, `[D]`. */
  readonly mean: Float64Array;
  /** Of each feature, or along the principal axes, largest first, `[D]`. */
  readonly variance: Float64Array;
}

/** Trains a head. Its layers take the features as they are: the whitening is folded into the first. */
export async function trainHead(
  task: HeadTask,
  options: LoopOptions,
): Promise<TrainedHead> {
  const { features, labels, classes, split, classWeights, hidden, whitening } = task;
  const { length, views } = features;
  const rowsOf = (pictures: readonly number[], perPicture: number): Uint32Array =>
    Uint32Array.from(
      { length: pictures.length * perPicture },
      (_, i) => pictures[Math.floor(i / perPicture)] * views + i % perPicture,
    );
  const trainRows = rowsOf(split.train, views), validationRows = rowsOf(split.validation, 1);
  const statistics = statisticsOf(features, trainRows, whitening);
  const transform = statistics.transform(whitening);
  const values = new Float32Array(features.data.length);
  for (let at = 0; at < values.length; at += length) {
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
    const variables = initialise(
      tf,
      [length, ...hidden > 0 ? [hidden] : [], classes],
      options.seed,
    );
    try {
      const { history, bestEpoch } = await trainLoop(tf, {
        variables,
        classes,
        classWeights,
        train: examples(trainRows),
        validation: examples(validationRows),
        forward: (inputs) => forward(tf, inputs as Tensor2D, variables),
      }, options);
      const layers = denseLayers(variables);
      layers[0] = foldTransform(transform, layers[0].weight, layers[0].bias);
      const variance = whitening === "pca" || whitening === "zca"
        ? statistics.principalVariance()
        : statistics.variance;
      return { layers, history, bestEpoch, mean: statistics.mean, variance };
    } finally {
      tf.dispose(variables);
    }
  });
}

function statisticsOf(
  { data, length }: Features,
  rows: Uint32Array,
  whitening: Whitening,
): Statistics {
  const statistics = new Statistics(length, whitening === "pca" || whitening === "zca");
  for (const row of rows) statistics.add(data.subarray(row * length, (row + 1) * length));
  return statistics;
}

/** Filters `[I, O]` after He et al., 2015, the last ones small, and biases of 0. */
function initialise(tf: Tfjs, sizes: readonly number[], seed: number): Variable[] {
  const normal = normalFrom(randomFrom(seed));
  const layers = sizes.slice(1);
  return tf.tidy(() =>
    layers.flatMap((outputs, i) => {
      const inputs = sizes[i], isLast = i === sizes.length - 2;
      const deviation = Math.sqrt((isLast ? 0.1 : 2) / inputs);
      const values = Float32Array.from({ length: inputs * outputs }, () => normal() * deviation);
      return [
        tf.variable(tf.tensor2d(values, [inputs, outputs])),
        tf.variable(tf.zeros([outputs])),
      ];
    })
  );
}

function forward(tf: Tfjs, inputs: Tensor2D, variables: readonly Variable[]): Tensor2D {
  let x = inputs;
  for (let i = 0; i < variables.length; i += 2) {
    x = tf.add(tf.matMul(x, variables[i] as unknown as Tensor2D), variables[i + 1]);
    if (i + 2 < variables.length) x = tf.relu(x);
  }
  return x;
}

function denseLayers(variables: readonly Variable[]): DenseLayer[] {
  const layers: DenseLayer[] = [];
  for (let i = 0; i < variables.length; i += 2) {
    const [inputs, outputs] = variables[i].shape;
    const values = variables[i].dataSync();
    const weight = new Float32Array(values.length);
    for (let o = 0; o < outputs; o++) {
      for (let k = 0; k < inputs; k++) weight[o * inputs + k] = values[k * outputs + o];
    }
    layers.push({ weight, bias: Float32Array.from(variables[i + 1].dataSync()) });
  }
  return layers;
}
