/**
 * A small VGG from nothing but labelled pictures.
 *
 * @module
 */

import type { EngineOptions } from "../engine/create.ts";
import type { Dataset } from "../input/dataset.ts";
import { accuracyOf } from "./accuracy.ts";
import { TrainingKernels } from "./kernels.ts";
import { trainLoop } from "./loop.ts";
import {
  architectureOf,
  forward,
  initialise,
  type NetworkOptions,
  trainedLayers,
} from "./network.ts";
import { type Fitted, learning, type LearningOptions, partOf } from "./options.ts";
import { examples, type PixelOptions, preprocessingOf, readAll } from "./pixels.ts";
import { classWeightsOf, stratifiedSplit } from "./split.ts";
import { keyOf, stateFile } from "./storage.ts";
import { withTfjs } from "./tfjs.ts";
import { pixelWhitening, whitenAll } from "./whitening.ts";
import { writeModel } from "./write_model.ts";

/** Options of {@linkcode fitFromScratch}. */
export interface ScratchOptions
  extends NetworkOptions, PixelOptions, LearningOptions, EngineOptions {
  /** Of all random choices. Default: 0. */
  readonly seed?: number;
  /** Stops the fit; with a directory a later call goes on. */
  readonly signal?: AbortSignal;
  /** A directory for the state of the training, from which a later call goes on. */
  readonly directory?: string;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string;
}

/**
 * Trains all layers of a small VGG, on the CPU, and makes an int8 model of it. Its convolutions are
 * batch-normalised while they learn; in the model that is folded into the weights. The learning rate
 * rises and falls once. The pictures' mean and deviation, from one pass over those that are learned
 * from, become the model's preprocessing.
 *
 * Other defaults than a head's: 10 epochs, batches of 64, a learning rate of 0.003 for adam and 0.03
 * otherwise.
 *
 * @throws {RangeError} If an option is out of range, or there are too few classes or pictures.
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
 */
export async function fitFromScratch(
  data: Dataset,
  options: ScratchOptions = {},
): Promise<Fitted> {
  const { samples, labels } = data;
  const { seed = 0, directory } = options;
  const architecture = architectureOf(options, labels.length);
  const classes = samples.map(({ label }) => label);
  const split = stratifiedSplit(classes, labels.length, partOf(options), seed);
  const { epochs = 10, batchSize = 64, classWeights: balance = "balanced" } = options;
  const { optimizer = "adam" } = options;
  // Normalised layers bear a higher rate than a head does.
  const { learningRate = optimizer === "adam" ? 3e-3 : 3e-2 } = options;
  const loop = {
    ...learning({ ...options, epochs, batchSize, learningRate }, 0),
    oneCycle: true,
  };
  const threads = threadsOf(options);

  const { pixels, dataSha256 } = await readAll(data, architecture, options);
  const whitening = options.whitening === "zca"
    ? pixelWhitening(pixels, split.train, architecture, seed)
    : undefined;
  if (whitening !== undefined) whitenAll(pixels, architecture, whitening);
  const preprocessing = preprocessingOf(pixels, split.train, architecture, options, whitening);
  const task = { pixels, classes, architecture, preprocessing };
  if (directory !== undefined) await Deno.mkdir(directory, { recursive: true });
  const { flip, shift } = options;
  const learned = [loop, partOf(options), balance, flip, shift];
  const key = keyOf([dataSha256, architecture, preprocessing, learned]);
  const trained = await withTfjs(async (tf) => {
    const network = initialise(tf, architecture, seed), variables = network.layers.flat();
    const kernels = await TrainingKernels.start(threads);
    try {
      const { history, bestEpoch } = await trainLoop(tf, {
        variables,
        statistics: network.statistics,
        classes: labels.length,
        classWeights: classWeightsOf(balance, classes, labels.length),
        forward: (x, training) => forward(tf, kernels, network, x, training),
        train: examples(tf, task, split.train, options),
        validation: examples(tf, task, split.validation, options),
      }, {
        ...loop,
        signal: options.signal,
        state: directory === undefined ? undefined : stateFile(directory, key),
        onEpoch: (metrics) => options.onFit?.({ stage: "training", metrics }),
      });
      return { history, bestEpoch, layers: trainedLayers(network) };
    } finally {
      await kernels.end();
      tf.dispose(variables);
    }
  });

  const description = {
    id: options.id ?? "fitted",
    architecture,
    preprocessing,
    labels,
    provenance: {
      training: `From scratch on ${split.train.length} pictures: ${JSON.stringify(loop)}`,
      dataSha256,
    },
  };
  const model = await writeModel(description, trained.layers);
  const accuracy = await accuracyOf(model, split.validation.map((n) => samples[n]), options);
  const { history, bestEpoch } = trained;
  return { model, labels, split, history, bestEpoch, accuracy, dataSha256 };
}

/** The kernels are too short for more threads than this. */
const MAX_THREADS = 8;

function threadsOf({ threads = "auto" }: EngineOptions): number {
  if (threads !== "auto" && !(Number.isInteger(threads) && threads >= 1)) {
    throw new RangeError(`threads must be "auto" or an integer of at least 1: found ${threads}`);
  }
  return Math.min(MAX_THREADS, threads === "auto" ? navigator.hardwareConcurrency : threads);
}
