/** How far a call is: what all that take long tell, in the same words. */

/** What a call is doing. One call may go through several of these, and come back to one. */
export type ProgressStage =
  | "pull"
  | "convert"
  | "load"
  | "tune"
  | "features"
  | "train"
  | "evaluate"
  | "classify"
  | "embed"
  | "index"
  | "compare";

/**
 * How far a call is. Within a stage `done` never goes back, and a stage that comes to its end tells a
 * `done` that is its `total`.
 */
export interface Progress {
  /**
   * - `"pull"`: a file is downloaded, in bytes;
   * - `"convert"`: a checkpoint becomes a model file, in weights;
   * - `"load"`: a model file is read and checked, in bytes; the last ones go into the engine;
   * - `"tune"`: the fastest kernels of a GPU are chosen, in trials;
   * - `"features"`: pictures are read for training, in images;
   * - `"train"`: a head or a network learns, in epochs, or settings are tried, in trials;
   * - `"evaluate"`: labeled images are classified, in images;
   * - `"classify"`, `"embed"`: images of a stream are given out, in images;
   * - `"index"`: pictures come into an index, in images;
   * - `"compare"`: pictures of an index are compared with all others, in images.
   */
  readonly stage: ProgressStage;
  /** How much is done, from 0 on. */
  readonly done: number;
  /** How much there is, where it is known. Less than before if training stops early. */
  readonly total?: number | undefined;
  /** What `done` and `total` count. */
  readonly unit: "bytes" | "weights" | "trials" | "images" | "epochs";
  /** What is read: a path, or a URL without secrets. */
  readonly file?: string | undefined;
  /** What an epoch of training gave, once after each. */
  readonly epoch?: EpochMetrics | undefined;
}

/**
 * What one epoch gave. Losses are mean cross-entropies in nats, in which each picture counts as much as its class does:
 * ln K where all K classes are said to be alike. Accuracies are parts of 1.
 */
export interface EpochMetrics {
  /** From 1 on. */
  readonly epoch: number;
  /** Over the epoch's batches, while it was learning from them. */
  readonly loss: number;
  /** On the validation pictures, after the epoch. */
  readonly validationLoss: number;
  /** On the validation pictures, after the epoch. */
  readonly validationAccuracy: number;
  /** On the validation pictures, on average over the classes: the epoch that is best in this is kept. */
  readonly validationBalancedAccuracy: number;
}

/** Options of whatever tells how far it is. */
export interface ProgressOptions {
  /**
   * Called as the work goes on. It is not waited for, and what it throws ends the call as an abort
   * would.
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Tells of one stage of a call. What would go back, since something is done again, is not told. */
export class ProgressTeller {
  readonly #tell: ((progress: Progress) => void) | undefined;
  readonly #about: Pick<Progress, "stage" | "unit" | "file">;
  #total: number | undefined;
  #done = -1;

  /** @param total How much there is, where it is known before. */
  constructor(
    { onProgress }: ProgressOptions,
    about: Pick<Progress, "stage" | "unit" | "file">,
    total?: number,
  ) {
    this.#tell = onProgress;
    this.#about = about;
    this.#total = total;
  }

  /** So much is done, of so much. */
  reach(done: number, total: number | undefined = this.#total, epoch?: EpochMetrics): void {
    if (done <= this.#done) return;
    this.#done = done;
    this.#total = total;
    this.#tell?.({
      ...this.#about,
      done,
      ...total === undefined ? {} : { total },
      ...epoch === undefined ? {} : { epoch },
    });
  }

  /** All is done, however much it was. */
  end(): void {
    if (this.#done === this.#total) return;
    this.#total = this.#done = Math.max(0, this.#done);
    this.#tell?.({ ...this.#about, done: this.#done, total: this.#total });
  }
}
