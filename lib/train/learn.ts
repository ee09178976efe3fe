/** The heads that a fit can learn, each with what it says of pictures that it had not learned from. */

import type { Model } from "../model/model.ts";
import { NEAREST_BELOW } from "../options/training.ts";
import { ProgressTeller } from "../progress.ts";
import { fineTune, type FineTuneTask } from "./fine_tune.ts";
import type { FitOptions, FitSettings } from "./fit_options.ts";
import type { PicturesStore } from "./fit_store.ts";
import { NEVER, stratifiedFolds } from "./folds.ts";
import type { HeadTask, LearnedHead } from "./head.ts";
import { learnHidden } from "./hidden_head.ts";
import type { TrainingKernels } from "./kernels.ts";
import { learnLinear, scalingOf } from "./linear_head.ts";
import { mapShape, recordBytes } from "./maps.ts";
import { directionsOf, examplesProblem, learnNearest } from "./nearest.ts";
import { countsOf, stratifiedSplit } from "./split.ts";
import { RecordsInMemory } from "./records.ts";
import { hiddenSteps, tuningSteps } from "./steps.ts";

/** How a fit learns. */
export interface HowToLearn {
  /** What was asked for. */
  readonly options: FitOptions;
  /** The same, with the defaults of what was not given. */
  readonly settings: FitSettings;
  /** Whose arrays are overwritten. */
  readonly kernels: TrainingKernels;
  /** Where what takes long is kept. */
  readonly store: PicturesStore | undefined;
}

/** The fold of each picture. What learns in epochs is judged on one, which it never learns from. */
export function foldsFor(
  classes: Int32Array,
  labels: readonly string[],
  duplicates: Int32Array,
  { hidden, fineTune, folds, validation, seed }: FitSettings,
): Int32Array {
  if (hidden === 0 && fineTune === undefined) {
    return stratifiedFolds(classes, labels.length, { folds, seed, together: duplicates });
  }
  const split = stratifiedSplit(classes, labels, validation, seed, duplicates);
  const chosen = new Int32Array(classes.length).fill(NEVER);
  for (const n of split.validation) chosen[n] = 0;
  return chosen;
}

/** Learns a head. */
export async function learn(task: HeadTask, how: HowToLearn): Promise<LearnedHead> {
  const { options, settings: { head, hidden, whitening }, kernels } = how, { signal } = options;
  if (hidden > 0) return await learnInEpochs(task, how);
  const progress = new ProgressTeller(options, { stage: "train", unit: "trials" });
  const onStep = (done: number, total: number): void => progress.reach(done, total);
  const isLinear = options.whitening !== undefined || options.classWeights !== undefined;
  const kind = head !== "auto" ? head : isLinear ? "linear" : headFor(task);
  if (kind === "nearest") {
    const directions = await directionsOf(task.rows, task.lengths, signal);
    const { head, validation } = await learnNearest(kernels, { ...task, directions }, {
      ...{ signal, onStep },
    });
    progress.end();
    return { head, logits: validation.logits, settings: { head: kind } };
  }
  const { layer, C, validation, scaledByAll } = await learnLinear(kernels, task, {
    signal,
    onStep,
  });
  progress.end();
  return {
    head: { kind: "dense", layers: [layer] },
    logits: validation.logits,
    ...{ scaledByAll, settings: { head: kind, C, whitening, ...scalingOf(scaledByAll) } },
  };
}

/** The head that is right more often for so many pictures, as long as they fit in memory. */
function headFor({ labels, classes, rows }: HeadTask): "linear" | "nearest" {
  if (examplesProblem(rows.count, rows.length) !== undefined) return "linear";
  return countsOf(labels, classes).sort()[classes >> 1]! < NEAREST_BELOW ? "nearest" : "linear";
}

/** Learns a head with a hidden layer. */
async function learnInEpochs(
  task: HeadTask,
  { options, settings, store }: HowToLearn,
): Promise<LearnedHead> {
  const { steps, kept } = hiddenSteps(settings, task.labels.length);
  const state = await store?.state(kept);
  const progress = new ProgressTeller(options, { stage: "train", unit: "epochs" });
  const { signal } = options;
  const loop = { ...steps, oneCycle: false, signal, state, progress };
  const learned = await learnHidden(task, settings.hidden, loop);
  progress.end();
  return learned;
}

/** Fine-tunes the last block, with a head. */
export async function learnTuned(
  task: Omit<FineTuneTask, "records">,
  { options, settings, kernels, store }: HowToLearn,
): Promise<{ model: Model; learned: LearnedHead }> {
  const { steps, kept } = tuningSteps(settings);
  const size = recordBytes(mapShape(task.frozen.model));
  using records = await store?.records(size) ?? new RecordsInMemory();
  const state = await store?.state(kept);
  return await fineTune(kernels, { ...task, records }, { ...options, ...steps, state });
}
