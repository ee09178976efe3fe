/**
 * Trainings of which every epoch is judged by pictures that nothing was chosen by, for the tables of `epochs.ts` and
 * `curves.ts`.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { loadClassifier } from "../lib/classifier.ts";
import type { Dataset } from "../lib/input/dataset.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import { SkippedSamples } from "../lib/input/skipped_samples.ts";
import { rootOf } from "../lib/output/roots.ts";
import type { EpochMetrics } from "../lib/progress.ts";
import { forwardDense, initialFilter } from "../lib/train/dense.ts";
import { Judge, type Rank } from "../lib/train/judge.ts";
import { TrainingKernels } from "../lib/train/kernels.ts";
import { type Examples, type LoopOptions, type Task, trainLoop } from "../lib/train/loop.ts";
import { architectureOf, forward, initialize } from "../lib/train/network.ts";
import { examples, preprocessingOf, readAll } from "../lib/train/pixels.ts";
import { normalFrom, randomFrom } from "../lib/train/random.ts";
import { classWeightsOf, stratifiedSplit } from "../lib/train/split.ts";
import { floats, type Tfjs, withTfjs } from "../lib/train/tfjs.ts";

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

/** A head with a hidden layer on averages of `pool4` and `pool5`, which a folder keeps. */
export async function headTraining(pair: Pair, hidden: number, cache: string): Promise<Training> {
  const { rows, length, classes, learned } = await featuresOf(pair, cache);
  const { labels } = pair.data, count = rows.length / length;
  return (options) =>
    withTfjs(async (tf) => {
      const split = stratifiedSplit(classes.slice(0, learned), labels, 0.2, options.seed);
      const values = standardized(rows, length, split.train);
      const of = (pictures: readonly number[]): Examples => ({
        labels: pictures.map((n) => classes[n]!),
        batch: (positions) => {
          const all = Array.from(positions, (position) => pictures[position]!);
          const own = all.map((n) => values.subarray(n * length, (n + 1) * length));
          return tf.tensor2d(Float32Array.from(own.flatMap((row) => [...row])), [
            own.length,
            length,
          ]);
        },
      });
      const normal = normalFrom(randomFrom(options.seed)), sizes = [length, hidden, labels.length];
      const dense = tf.tidy(() =>
        sizes.slice(1).map((outputs, i) => [
          initialFilter(tf, normal, [sizes[i]!, outputs], i === 1),
          tf.variable(tf.zeros([outputs])),
        ])
      );
      const tested = Array.from({ length: count - learned }, (_, n) => learned + n);
      const task = {
        ...{ variables: dense.flat(), classes: labels.length, train: of(split.train) },
        classWeights: classWeightsOf("balanced", classes.slice(0, learned), labels.length),
        validation: of(split.validation),
        forward: (x: Parameters<Task["forward"]>[0]) => forwardDense(tf, x, dense),
      };
      return await testedTraining(tf, task, of(tested), options);
    });
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
  const { classes, classWeights } = task, found: number[] = [];
  const labels = Int32Array.from(tested.labels), all = Uint32Array.from(labels, (_, n) => n);
  // The state is what is told of each epoch; nothing of it is kept here.
  const test = (): Promise<void> => {
    const judge = new Judge({ labels, classes, classWeights });
    for (let first = 0; first < all.length; first += 64) {
      const inputs = tested.batch(all.subarray(first, first + 64), undefined);
      const logits = tf.tidy(() => task.forward(inputs, false));
      const said = Float64Array.from(floats(logits));
      for (let i = 0; i < said.length / classes; i++) {
        judge.add(first + i, said.subarray(i * classes, (i + 1) * classes));
      }
      tf.dispose([inputs, logits]);
    }
    return Promise.resolve(void found.push(judge.result().balancedAccuracy));
  };
  try {
    const state = { load: () => Promise.resolve(undefined), save: test };
    const { history } = await trainLoop(tf, task, { ...options, state });
    const counts = Map.groupBy(Array.from(task.validation.labels), (c) => c);
    const pictures = counts.size * Math.max(...[...counts.values()].map(({ length }) => length));
    return history.map((epoch, n) => ({
      ...{ ...epoch, test: found[n]!, crossEntropy: epoch.validationLoss },
      rightPictures: Math.round(epoch.validationBalancedAccuracy * pictures),
    }));
  } finally {
    tf.dispose([...task.variables]);
  }
}

/** Roots of features, `[pictures, length]`, and the class of each picture that could be read. */
interface Features {
  readonly rows: Float32Array;
  readonly length: number;
  readonly classes: readonly number[];
  readonly learned: number;
}

async function featuresOf({ name, data, learned }: Pair, cache: string): Promise<Features> {
  const file = join(cache, `${name.replaceAll(/\W+/g, "_")}.json`);
  try {
    const { rows, ...known } = JSON.parse(await Deno.readTextFile(file));
    return { ...known, rows: Float32Array.from(rows) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await using classifier = await loadClassifier({ backend: "wasm" });
  const rows: number[][] = data.samples.map(() => []);
  const images = data.samples.map(({ file, image }) => image ?? file);
  for (const layer of ["pool4", "pool5"] as const) {
    const found = await classifier.embed(images, { layer, pooling: "avg", onError: "return" });
    found.forEach((own, n) => {
      if (!(own instanceof Error)) rows[n]!.push(...Array.from(own.data, rootOf));
    });
  }
  const readable = [...rows.keys()].filter((n) => rows[n]!.length > 0);
  const known = {
    length: rows[readable[0]!]!.length,
    classes: readable.map((n) => data.samples[n]!.label),
    learned: readable.filter((n) => n < learned).length,
  };
  const all = Float32Array.from(readable.flatMap((n) => rows[n]!));
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeTextFile(file, JSON.stringify({ ...known, rows: [...all] }));
  return { ...known, rows: all };
}

/** Rows of which each feature has the mean 0 and the deviation 1 over those that are learned from. */
function standardized(rows: Float32Array, length: number, train: readonly number[]): Float32Array {
  const mean = new Float64Array(length), squares = new Float64Array(length);
  for (const n of train) {
    for (let k = 0; k < length; k++) {
      mean[k]! += rows[n * length + k]! / train.length;
      squares[k]! += rows[n * length + k]! ** 2 / train.length;
    }
  }
  return rows.map((value, at) => {
    const k = at % length, variance = squares[k]! - mean[k]! ** 2;
    return variance > 1e-12 ? (value - mean[k]!) / Math.sqrt(variance) : 0;
  });
}
