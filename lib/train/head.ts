/** What heads learn from, and what comes of it. */

import type { DenseReadout, NearestReadout } from "../model/readout.ts";
import type { EpochMetrics } from "../progress.ts";
import type { Rows } from "./rows.ts";
import type { Whitening } from "./statistics.ts";

/** What heads learn from. */
export interface HeadTask {
  /** Features, `[N, D]`. */
  readonly rows: Rows;
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
  /** Whether features were brought to the scale that they have in all pictures, also in those that judge. */
  readonly scaledByAll?: boolean | undefined;
  /** How it was learned, for the model's document. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What each epoch gave, of a head that learns in epochs. */
  readonly history?: readonly EpochMetrics[] | undefined;
  /** The epoch whose weights were kept, from 1 on; 0 if none was better than those that it began with. */
  readonly bestEpoch?: number | undefined;
}
