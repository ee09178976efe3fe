/** How far a training in epochs is, and what keeps it, so that a later run goes on. */

import type { EpochMetrics } from "../progress.ts";
import type { Judged } from "./judge.ts";

/** How far a training is. */
export interface State {
  /** Epochs that are whole. */
  epoch: number;
  /** Updates of all of them. */
  updates: number;
  /** The epoch that judges the held pictures best, from 1 on; 0 if none is better than the beginning. */
  bestEpoch: number;
  /** Of that epoch, on the held pictures. */
  balancedAccuracy: number;
  /** Of that epoch, on the held pictures. */
  crossEntropy: number;
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

/** The state of a training that begins. Any epoch is better, unless it says what it begins with. */
export function beginning(
  { balancedAccuracy, crossEntropy }: Pick<Judged, "balancedAccuracy" | "crossEntropy"> = {
    balancedAccuracy: -1,
    crossEntropy: Infinity,
  },
): State {
  return { epoch: 0, updates: 0, bestEpoch: 0, balancedAccuracy, crossEntropy, history: [] };
}

/**
 * Takes in an epoch.
 *
 * @param loss Over the epoch's batches.
 * @returns What it gave, and whether it is the best so far: by balanced accuracy, and of equal ones by the least
 *   cross-entropy.
 */
export function endEpoch(
  state: State,
  loss: number,
  { accuracy, balancedAccuracy, crossEntropy }: Judged,
): { metrics: EpochMetrics; isBest: boolean } {
  const epoch = ++state.epoch;
  const metrics = {
    ...{ epoch, loss, validationLoss: crossEntropy, validationAccuracy: accuracy },
    validationBalancedAccuracy: balancedAccuracy,
  };
  state.history.push(metrics);
  const isBest = balancedAccuracy > state.balancedAccuracy ||
    balancedAccuracy === state.balancedAccuracy && crossEntropy < state.crossEntropy;
  if (isBest) Object.assign(state, { bestEpoch: epoch, balancedAccuracy, crossEntropy });
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
