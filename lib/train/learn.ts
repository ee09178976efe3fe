/** The heads that can be learned, each with what it says of pictures that it had not learned from. */

import type { ProgressTeller } from "../progress.ts";
import type { HeadTask, LearnedHead } from "./head.ts";
import { learnHidden } from "./hidden_head.ts";
import type { TrainingKernels } from "./kernels.ts";
import { learnLinear } from "./linear_head.ts";
import type { LoopOptions } from "./loop.ts";
import { learnNearest } from "./nearest.ts";

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
