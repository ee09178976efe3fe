/** The model behind the service: loaded when it is first needed, and again after a failure, but not at once. */

import type { ImageClassifier, ImageClassifierInfo } from "../../classifier.ts";
import { DisposedError, isVggError } from "../../errors.ts";

/** How long no load is tried after the first that failed; after each further one twice as long. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 300_000;

/** Options of {@linkcode ServedModel}. */
export interface ServedModelOptions {
  /** Whether the classifier is the caller's: never closed, nor loaded anew. */
  readonly isBorrowed?: boolean;
  /** Called after a load that failed, with the time until the next may be tried. */
  readonly onFailure?: (error: unknown, waitMs: number) => void;
  /** A clock, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

/** A classifier that is loaded when it is first needed, and again if it is lost. */
export class ServedModel {
  readonly #load: (signal: AbortSignal) => Promise<ImageClassifier>;
  readonly #isBorrowed: boolean;
  readonly #onFailure: (error: unknown, waitMs: number) => void;
  readonly #now: () => number;
  /** Ends the load. It is that load's own: an isolate of Cloudflare's keeps none from one request to the next. */
  #ending: AbortController | undefined;
  #isClosed = false;
  #loading: Promise<ImageClassifier> | undefined;
  #loaded: ImageClassifier | undefined;
  /** Whether what is loaded, and borrowed, can answer no more. */
  #isLost = false;
  /** What was lost is freed before another is loaded. */
  #freeing: Promise<void> = Promise.resolve();
  /** Of the last load, if that failed. */
  #failure:
    | { readonly error: unknown; readonly waitMs: number; readonly until: number }
    | undefined;

  /** @param load Gets a signal that aborts when this is closed. */
  constructor(
    load: (signal: AbortSignal) => Promise<ImageClassifier>,
    options: ServedModelOptions = {},
  ) {
    const { isBorrowed = false, onFailure = () => {}, now = () => performance.now() } = options;
    this.#load = load;
    this.#isBorrowed = isBorrowed;
    this.#onFailure = onFailure;
    this.#now = now;
  }

  /** What the classifier is, once it is loaded. Asking loads nothing. */
  get info(): ImageClassifierInfo | undefined {
    return this.#loaded?.info;
  }

  /** Whether there is a classifier that can answer. Asking loads nothing. */
  get ready(): boolean {
    return this.#loaded !== undefined && !this.#loaded.closed && !this.#isLost && !this.#isClosed;
  }

  /** Bytes that the classifier holds, once it is loaded and if it tells. */
  get bytesResident(): number | undefined {
    return this.#loaded?.usage?.().bytesResident;
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
   * @throws {DisposedError} If this was closed.
   * @throws The error of the last load, if that failed and {@linkcode waitMs} is not over.
   */
  async get(): Promise<ImageClassifier> {
    if (this.#isClosed) throw new DisposedError("service");
    if (this.waitMs > 0) throw this.#failure!.error;
    // Whoever made it may have closed it.
    if (this.#loaded?.closed && !this.#isBorrowed) this.#free(this.#loaded);
    return await (this.#loading ??= this.#start());
  }

  async #start(): Promise<ImageClassifier> {
    await this.#freeing;
    try {
      this.#ending = new AbortController();
      if (this.#isClosed) throw new DisposedError("service");
      const classifier = await this.#load(this.#ending.signal);
      checkClassifier(classifier);
      this.#loaded = classifier;
      this.#failure = undefined;
      classifier.lost.then(() => this.#lose(classifier), () => {});
      return classifier;
    } catch (error) {
      this.#loading = undefined;
      if (this.#isClosed) throw error;
      const twice = 2 * (this.#failure?.waitMs ?? FIRST_WAIT_MS / 2);
      const waitMs = Math.min(twice, LONGEST_WAIT_MS);
      this.#failure = { error, waitMs, until: this.#now() + waitMs };
      this.#onFailure(error, waitMs);
      throw error;
    }
  }

  /**
   * Does something with the classifier, and once more if its device is lost meanwhile. If it is lost
   * for good, another is loaded before, unless it is borrowed.
   *
   * @throws {BackendUnavailableError} If the device is lost again, or does not come back.
   */
  async use<Value>(work: (classifier: ImageClassifier) => Promise<Value>): Promise<Value> {
    const classifier = await this.get();
    try {
      return await work(classifier);
    } catch (error) {
      if (!isVggError(error, "backend-lost")) throw error;
      if (!error.retryable) {
        this.#lose(classifier);
        if (this.#isBorrowed) throw error;
      }
      return await work(await this.get());
    }
  }

  /** Takes no more work, ends a load, and frees the classifier unless it is borrowed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#loaded === undefined) this.#ending?.abort(new DisposedError("service"));
    await this.#loading?.catch(() => {});
    if (this.#loaded !== undefined && !this.#isBorrowed) this.#free(this.#loaded);
    await this.#freeing;
  }

  #lose(classifier: ImageClassifier): void {
    if (this.#loaded !== classifier) return;
    if (this.#isBorrowed) this.#isLost = true;
    else this.#free(classifier);
  }

  #free(classifier: ImageClassifier): void {
    this.#loaded = undefined;
    this.#loading = undefined;
    // Of what is lost anyhow nobody wants to hear that it cannot be closed.
    this.#freeing = classifier.close().catch(() => {});
  }
}

/** A program without types may give anything, such as a module or the options of a classifier. */
function checkClassifier(given: ImageClassifier): void {
  const { classify, close, lost }: Partial<ImageClassifier> = Object(given);
  if (typeof classify === "function" && typeof close === "function" && lost instanceof Promise) {
    return;
  }
  const found = Object.prototype.toString.call(given);
  throw new TypeError(`Expected a classifier, as loadClassifier() gives it: found ${found}`);
}
