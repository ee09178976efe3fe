/**
 * The story of one image: bytes -> pixels -> the network's input -> logits -> predictions.
 *
 * @module
 */

import { createEngine, type EngineOptions } from "./engine/create.ts";
import type { Backend, Batch, Engine, Precision } from "./engine/engine.ts";
import type { ImageInput, ImageOptions } from "./image/image.ts";
import { prepareInput } from "./image/prepare.ts";
import { readImage } from "./image/read.ts";
import {
  checkSelection,
  type Prediction,
  type SelectionOptions,
  selectPredictions,
  softmax,
} from "./predictions.ts";
import type { Architecture } from "./vgg/architecture.ts";
import type { Model, Provenance } from "./vgg/model.ts";
import { type LoadProgress, resolveModel } from "./weights/resolve.ts";

/** Options of {@linkcode loadClassifier}. */
export interface ClassifierOptions extends EngineOptions {
  /** Catalog id, path, URL or the bytes of a model file. Default: the embedded CIFAR-10 model. */
  readonly model?: string | URL | Uint8Array;
  /** Where downloaded models are kept. */
  readonly cacheDir?: string;
  /** Never touch the network. */
  readonly offline?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Options of {@linkcode Classifier.classify}. */
export interface ClassifyOptions extends SelectionOptions, ImageOptions {}

/** What a classifier is made of. */
export interface ClassifierInfo {
  /** Catalog id or file name of the model. */
  readonly model: string;
  readonly architecture: Architecture;
  readonly labels: readonly string[];
  readonly provenance: Provenance;
  readonly backend: Backend;
  readonly precision: Precision;
  readonly threads: number;
  readonly device: string;
  /** Bytes that weights and buffers hold now. */
  readonly bytesResident: number;
}

/**
 * An image as a classifier's network takes it: decoded, resized and cropped. Made by
 * {@linkcode Classifier.prepare}, for that model alone.
 */
export class PreparedImage {
  /** `[height, width, channels]`, 0…255. */
  readonly data: Uint8Array;
  /** Use {@linkcode Classifier.prepare}. */
  constructor(data: Uint8Array) {
    this.data = data;
  }
}

/** Values of a batch's input above which it is split: about seven images of 224x224. */
const MAX_BATCH_VALUES = 2 ** 20;
const MAX_BATCH = 64;

/**
 * Loads a model into an engine.
 *
 * @example
 * ```ts
 * import { loadClassifier } from "@edge/vgg16";
 *
 * await using classifier = await loadClassifier({ backend: "wasm" });
 * const [best] = await classifier.classify("tests/data/photos/cat.png");
 * console.log(best.label); // cat
 * ```
 *
 * @throws {RangeError} If an option is not one of its values.
 * @throws {CheckpointFormatError} If the model file is not one.
 * @throws {WeightsIntegrityError} If the model file is damaged.
 * @throws {WeightsDownloadError} If the model cannot be downloaded.
 * @throws {BackendUnavailableError} If the backend that was asked for cannot run here.
 */
export async function loadClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  const model = await resolveModel(options.model, options);
  return new Classifier(model, await createEngine(model, options));
}

/** Classifies images with one model on one engine. */
export class Classifier implements AsyncDisposable {
  readonly #model: Model;
  #engine: Engine | undefined;

  /** Use {@linkcode loadClassifier}. */
  constructor(model: Model, engine: Engine) {
    this.#model = model;
    this.#engine = engine;
  }

  /** The model, and what it runs on. */
  get info(): ClassifierInfo {
    const { id, architecture, labels, provenance } = this.#model;
    const { backend, precision, threads, device, bytesResident } = this.#live();
    return {
      model: id,
      architecture,
      labels,
      provenance,
      backend,
      precision,
      threads,
      device,
      bytesResident,
    };
  }

  /**
   * Predicts the labels of an image, best first.
   *
   * @throws {TypeError} If the input is none of the kinds of image, or `allow` and `deny` are both given.
   * @throws {RangeError} If an option is out of range, or names an unknown label.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
   */
  classify(image: ImageInput | PreparedImage, options?: ClassifyOptions): Promise<Prediction[]>;
  /** Predicts the labels of several images, in their order. Fails if one of them does. */
  classify(
    images: readonly (ImageInput | PreparedImage)[],
    options?: ClassifyOptions,
  ): Promise<Prediction[][]>;
  async classify(
    images: ImageInput | PreparedImage | readonly (ImageInput | PreparedImage)[],
    options: ClassifyOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    const { labels } = this.#model;
    if (labels.length === 0) {
      throw new RangeError(`Model ${this.#model.id} has no dense layers, so it cannot classify`);
    }
    const selection = checkSelection(options, labels);
    const list = isList(images) ? images : [images];
    const predictions: Prediction[][] = [];
    const size = this.#batchSize();
    for (let first = 0; first < list.length; first += size) {
      const batch = await this.#prepare(list.slice(first, first + size), options);
      const logits = await this.#live().run(batch, { signal: options.signal });
      for (let n = 0; n < batch.count; n++) {
        const row = logits.data.subarray(n * labels.length, (n + 1) * labels.length);
        const scores = softmax(row, logits.scale[n]);
        predictions.push(selectPredictions(scores, selection, labels));
      }
    }
    return isList(images) ? predictions : predictions[0];
  }

  /**
   * Decodes, resizes and crops an image, so that it can wait for the network in few bytes: a server
   * decodes each image when it arrives, and classifies what has arrived in one batch.
   *
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
   */
  async prepare(image: ImageInput, options: ImageOptions = {}): Promise<PreparedImage> {
    const { architecture, preprocessing } = this.#model;
    const decoded = await readImage(image, options);
    return new PreparedImage(prepareInput(decoded, preprocessing, architecture.input));
  }

  /** Frees the weights. The classifier cannot be used afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.[Symbol.asyncDispose]();
  }

  #live(): Engine {
    if (this.#engine === undefined) throw new TypeError("The classifier has been disposed");
    return this.#engine;
  }

  #batchSize(): number {
    const { height, width, channels } = this.#model.architecture.input;
    const fitting = Math.floor(MAX_BATCH_VALUES / (height * width * channels));
    return Math.max(1, Math.min(MAX_BATCH, fitting));
  }

  async #prepare(
    images: readonly (ImageInput | PreparedImage)[],
    options: ImageOptions,
  ): Promise<Batch> {
    const { height, width, channels } = this.#model.architecture.input;
    const size = height * width * channels;
    const data = new Uint8Array(images.length * size);
    for (const [n, image] of images.entries()) {
      this.#live();
      options.signal?.throwIfAborted();
      const prepared = image instanceof PreparedImage ? image : await this.prepare(image, options);
      if (prepared.data.length !== size) {
        throw new TypeError(
          `Expected an image prepared to ${size} values, found ${prepared.data.length}: ` +
            `prepare it with the classifier that it is for`,
        );
      }
      data.set(prepared.data, n * size);
    }
    return { data, count: images.length, height, width };
  }
}

function isList<T>(images: T | readonly T[]): images is readonly T[] {
  return Array.isArray(images);
}

let shared: Promise<Classifier> | undefined;

/**
 * Predicts the labels of an image with the embedded model, which is loaded on first use and kept.
 *
 * The embedded model knows CIFAR-10's ten classes: airplane, automobile, bird, cat, deer, dog, frog,
 * horse, ship, truck.
 *
 * @example
 * ```ts
 * import { classify } from "@edge/vgg16";
 *
 * const [best] = await classify(await Deno.readFile("tests/data/photos/cat.png"));
 * console.log(best.label); // cat
 * ```
 *
 * @throws {TypeError} If the input is none of the kinds of image, or `allow` and `deny` are both given.
 * @throws {RangeError} If an option is out of range, or names an unknown label.
 * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
 * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
 */
export async function classify(
  image: ImageInput,
  options?: ClassifyOptions,
): Promise<Prediction[]> {
  shared ??= loadClassifier();
  try {
    return await (await shared).classify(image, options);
  } catch (error) {
    // A load that failed is tried again by the next call; a loaded classifier is kept.
    await shared.catch(() => shared = undefined);
    throw error;
  }
}
