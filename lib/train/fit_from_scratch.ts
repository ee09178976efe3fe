/** A small VGG from nothing but labeled pictures. */

import { createEngine } from "../engine/create.ts";
import type { Activations, BackendOptions } from "../engine/engine.ts";
import type { ImageInput } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { imagesTogether } from "../input/batches.ts";
import { computeViews, type Mean } from "../input/compute_views.ts";
import { collectSamples, type IndexedSample, type LabeledImages } from "../input/dataset.ts";
import { SkippedSamples } from "../input/skipped_samples.ts";
import { eachImage, type Work } from "../input/each_image.ts";
import { type View, viewsOf } from "../input/views.ts";
import { openModel } from "../model/file.ts";
import type { Model } from "../model/model.ts";
import { checkOptions, completeOptions, IMAGE_OPTIONS, pickOptions } from "../options.ts";
import { LEARNING_RATES, SCRATCH_OPTIONS } from "../options/training.ts";
import { assess } from "./assess.ts";
import { hashOfData } from "./features.ts";
import {
  finishFit,
  type Fitted,
  type FittedInMemory,
  type OutOptions,
  writeModel,
} from "./fitted.ts";
import { NEVER } from "./folds.ts";
import { withKernels } from "./kernels.ts";
import { trainLoop } from "./loop.ts";
import {
  architectureOf,
  forward,
  initialize,
  type NetworkOptions,
  trainedLayers,
} from "./network.ts";
import { ProgressTeller } from "../progress.ts";
import type { LearningOptions } from "./options.ts";
import { examples, type PixelOptions, preprocessingOf, readAll } from "./pixels.ts";
import { classWeightsOf, stratifiedSplit } from "./split.ts";
import { takeDirectory } from "./directory.ts";
import { keyOf } from "./keys.ts";
import { stateFile } from "./state_file.ts";
import { withTfjs } from "./tfjs.ts";
import { pixelWhitening, whitenAll } from "./pixel_whitening.ts";

/** Options of {@linkcode fitFromScratch}. */
export interface ScratchOptions
  extends NetworkOptions, PixelOptions, LearningOptions, OutOptions, BackendOptions {
  /** Stops the fit; with a directory a later call goes on. */
  readonly signal?: AbortSignal | undefined;
  /** A directory for the state of the training, from which a later call goes on. */
  readonly directory?: string | undefined;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string | undefined;
}

/**
 * Trains all layers of a small VGG, on the CPU, and writes an int8 model of it to `out`. Its convolutions are
 * batch-normalized while they learn; in the model that is folded into the weights. The learning rate
 * rises and falls once. The pictures' mean and deviation, from one pass over those that are learned
 * from, become the model's preprocessing.
 *
 * Other defaults than a head's: 10 epochs, batches of 64, a learning rate of 0.003 for adam and 0.03
 * otherwise.
 *
 * @throws {RangeError} If an option is unknown or out of range, or there are too few classes or pictures.
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
 */
export function fitFromScratch(
  data: LabeledImages,
  options: ScratchOptions & { readonly out: string },
): Promise<Fitted>;
/** Trains all layers of a small VGG, and gives the bytes of an int8 model of it. */
export function fitFromScratch(
  data: LabeledImages,
  options?: ScratchOptions & { readonly out?: undefined },
): Promise<FittedInMemory>;
/** Trains all layers of a small VGG, and writes the model, or gives its bytes if no `out` is given. */
export function fitFromScratch(
  data: LabeledImages,
  options: ScratchOptions,
): Promise<Fitted | FittedInMemory>;
export async function fitFromScratch(
  data: LabeledImages,
  options: ScratchOptions = {},
): Promise<Fitted | FittedInMemory> {
  checkOptions(SCRATCH_OPTIONS, options);
  const complete = completeOptions(SCRATCH_OPTIONS, options);
  const { labels } = data, all = await collectSamples(data, options.signal);
  const { seed, directory, validation, classWeights: balance, flip, shift, id } = complete;
  const { optimizer, epochs, patience, weightDecay, batchSize } = complete;
  const architecture = architectureOf(complete, labels.length);
  const { learningRate = LEARNING_RATES.scratch[optimizer] } = options;
  const loop = {
    ...{ optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize },
    oneCycle: true,
  };

  using _directory = await takeDirectory(directory);
  const skipped = new SkippedSamples(labels);
  const read = await readAll(all, architecture, skipped, options);
  skipped.check(all, complete.skipBad);
  const { samples, pixels, colors, fingerprints } = read;
  const classes = samples.map(({ label }) => label);
  const firsts = new Map(fingerprints.map((own, n) => [own, n] as const).toReversed());
  const duplicates = Int32Array.from(fingerprints, (own) => firsts.get(own)!);
  const split = stratifiedSplit(classes, labels, validation, seed, duplicates);
  const dataSha256 = await hashOfData(fingerprints, classes);
  const whitening = options.whitening === "zca"
    ? await pixelWhitening(pixels, split.train, architecture, seed, options.signal)
    : undefined;
  if (whitening !== undefined) {
    await whitenAll(pixels, architecture, whitening, options.signal);
  }
  const preprocessing = preprocessingOf(pixels, split.train, architecture, options, whitening);
  const task = { pixels, classes, architecture, preprocessing };
  const settings = [loop, validation, balance, flip, shift];
  const key = await keyOf([dataSha256, architecture, preprocessing, settings]);
  const trained = await withTfjs((tf) =>
    withKernels(options, async (kernels) => {
      const network = initialize(tf, architecture, seed), variables = network.layers.flat();
      try {
        const { history, bestEpoch } = await trainLoop(tf, {
          variables,
          statistics: network.statistics,
          classes: labels.length,
          classWeights: classWeightsOf(balance, classes, labels.length),
          forward: (x, training) => forward(tf, kernels, network, x, training),
          train: examples(tf, task, split.train, complete),
          validation: examples(tf, task, split.validation, complete),
        }, {
          ...loop,
          signal: options.signal,
          state: directory === undefined ? undefined : await stateFile(directory, key),
          progress: new ProgressTeller(options, { stage: "train", unit: "epochs" }),
        });
        return { history, bestEpoch, layers: trainedLayers(network) };
      } finally {
        tf.dispose(variables);
      }
    })
  );

  const { layers, ...learned } = trained;
  const description = {
    id,
    architecture,
    preprocessing,
    labels,
    provenance: {
      training: `From scratch on ${split.train.length} pictures: ${JSON.stringify(loop)}`,
      dataSha256,
    },
  };
  const base = await openModel(await writeModel(description, undefined, layers));
  const validated = split.validation.map((n) => samples[n]!);
  const judged = await judge(base, validated, options);
  const folds = new Int32Array(samples.length).fill(NEVER);
  const logits = new Float64Array(samples.length * labels.length).fill(NaN);
  split.validation.forEach((position, n) => {
    folds[position] = 0;
    logits.set(judged[n]!, position * labels.length);
  });
  const assessed = { samples, labels, colors, logits, folds, duplicates };
  const { assessment, calibration } = await assess(assessed, options.signal);
  return await finishFit(
    { description, base, assessment, calibration, skipped: skipped.list, ...learned },
    options,
  );
}

/** What a model says about pictures: the logits of each. */
async function judge(
  model: Model,
  samples: readonly IndexedSample[],
  options: ScratchOptions,
): Promise<Float64Array[]> {
  await using engine = await createEngine(model, options);
  const { input } = model.architecture, { signal } = options;
  const about = { stage: "evaluate", unit: "images" } as const;
  const progress = new ProgressTeller(options, about, samples.length);
  const images = samples.map(({ file, image }) => ({ name: file, image: image ?? file }));
  const reading = { ...pickOptions(IMAGE_OPTIONS, options), shorterSide: input.height };
  const work: Work<readonly View[], Float64Array> = {
    prepare: async (image, signal) =>
      viewsOf(await readImage(image as ImageInput, { ...reading, signal }), model), // It was not prepared.
    compute: computeViews(engine, input, [], () => new Logits()),
    most: imagesTogether(input),
    bytesOf: (views) => views.reduce((sum, { data }) => sum + data.length, 0),
  };
  const found: Float64Array[] = [];
  const each = eachImage(images, "logits", work, {
    signal,
    progress,
    isList: true,
    isStrict: true,
  });
  for await (const { logits, error } of each) {
    if (error !== undefined) throw error;
    found.push(logits);
  }
  return found;
}

/** The logits of one view. */
class Logits implements Mean<Float64Array> {
  #values = new Float64Array();

  add([{ data, scale, shape }]: readonly [Activations], n: number): void {
    const classes = shape[3];
    this.#values = Float64Array.from(
      data.subarray(n * classes, (n + 1) * classes),
      (value) => value * scale[n]!,
    );
  }

  result(): Float64Array {
    return this.#values;
  }
}
