/** Fine-tuning: the last block of a model learns with a linear head, and is int8 afterwards. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions, Engine } from "../engine/engine.ts";
import type { ImageOptions } from "../image/image.ts";
import type { IndexedSample } from "../input/dataset.ts";
import type { Model } from "../model/model.ts";
import { ProgressTeller } from "../progress.ts";
import { rowOf } from "./accuracy.ts";
import { foldBlocks, rowLogits } from "./blocks.ts";
import { crossEntropy } from "./cross_validation.ts";
import type { DenseLayer } from "./dense_layer.ts";
import { readPictures } from "./features.ts";
import { NEVER, stratifiedFolds } from "./folds.ts";
import type { Frozen } from "./frozen.ts";
import type { HeadTask, LearnedHead } from "./head.ts";
import { isBetter, Judge, type Rank, type WeightedTruth } from "./judge.ts";
import type { TrainingKernels } from "./kernels.ts";
import { blockProblem, readBlock, withBlock } from "./last_block.ts";
import { learnLinear, scalingOf } from "./linear_head.ts";
import { BEFORE_BLOCK, computeMaps, type RecordStore } from "./maps.ts";
import { rootRows, type Rows, rowsAt } from "./rows.ts";
import type { LinearTransform } from "./statistics.ts";
import { tune, type TuningOptions } from "./tuning.ts";

/** What is fine-tuned, on what. Pictures in fold 0 tell what is best, and nothing learns from them. */
export interface FineTuneTask extends HeadTask {
  readonly frozen: Frozen;
  /** What gives the frozen model's layers. */
  readonly engine: Engine;
  /** The pictures that could be read, which are read again. */
  readonly samples: readonly IndexedSample[];
  /** The same number for pictures that show the same, `[N]`. */
  readonly duplicates: Int32Array;
  readonly records: RecordStore;
}

/** How it is done. */
export type FineTuneOptions =
  & Omit<TuningOptions, "progress">
  & BackendOptions
  & ImageOptions;

/**
 * Checks that a model's last block can be trained, and that features are made of it as training makes them.
 *
 * @throws {RangeError} If not.
 */
export function checkTunable({ model, features }: Frozen): void {
  const problem = blockProblem(model.architecture);
  if (problem !== undefined) throw new RangeError(`fineTune cannot train conv5: ${problem}`);
  const { blocks, sizes } = features, names = blocks.map(({ layer }) => layer);
  if (!names.includes("pool5") || names.some((name) => name !== "pool5" && name !== BEFORE_BLOCK)) {
    throw new RangeError(
      `fineTune trains what pool5 says, beside ${BEFORE_BLOCK} or without: found layer ${
        names.join(", ")
      }`,
    );
  }
  if (blocks.some(({ pooling }) => pooling !== "avg")) {
    throw new RangeError('fineTune trains averages: leave out pooling, or let it be "avg"');
  }
  if (sizes.length > 1) {
    throw new RangeError(`fineTune looks at pictures in one size: found ${sizes.length} sides`);
  }
}

/** Trains the last block, and gives the model that has it with its head. */
export async function fineTune(
  kernels: TrainingKernels,
  task: FineTuneTask,
  options: FineTuneOptions,
): Promise<{ model: Model; learned: LearnedHead }> {
  const { frozen, engine, samples, classes, labels, folds, whitening, classWeights } = task;
  const { signal, epochs, learningRate, batchSize, weightDecay } = options;
  const all = Uint32Array.from(labels, (_, n) => n);
  const train = all.filter((n) => folds[n] === NEVER), held = all.filter((n) => folds[n] !== NEVER);
  const begin = await beginning(kernels, task, train, options);
  const network = { ...frozen.model, readout: { features: frozen.features } };
  const looking = (): ProgressTeller =>
    new ProgressTeller(options, { stage: "features", unit: "images" }, samples.length);
  const maps = await computeMaps(engine, network, samples, task.records, {
    ...options,
    progress: looking(),
  });
  const tuned = await tune(kernels, {
    ...{ maps, labels, classes, train, held, classWeights, ...begin },
    withMaps: frozen.features.blocks.some(({ layer }) => layer === BEFORE_BLOCK),
    mirrored: frozen.features.mirrored,
    block: await readBlock(frozen.model, signal),
  }, { ...options, progress: new ProgressTeller(options, { stage: "train", unit: "epochs" }) });
  const { history, bestEpoch } = tuned;
  const settings = {
    ...{ fineTune: "conv5", bestEpoch, epochs, learningRate, batchSize, weightDecay, whitening },
  };

  const isTuned = bestEpoch > 0;
  const model = isTuned ? withBlock(frozen.model, tuned.block) : frozen.model;
  const rows = isTuned ? await rowsOf(model, task, options, looking()) : task.rows;
  const linear = await learnLinear(kernels, { ...task, rows }, { signal });
  const again = { layer: linear.layer, logits: linear.validation.logits };
  const trained = foldBlocks(begin.transforms, tuned.head);
  const asTrained = { layer: trained, logits: await rowLogits(trained, rootRows(rows), signal) };
  for (const n of train) asTrained.logits.fill(NaN, n * classes, (n + 1) * classes);
  const isAgain = !isTuned || isAsGood(task, held, again.logits, asTrained.logits);
  const { layer, logits } = isAgain ? again : asTrained;
  return {
    model,
    learned: {
      ...{ head: { kind: "dense", layers: [layer] }, logits, history, bestEpoch },
      scaledByAll: isAgain && linear.scaledByAll,
      settings: {
        ...settings,
        ...isAgain ? { C: linear.C, ...scalingOf(linear.scaledByAll) } : {},
      },
    },
  };
}

/** The linear head on the layers as they are, of the pictures that are learned from alone. */
async function beginning(
  kernels: TrainingKernels,
  { rows, labels, classes, lengths, whitening, classWeights, duplicates }: FineTuneTask,
  train: Uint32Array,
  { seed, signal }: FineTuneOptions,
): Promise<{ transforms: readonly LinearTransform[]; head: DenseLayer }> {
  const size = rows.length, own = rowsAt(rows, train);
  const ownLabels = Int32Array.from(train, (n) => labels[n]!);
  const together = Int32Array.from(train, (n) => duplicates[n]!);
  const folds = stratifiedFolds(ownLabels, classes, { seed, together });
  const { layer: { weight, bias }, transforms } = await learnLinear(kernels, {
    ...{ rows: own, labels: ownLabels, classes, folds, lengths, whitening, classWeights },
  }, { signal });
  const mean = transforms.flatMap(({ mean }) => [...mean]);
  const scale = transforms.flatMap(({ scale }) => [...scale!]);
  // The layer takes roots as they are; the one that is trained takes them on a common scale.
  return {
    transforms,
    head: {
      weight: weight.map((value, at) => value / scale[at % size]!),
      bias: bias.map((value, c) => {
        let sum = value;
        for (let k = 0; k < size; k++) sum += weight[c * size + k]! * mean[k]!;
        return sum;
      }),
    },
  };
}

/** What the trained model, in int8, says of all pictures. */
async function rowsOf(
  model: Model,
  { frozen, samples }: FineTuneTask,
  options: FineTuneOptions,
  progress: ProgressTeller,
): Promise<Rows> {
  await using engine = await createEngine(model, options);
  const network = { ...model, readout: { features: frozen.features } };
  const { offline, signal } = options;
  const { features } = await readPictures(engine, network, samples, {
    ...{ offline, signal, progress },
    onSkip: ({ file }, { reason }) => {
      throw new Error(`${file} cannot be read any more: ${reason}`);
    },
  });
  return features;
}

/**
 * Whether logits judge the held pictures at least as well as others do: in whole pictures, and where as many are right
 * by the cross-entropy at the best temperature, which a model is calibrated to.
 */
export function isAsGood(
  task: WeightedTruth,
  held: Uint32Array,
  logits: Float64Array,
  others: Float64Array,
): boolean {
  const rankOf = (said: Float64Array): Rank => {
    const judge = new Judge(task);
    for (const n of held) judge.add(n, rowOf(said, task.classes, n));
    return { ...judge.result(), crossEntropy: crossEntropy(task, said, held) };
  };
  return !isBetter(rankOf(others), rankOf(logits));
}
