/** One model for all that ask for the same. */

import { abortable } from "@std/async/abortable";
import {
  type Classifier,
  classifierOn,
  type ClassifierOptions,
  type ClassifyOptions,
  type LoadedModel,
  loadEngine,
  type NoThreshold,
} from "../classifier.ts";
import type { ErrorsOf, ImageError, ManyOptions } from "../input/image_error.ts";
import type { Images, Input, OptionsFor } from "../input/prepared_image.ts";
import type { DefaultLabel } from "../model/default_labels.ts";
import { checkOptions, CLASSIFIER_OPTIONS, completeOptions } from "../options.ts";
import type { Prediction, Predictions } from "../output/predictions.ts";

/** What is each caller's own, and no reason to load a model twice. */
type OwnOptions = Pick<ClassifierOptions, "signal" | "onProgress" | "onWarning">;

/** What says which model it is, and what it runs on. */
const { signal: _, onProgress: __, onWarning: ___, ...MODEL_OPTIONS } = CLASSIFIER_OPTIONS;

/** Models that are loaded or being loaded, and not lost. */
const models = new Set<SharedModel>();

/** Who waits for a load, and what ends that. */
interface Waiter {
  readonly own: OwnOptions;
  readonly giveUp: AbortController;
}

/** A model, and how many use it or wait for it. */
class SharedModel {
  /** The values of the options, in the order of their table. */
  readonly #key: readonly unknown[];
  readonly #waiting = new Set<Waiter>();
  readonly #unwanted = new AbortController();
  readonly #loaded: Promise<LoadedModel>;
  #users = 0;

  constructor(key: readonly unknown[], options: ClassifierOptions) {
    this.#key = key;
    models.add(this);
    this.#loaded = loadEngine({
      ...options,
      signal: this.#unwanted.signal,
      onProgress: (progress) => this.#tell(({ onProgress }) => onProgress?.(progress)),
      onWarning: (message) => this.#tell(({ onWarning }) => onWarning?.(message)),
    });
    const forget = (): void => void models.delete(this);
    this.#loaded.then(({ engine }) => engine.lost?.then(forget), forget);
  }

  /** Tells all who wait. Who throws waits no longer, and the others do. */
  #tell(say: (own: OwnOptions) => void): void {
    for (const { own, giveUp } of this.#waiting) {
      try {
        say(own);
      } catch (error) {
        giveUp.abort(error);
      }
    }
  }

  matches(key: readonly unknown[]): boolean {
    return this.#key.every((value, n) => Object.is(value, key[n]));
  }

  /** A classifier of the caller's own, on the engine of all. */
  async use(own: OwnOptions, offline: boolean): Promise<Classifier> {
    const giveUp = new AbortController(), waiter: Waiter = { own, giveUp };
    this.#users++;
    this.#waiting.add(waiter);
    try {
      const { signal = giveUp.signal } = own;
      const either = AbortSignal.any([signal, giveUp.signal]);
      const { model, engine } = await abortable(this.#loaded, either);
      return classifierOn(model, engine, { offline, free: () => this.#leave() });
    } catch (error) {
      this.#leave().catch(() => {}); // Who has given up does not wait for the end of the load.
      throw error;
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  async #leave(): Promise<void> {
    if (--this.#users > 0) return;
    models.delete(this);
    this.#unwanted.abort();
    const loaded = await this.#loaded.catch(() => undefined);
    await loaded?.engine[Symbol.asyncDispose]();
  }
}

/**
 * As `loadClassifier()`, but callers with the same options share one model, which is freed when the last
 * of their classifiers is closed. Each closes its own, and ends its own waiting by its `signal`; the load
 * ends early once nobody waits for it.
 *
 * @example
 * ```ts
 * import { sharedClassifier } from "@edge/vgg16";
 *
 * await using classifier = await sharedClassifier({ backend: "wasm" });
 * await using other = await sharedClassifier({ backend: "wasm" }); // Loads nothing.
 * const [best] = await other.classify("tests/data/photos/cat.png");
 * console.log(best.label); // tabby cat
 * ```
 *
 * @throws What `loadClassifier()` throws.
 */
export function sharedClassifier(
  options?: ClassifierOptions & { readonly model?: undefined },
): Promise<Classifier<DefaultLabel>>;
/** Shares a model that is named. Its labels are whatever the caller says that they are. */
export function sharedClassifier<Label extends string = string>(
  options: ClassifierOptions,
): Promise<Classifier<Label>>;
export async function sharedClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  checkOptions(CLASSIFIER_OPTIONS, options);
  const { signal, onProgress, onWarning, ...same } = options;
  signal?.throwIfAborted();
  const complete = completeOptions(MODEL_OPTIONS, same);
  const key = Object.values(complete).map((value) => value instanceof URL ? value.href : value);
  const found = [...models].find((model) => model.matches(key)) ?? new SharedModel(key, options);
  return await found.use({ signal, onProgress, onWarning }, complete.offline);
}

/** What {@linkcode classify} uses. */
let kept: Classifier<DefaultLabel> | undefined;

async function keptClassifier(signal: AbortSignal | undefined): Promise<Classifier<DefaultLabel>> {
  if (kept !== undefined) return kept;
  const classifier = await sharedClassifier({ signal });
  if (kept !== undefined) await classifier.close(); // Somebody else was waiting for it, too.
  else {
    kept = classifier;
    classifier.lost.then(() => {
      kept = undefined; // The next call loads another.
      return classifier.close();
    });
  }
  return kept ?? classifier;
}

/**
 * Predicts the labels of an image with the embedded model, which is loaded on first use and kept.
 *
 * The embedded model, `vgg16-imagenet200`, knows 200 everyday classes, which {@linkcode DefaultLabel}
 * lists, and nothing else.
 *
 * @example
 * ```ts
 * import { classify } from "@edge/vgg16";
 *
 * const [best] = await classify(await Deno.readFile("tests/data/photos/cat.png"));
 * console.log(best.label); // tabby cat
 * ```
 *
 * @throws {TypeError} If the input is none of the kinds of image, `allow` and `deny` are both given, or an
 *   option does not go with a prepared image.
 * @throws {RangeError} If an option is out of range, names an unknown class or leaves none.
 * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
 * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
 */
export function classify<Given extends Input>(
  image: Given,
  options?: OptionsFor<Given, ClassifyOptions> & NoThreshold,
): Promise<Predictions<DefaultLabel>>;
/** Predicts the labels of an image whose scores reach a threshold. */
export function classify<Given extends Input>(
  image: Given,
  options?: OptionsFor<Given, ClassifyOptions>,
): Promise<Prediction<DefaultLabel>[]>;
/**
 * Predicts the labels of several images, in their order. If one of them fails, `onError` says what becomes of
 * its error.
 */
export function classify<Given extends Images, OnError extends "throw" | "return" = "throw">(
  images: Given,
  options?: OptionsFor<Given, ClassifyOptions> & NoThreshold & ManyOptions<OnError>,
): Promise<(Predictions<DefaultLabel> | ErrorsOf<NoInfer<OnError>>)[]>;
/** Predicts the labels of several images whose scores reach a threshold, in their order. */
export function classify<Given extends Images, OnError extends "throw" | "return" = "throw">(
  images: Given,
  options?: OptionsFor<Given, ClassifyOptions> & ManyOptions<OnError>,
): Promise<(Prediction<DefaultLabel>[] | ErrorsOf<NoInfer<OnError>>)[]>;
/** Predicts the labels of one image or several. */
export function classify<Given extends Input | Images>(
  images: Given,
  options?: OptionsFor<Given, ClassifyOptions> & ManyOptions<"throw">,
): Promise<Prediction<DefaultLabel>[] | Prediction<DefaultLabel>[][]>;
export async function classify(
  images: Input | Images,
  options?: ClassifyOptions & ManyOptions<"throw">,
): Promise<Prediction<DefaultLabel>[] | (Prediction<DefaultLabel>[] | ImageError)[]> {
  const classifier = await keptClassifier(options?.signal);
  return await classifier.classify(images, options);
}
