/**
 * Trainings of which every epoch is judged by pictures that nothing was chosen by, for the tables of `epochs.ts` and
 * `curves.ts`.
 *
 * @module
 */

import { join } from "@std/path";
import { createEngine } from "../lib/engine/create.ts";
import { decodeImage } from "../lib/image/decode.ts";
import { cropImage } from "../lib/image/resize.ts";
import type { Dataset, IndexedSample } from "../lib/input/dataset.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import { SkippedSamples } from "../lib/input/skipped_samples.ts";
import { blockLengths } from "../lib/model/readout.ts";
import { resolveModel } from "../lib/open_model.ts";
import type { EpochMetrics } from "../lib/progress.ts";
import { transformedRows, whitenBlocks } from "../lib/train/blocks.ts";
import { forwardDense, initialDense } from "../lib/train/dense.ts";
import { takeDirectory } from "../lib/train/directory.ts";
import { readPictures } from "../lib/train/features.ts";
import { storeOf } from "../lib/train/fit_store.ts";
import { freeze } from "../lib/train/frozen.ts";
import { rowExamples } from "../lib/train/hidden_head.ts";
import { type Rank, rightPicturesOf } from "../lib/train/judge.ts";
import { TrainingKernels } from "../lib/train/kernels.ts";
import {
  evaluate,
  type Examples,
  type LoopOptions,
  type Task,
  trainLoop,
} from "../lib/train/loop.ts";
import { architectureOf, forward, initialize } from "../lib/train/network.ts";
import { examples, preprocessingOf, readAll } from "../lib/train/pixels.ts";
import { inOneArray, rootRows, type Rows } from "../lib/train/rows.ts";
import { classWeightsOf, countsOf, stratifiedSplit } from "../lib/train/split.ts";
import { type Tfjs, withTfjs } from "../lib/train/tfjs.ts";

/** An epoch, and what it is worth on the test pictures, on average over the classes. */
export interface TestedEpoch extends EpochMetrics, Rank {
  readonly test: number;
}

/** Trains with a seed. */
export type Training = (options: LoopOptions) => Promise<TestedEpoch[]>;

/** Pictures to learn from, followed by those to test with. */
export interface Pair {
  readonly name: string;
  readonly data: Dataset;
  /** How many of them are learned from. */
  readonly learned: number;
}

/** Lists two folders, whose classes are those of the first. */
export async function pairOf(train: string, test: string): Promise<Pair> {
  const data = await listSamples(train), { samples } = await listSamples(test, data.labels);
  const { labels, samples: own } = data;
  return { name: train, data: { labels, samples: [...own, ...samples] }, learned: own.length };
}

/** The tests' sheet of CIFAR-10: 35 pictures of each class to learn from, and 15 to test with. */
export async function sheetPair(): Promise<Pair> {
  const side = 32, classes = 10, learned = 35, all = 50;
  const sheet = await decodeImage(
    await Deno.readFile(new URL("../tests/fixtures/cifar10/sheet.png", import.meta.url)),
  );
  const samplesOf = (first: number, end: number): IndexedSample[] =>
    Array.from({ length: classes }, (_, label) =>
      Array.from({ length: end - first }, (_, n) => ({
        ...{ file: `${label}/${first + n}`, label },
        image: cropImage(sheet, {
          ...{ left: (first + n) * side, top: label * side, width: side, height: side },
        }),
      }))).flat();
  return {
    name: "sheet",
    data: {
      labels: Array.from({ length: classes }, (_, label) => `class ${label}`),
      samples: [...samplesOf(0, learned), ...samplesOf(learned, all)],
    },
    learned: classes * learned,
  };
}

/** A head with a hidden layer on averages of `pool4` and `pool5`, which a folder keeps. */
export async function headTraining(pair: Pair, hidden: number, cache: string): Promise<Training> {
  const { rows, lengths, classes, learned } = await featuresOf(pair, cache);
  const { labels } = pair.data, known = classes.slice(0, learned);
  const tested = Array.from({ length: rows.count - learned }, (_, n) => learned + n);
  return async (options) => {
    const split = stratifiedSplit(known, labels, 0.2, options.seed);
    const transforms = await whitenBlocks(rows, split.train, lengths, "standardize");
    const values = await inOneArray(transformedRows(transforms, rows));
    return await withTfjs(async (tf) => {
      const dense = initialDense(tf, [rows.length, hidden, labels.length], options.seed);
      const of = (pictures: readonly number[]): Examples =>
        rowExamples(tf, values, classes, pictures);
      const task = {
        ...{ variables: dense.flat(), classes: labels.length, train: of(split.train) },
        classWeights: classWeightsOf("balanced", known, labels.length),
        validation: of(split.validation),
        forward: (x: Parameters<Task["forward"]>[0]) => forwardDense(tf, x, dense),
      };
      return await testedTraining(tf, task, of(tested), options);
    });
  };
}

/** A small network of inputs of 32 pixels, as `fitFromScratch()` trains it by default. */
export async function scratchTraining({ data, learned }: Pair): Promise<Training> {
  const { labels, samples } = data;
  const shape = { configuration: "B", width: 1 / 8, dense: [64], side: 32, channels: 3 } as const;
  const architecture = architectureOf(shape, labels.length);
  const read = await readAll(samples, architecture, new SkippedSamples(labels), {});
  const classes = read.samples.map(({ label }) => label);
  const own = read.samples.filter((sample) => samples.indexOf(sample) < learned).length;
  return async (options) => {
    const kernels = await TrainingKernels.start(2);
    try {
      return await withTfjs(async (tf) => {
        const split = stratifiedSplit(classes.slice(0, own), labels, 0.2, options.seed);
        const preprocessing = preprocessingOf(read.pixels, split.train, architecture, {});
        const pictures = { pixels: read.pixels, classes, architecture, preprocessing };
        const varied = { flip: true, shift: 1, seed: options.seed };
        const of = (some: readonly number[]): Examples => examples(tf, pictures, some, varied);
        const network = initialize(tf, architecture, options.seed);
        const tested = Array.from({ length: classes.length - own }, (_, n) => own + n);
        const task: Task = {
          ...{ variables: network.layers.flat(), statistics: network.statistics },
          ...{ classes: labels.length, train: of(split.train), validation: of(split.validation) },
          classWeights: classWeightsOf("balanced", classes.slice(0, own), labels.length),
          forward: (x, training) => forward(tf, kernels, network, x, training),
        };
        return await testedTraining(tf, task, of(tested), options);
      });
    } finally {
      await kernels.end();
    }
  };
}

async function testedTraining(
  tf: Tfjs,
  task: Task,
  tested: Examples,
  options: LoopOptions,
): Promise<TestedEpoch[]> {
  const { classes, validation } = task, found: number[] = [];
  // The state is what is told of each epoch; nothing of it is kept here.
  const test = async (): Promise<void> =>
    void found.push((await evaluate(tf, task, tested, options)).balancedAccuracy);
  try {
    const state = { load: () => Promise.resolve(undefined), save: test };
    const { history } = await trainLoop(tf, task, { ...options, state });
    const counts = countsOf(validation.labels, classes);
    return history.map((epoch, n) => ({
      ...{ ...epoch, test: found[n]!, crossEntropy: epoch.validationLoss },
      rightPictures: rightPicturesOf(epoch.validationBalancedAccuracy, counts),
    }));
  } finally {
    tf.dispose([...task.variables]);
  }
}

/** Roots of features, `[pictures, D]`, and the class of each picture that could be read. */
interface Features {
  readonly rows: Rows;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
  readonly classes: readonly number[];
  readonly learned: number;
}

/** What the embedded model says of one look at each picture: `cache` has a folder for those of a name, as a fit keeps them. */
async function featuresOf({ name, data, learned }: Pair, cache: string): Promise<Features> {
  const base = await resolveModel(undefined), { height, width } = base.architecture.input;
  const look = { mirror: "off", sides: [Math.max(height, width)] } as const;
  const { model, features, ...file } = freeze(base, look, data.samples.length);
  await using engine = await createEngine(model, { backend: "wasm" });
  const directory = join(cache, name.replaceAll(/\W+/g, "_"));
  using _directory = await takeDirectory(directory);
  const kept = await storeOf({ model, features, ...file }, engine, directory);
  using store = kept!.features; // There is a directory.
  const { positions, features: rows } = await readPictures(
    engine,
    { ...model, readout: { features } },
    data.samples,
    { store, onSkip: () => {} },
  );
  return {
    rows: await inOneArray(rootRows(rows)),
    lengths: blockLengths(features, model.architecture),
    classes: positions.map((n) => data.samples[n]!.label),
    learned: positions.filter((n) => n < learned).length,
  };
}
