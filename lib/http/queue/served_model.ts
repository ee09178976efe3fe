/** The model behind the service: loaded when it is first needed, and again after a failure, but not at once. */

import type { Classifier, ClassifierInfo } from "../../classifier.ts";
import type { RunOptions } from "../../engine/engine.ts";
import { DisposedError, isVggError } from "../../errors.ts";
import type { ExplainOptions, Explanation } from "../../explain/explain.ts";
import type { ImageInput } from "../../image/image.ts";
import type { PreparedImage } from "../../input/prepared_image.ts";
import type { Embedding, EmbeddingOptions } from "../../output/embedding.ts";

/** What the service needs of a classifier. */
export interface ServedClassifier extends Pick<Classifier, "info" | "usage" | "prepare"> {
  /** Probabilities of all classes of each image. */
  scores(
    images: readonly PreparedImage[],
    options?: Pick<RunOptions, "signal">,
  ): Promise<Float64Array[]>;
  /** What a layer says about each image. */
  embed(
    images: readonly PreparedImage[],
    options?: EmbeddingOptions & Pick<RunOptions, "signal">,
  ): Promise<Embedding[]>;
  /** Shows which part of an image speaks for a class. */
  explain(image: ImageInput, options?: ExplainOptions): Promise<Explanation>;
}

/** How long no load is tried after the first that failed; after each further one twice as long. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 300_000;

/** Options of {@linkcode ServedModel}. */
export interface ServedModelOptions {
  /** Whether the classifier is the caller's: never disposed of, nor loaded anew. */
  readonly isBorrowed?: boolean;
  /** Called after a load that failed, with the time until the next may be tried. */
  readonly onFailure?: (error: unknown, waitMs: number) => void;
  /** A clock, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

/** A classifier that is loaded when it is first needed, and again if its device is lost for good. */
export class ServedModel implements AsyncDisposable {
  readonly #load: () => Promise<ServedClassifier>;
  readonly #isBorrowed: boolean;
  readonly #onFailure: (error: unknown, waitMs: number) => void;
  readonly #now: () => number;
  #isDisposed = false;
  #loading: Promise<ServedClassifier> | undefined;
  #loaded: ServedClassifier | undefined;
  /** Of the last load, if that failed. */
  #failure:
    | { readonly error: unknown; readonly waitMs: number; readonly until: number }
    | undefined;

  constructor(load: () => Promise<ServedClassifier>, options: ServedModelOptions = {}) {
    const { isBorrowed = false, onFailure = () => {}, now = () => performance.now() } = options;
    this.#load = load;
    this.#isBorrowed = isBorrowed;
    this.#onFailure = onFailure;
    this.#now = now;
  }

  /** The classifier's properties, once it is loaded. Asking loads nothing. */
  get info(): ClassifierInfo | undefined {
    return this.#loaded?.info;
  }

  /** Bytes that the classifier holds, once it is loaded. */
  get bytesResident(): number | undefined {
    return this.#loaded?.usage().bytesResident;
  }

  /** How long no load is tried, in milliseconds, because the last one failed; 0 if it did not. */
  get waitMs(): number {
    return Math.max(0, (this.#failure?.until ?? 0) - this.#now());
  }

  /** Whether this is why a load failed. */
  isFailure(error: unknown): boolean {
    return this.#failure !== undefined && this.#failure.error === error;
  }

  /**
   * Waits for the classifier, and loads it if nobody does.
   *
   * @throws {DisposedError} If this was disposed.
   * @throws The error of the last load, if that failed and {@linkcode waitMs} is not over.
   */
  async get(): Promise<ServedClassifier> {
    if (this.#isDisposed) throw new DisposedError("service");
    if (this.waitMs > 0) throw this.#failure!.error;
    return await (this.#loading ??= this.#start());
  }

  async #start(): Promise<ServedClassifier> {
    try {
      this.#loaded = await this.#load();
      this.#failure = undefined;
      return this.#loaded;
    } catch (error) {
      this.#loading = undefined;
      const twice = 2 * (this.#failure?.waitMs ?? FIRST_WAIT_MS / 2);
      const waitMs = Math.min(twice, LONGEST_WAIT_MS);
      this.#failure = { error, waitMs, until: this.#now() + waitMs };
      this.#onFailure(error, waitMs);
      throw error;
    }
  }

  /**
   * Does something with the classifier, and once more if its device is lost meanwhile. If it is lost
   * for good, the model is loaded anew before.
   *
   * @throws {BackendUnavailableError} If the device is lost again, or does not come back.
   */
  async use<Value>(work: (classifier: ServedClassifier) => Promise<Value>): Promise<Value> {
    const classifier = await this.get();
    try {
      return await work(classifier);
    } catch (error) {
      if (!isVggError(error, "backend-lost")) throw error;
      if (!error.retryable) {
        if (this.#isBorrowed) throw error;
        if (this.#loaded === classifier) await this.#drop();
      }
      return await work(await this.get());
    }
  }

  /** Frees the weights. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#loading?.catch(() => {});
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const classifier = this.#loaded;
    this.#loaded = undefined;
    this.#loading = undefined;
    if (classifier !== undefined && !this.#isBorrowed && Symbol.asyncDispose in classifier) {
      await (classifier as ServedClassifier & AsyncDisposable)[Symbol.asyncDispose]();
    }
  }
}
