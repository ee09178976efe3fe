/** The heads that can be learned, each with what it says of pictures that it had not learned from. */

import type { DenseReadout, NearestReadout } from "../model/readout.ts";
import type { EpochMetrics, ProgressTeller } from "../progress.ts";
import { learnHidden } from "./hidden_head.ts";
import type { TrainingKernels } from "./kernels.ts";
import { learnLinear } from "./linear_head.ts";
import { learnNearest } from "./nearest.ts";
import type { LoopOptions } from "./loop.ts";
import type { Whitening } from "./statistics.ts";

/** What heads learn from. */
export interface HeadTask {
  /** Features, `[N, D]`. */
  readonly rows: Float32Array;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
  /** The class of each picture, `[N]`. */
  readonly labels: Int32Array;
  /** Number of classes, K. */
  readonly classes: number;
  /** The fold of each picture, `[N]`; -1 for those that are learned from every time. */
  readonly folds: Int32Array;
  /** How much each class counts, `[K]`. */
  readonly classWeights: Float32Array;
  readonly whitening: Whitening;
}

/** A head that was learned. */
export interface LearnedHead {
  readonly head: DenseReadout | NearestReadout;
  /** `[N, K]`: what a head that had not learned from a picture says of it; `NaN` if there is none. */
  readonly logits: Float64Array;
  /** How it was learned, for the model's document. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What each epoch gave, of a head that learns in epochs. */
  readonly history?: readonly EpochMetrics[] | undefined;
  /** The epoch whose weights were kept, from 1 on. */
  readonly bestEpoch?: number | undefined;
}

/** Which head is learned, and how. */
export interface HeadOptions {
  readonly head: "linear" | "nearest";
  /** Units of a hidden layer; 0 for none. */
  readonly hidden: number;
  /** How a head with a hidden layer learns. */
  readonly loop: LoopOptions;
  /** Whose arrays are overwritten. */
  readonly kernels: TrainingKernels;
  readonly progress: ProgressTeller;
}

/** Learns a head. */
export async function learnHead(task: HeadTask, options: HeadOptions): Promise<LearnedHead> {
  const { head, hidden, loop, kernels, progress } = options, { signal } = loop;
  if (hidden > 0) return await learnHidden(task, hidden, loop);
  const onStep = (done: number, total: number): void => progress.reach(done, total);
  if (head === "nearest") {
    const { head, validation } = await learnNearest(kernels, task, { signal, onStep });
    return { head, logits: validation.logits, settings: { head: head.kind } };
  }
  const { layer, C, validation } = await learnLinear(kernels, task, { signal, onStep });
  return {
    head: { kind: "dense", layers: [layer] },
    logits: validation.logits,
    settings: { head, C, whitening: task.whitening },
  };
}
