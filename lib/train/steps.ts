/** How what learns in epochs does it, and what its state depends on beside the pictures. */

import type { Architecture } from "../model/architecture.ts";
import type { Preprocessing } from "../model/model.ts";
import type { Complete } from "../options.ts";
import {
  HEAD_BATCH,
  HEAD_EPOCHS,
  LEARNING_RATES,
  type SCRATCH_OPTIONS,
  TUNING,
} from "../options/training.ts";
import { VERSION } from "../version.ts";
import type { FitSettings } from "./fit_options.ts";
import type { LoopOptions } from "./loop.ts";
import type { TuningOptions } from "./tuning.ts";

/** The options of `fitFromScratch()`, with the defaults of what was not given. */
export type ScratchSettings = Complete<typeof SCRATCH_OPTIONS>;

/** How a training goes. */
export interface Steps<Options> {
  /** What it is told. */
  readonly steps: Options;
  /** Whatever changes what comes of it, but its pictures and their features: a state of others is another's. */
  readonly kept: Readonly<Record<string, unknown>>;
}

/** Of a head with a hidden layer. */
export function hiddenSteps(
  settings: FitSettings,
  pictures: number,
): Steps<Omit<LoopOptions, "oneCycle">> {
  const { hidden, optimizer, patience, weightDecay, seed, epochs = HEAD_EPOCHS } = settings;
  const { learningRate = LEARNING_RATES.head[optimizer] } = settings;
  const isLarge = pictures >= HEAD_BATCH.manyFrom;
  const { batchSize = isLarge ? HEAD_BATCH.many : HEAD_BATCH.few } = settings;
  const { validation, classWeights, whitening } = settings;
  const steps = { optimizer, epochs, patience, weightDecay, seed, learningRate, batchSize };
  return { steps, kept: { ...steps, hidden, validation, classWeights, whitening } };
}

/** Of the last block with a head. */
export function tuningSteps(settings: FitSettings): Steps<TuningOptions> {
  const { weightDecay, seed, validation, classWeights, whitening } = settings;
  const { epochs = TUNING.epochs, batchSize = TUNING.batchSize } = settings;
  const { learningRate = TUNING.learningRate } = settings;
  const steps = { epochs, batchSize, learningRate, weightDecay, seed };
  return { steps, kept: { ...steps, validation, classWeights, whitening } };
}

/** What a network from scratch is, and learns from. */
export interface ScratchTask {
  /** SHA-256 of the pictures and their classes. */
  readonly dataSha256: string;
  readonly architecture: Architecture;
  readonly preprocessing: Preprocessing;
}

/** Of a network from scratch. */
export function scratchSteps(
  settings: ScratchSettings,
  { dataSha256, architecture, preprocessing }: ScratchTask,
  version: string = VERSION,
): Steps<LoopOptions> {
  const { optimizer, epochs, weightDecay, seed, batchSize } = settings;
  const { learningRate = LEARNING_RATES.scratch[optimizer] } = settings;
  const steps = {
    ...{ optimizer, epochs, weightDecay, seed, learningRate, batchSize },
    oneCycle: true,
  };
  const { validation, classWeights, flip, shift } = settings;
  const task = { dataSha256, architecture, preprocessing };
  // Another version may read pictures in another way, or vary them.
  return { steps, kept: { version, ...task, ...steps, validation, classWeights, flip, shift } };
}
