/** What a linear head learns from, and what comes of it. */

import type { CrossValidated, Judgement } from "./cross_validation.ts";
import type { DenseLayer } from "./dense_layer.ts";
import type { Rows } from "./rows.ts";
import type { LinearTransform, Whitening } from "./statistics.ts";

/** What a linear head learns from. */
export interface LinearTask extends Judgement {
  /** `[N, D]`. */
  readonly rows: Rows;
  /** Of the blocks of a row, in order; their sum is D. */
  readonly lengths: readonly number[];
  readonly whitening: Whitening;
  /** How much each class counts, `[K]`: how much more often it is expected than it is among the pictures. */
  readonly classWeights: ArrayLike<number>;
}

/** What was learned. */
export interface LinearHead {
  /** Of the roots of rows, learned from all of them. */
  readonly layer: DenseLayer;
  /** What brings the roots of rows to a common scale, which is folded into the layer: one for each block. */
  readonly transforms: readonly LinearTransform[];
  /** The strength that was chosen, one of those that are tried. */
  readonly C: number;
  readonly validation: CrossValidated;
  /** Whether features were brought to the scale that they have in all pictures, also in those that judge. */
  readonly scaledByAll: boolean;
}

/** How it is learned. */
export interface LinearOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how much is done, of how much. */
  readonly onStep?: ((done: number, total: number) => void) | undefined;
}
