/**
 * The classifier behind the service: loaded once, and again if its device is lost.
 *
 * @module
 */

import type { Classifier, ClassifierInfo } from "../../classifier.ts";
import { BackendUnavailableError } from "../../errors.ts";

/** What the service needs of a classifier. */
export type ServedClassifier = Pick<
  Classifier,
  "info" | "prepare" | "scores" | "embed" | "explain"
>;

/** Loads a classifier when it is first needed. */
export class ServedModel implements AsyncDisposable {
  readonly #load: () => Promise<ServedClassifier>;
  #loading: Promise<ServedClassifier> | undefined;
  #loaded: ServedClassifier | undefined;

  constructor(load: () => Promise<ServedClassifier>) {
    this.#load = load;
  }

  /** The classifier's properties, once it is loaded. */
  get info(): ClassifierInfo | undefined {
    return this.#loaded?.info;
  }

  /** Waits for the classifier. A load that failed is tried again by the next call. */
  get(): Promise<ServedClassifier> {
    return this.#loading ??= this.#load().then(
      (classifier) => this.#loaded = classifier,
      (error) => {
        this.#loading = undefined;
        throw error;
      },
    );
  }

  /**
   * Does something with the classifier. If its device is lost meanwhile, the model is loaded anew
   * and the work is done once more.
   *
   * @throws {BackendUnavailableError} If the device is lost again, or does not come back.
   */
  async use<Value>(work: (classifier: ServedClassifier) => Promise<Value>): Promise<Value> {
    const classifier = await this.get();
    try {
      return await work(classifier);
    } catch (error) {
      if (!(error instanceof BackendUnavailableError)) throw error;
      if (this.#loaded === classifier) await this.#drop();
      return await work(await this.get());
    }
  }

  /** Frees the weights. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loading?.catch(() => {});
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const classifier = this.#loaded;
    this.#loaded = undefined;
    this.#loading = undefined;
    if (classifier !== undefined && Symbol.asyncDispose in classifier) {
      await (classifier as ServedClassifier & AsyncDisposable)[Symbol.asyncDispose]();
    }
  }
}
