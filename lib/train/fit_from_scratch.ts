/** A small VGG from nothing but labeled pictures. */

import type { NetworkOptions } from "./network_options.ts";
import type { BackendOptions } from "../engine/engine.ts";
import { collectSamples, type LabeledImages } from "../input/dataset.ts";
import { SkippedSamples } from "../input/skipped_samples.ts";
import { openModel } from "../model/file.ts";
import { checkOptions, completeOptions } from "../options.ts";
import { SCRATCH_OPTIONS } from "../options/training.ts";
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
import { architectureOf, forward, initialize, trainedLayers } from "./network.ts";
import { ProgressTeller } from "../progress.ts";
import type { LearningOptions } from "./options.ts";
import { pixelLogits } from "./pixel_logits.ts";
import type { PixelOptions } from "./pixel_options.ts";
import { examples, preprocessingOf, readAll } from "./pixels.ts";
import { classWeightsOf, stratifiedSplit } from "./split.ts";
import { takeDirectory } from "./directory.ts";
import { keyOf } from "./keys.ts";
import { stateFile } from "./state_file.ts";
import { scratchSteps } from "./steps.ts";
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
 * rises and falls once, over all epochs. The pictures' mean and deviation, from one pass over those that are learned
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
  checkPatience(options);
  checkOptions(SCRATCH_OPTIONS, options);
  const complete = completeOptions(SCRATCH_OPTIONS, options);
  const { labels } = data, all = await collectSamples(data, options.signal);
  const { seed, directory, validation, classWeights: balance, id } = complete;
  const architecture = architectureOf(complete, labels.length);

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
  const { steps, kept } = scratchSteps(complete, { dataSha256, architecture, preprocessing });
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
          ...steps,
          signal: options.signal,
          state: directory === undefined
            ? undefined
            : await stateFile(directory, await keyOf(kept)),
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
      training: `From scratch on ${split.train.length} pictures: ${JSON.stringify(steps)}`,
      dataSha256,
    },
  };
  const base = await openModel(await writeModel(description, undefined, layers));
  const logits = await pixelLogits(base, task, split.validation, options);
  const folds = new Int32Array(samples.length).fill(NEVER);
  for (const n of split.validation) folds[n] = 0;
  const assessed = { samples, labels, colors, logits, folds, duplicates };
  const { assessment, calibration } = await assess(assessed, options.signal);
  return await finishFit(
    { description, base, assessment, calibration, skipped: skipped.list, ...learned },
    options,
  );
}

/**
 * Refuses an option that a head has, and that would only end the training before what it gives.
 *
 * @throws {RangeError} If it is given.
 */
function checkPatience(options: unknown): void {
  const { patience } = Object(options) as { readonly patience?: unknown };
  if (patience === undefined) return;
  throw new RangeError(
    "patience has no effect on fitFromScratch(), whose learning rate falls until the last epoch: lower epochs",
  );
}
