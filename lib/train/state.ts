/** How far a training in epochs is, and what keeps it, so that a later run goes on. */

import type { EpochMetrics } from "../progress.ts";
import { isBetter, type Judged, type Rank } from "./judge.ts";

/** How far a training is. */
export interface State {
  /** Epochs that are whole. */
  epoch: number;
  /** Updates of all of them. */
  updates: number;
  /** The epoch that judges the held pictures best, from 1 on; 0 if none is better than the beginning. */
  bestEpoch: number;
  /** How that judges them. */
  best: Rank;
  /** Of all epochs. */
  readonly history: EpochMetrics[];
}

/** The numbers of a training, by name: those that it changes, the best ones, and what its optimizer remembers. */
export type StateArrays = Readonly<Record<string, Float32Array>>;

/** Where a state is kept. */
export interface StateStore {
  /**
   * Fills arrays with what an earlier run kept of them.
   *
   * @returns Undefined if there is no state of such arrays; they are as they were then.
   */
  load(arrays: StateArrays): Promise<State | undefined>;
  /** Keeps a state. The arrays must not change until it is. */
  save(state: State, arrays: StateArrays): Promise<void>;
}

/** What any epoch is better than. */
const NOTHING: Rank = { rightPictures: -1, crossEntropy: Infinity };

/** The state of a training that begins, from something that judges the held pictures, or from nothing. */
export function beginning({ rightPictures, crossEntropy }: Rank = NOTHING): State {
  const best = { rightPictures, crossEntropy };
  return { epoch: 0, updates: 0, bestEpoch: 0, best, history: [] };
}

/**
 * Takes in an epoch.
 *
 * @param loss Over the epoch's batches.
 * @returns What it gave, and whether it is the best so far.
 */
export function endEpoch(
  state: State,
  loss: number,
  { accuracy, balancedAccuracy, crossEntropy, rightPictures }: Judged,
): { metrics: EpochMetrics; isBest: boolean } {
  const epoch = ++state.epoch;
  const metrics = {
    ...{ epoch, loss, validationLoss: crossEntropy, validationAccuracy: accuracy },
    validationBalancedAccuracy: balancedAccuracy,
  };
  state.history.push(metrics);
  const rank = { rightPictures, crossEntropy }, isBest = isBetter(rank, state.best);
  if (isBest) Object.assign(state, { bestEpoch: epoch, best: rank });
  return { metrics, isBest };
}

/**
 * Checks a loss.
 *
 * @throws {RangeError} If it is not finite.
 */
export function checkLoss(loss: number, epoch: number, rate: number): void {
  if (Number.isFinite(loss)) return;
  throw new RangeError(
    `The loss is ${loss} in epoch ${epoch}, at a learning rate of ${rate}: lower learningRate`,
  );
}
