/** The story of one image: bytes -> pixels -> the network's input -> logits -> predictions. */

import {
  checkEmbedding,
  type Embedding,
  embeddingOf,
  type EmbeddingOptions,
  layerDistance,
  perceptualLayers,
} from "./output/embedding.ts";
import { DisposedError } from "./errors.ts";
import { createEngine } from "./engine/create.ts";
import type { Backend, Engine, EngineOptions, Precision } from "./engine/engine.ts";
import {
  batchesOf,
  checkViews,
  PreparedImage,
  scalesOf,
  type ViewOptions,
  viewsOf,
} from "./input/views.ts";
import {
  checkExplanation,
  explainImage,
  type ExplainOptions,
  type Explanation,
} from "./explain/explain.ts";
import type { ImageInput, ImageOptions, Pixels } from "./image/image.ts";
import { readImage } from "./image/read.ts";
import {
  checkOptions,
  CLASSIFIER_OPTIONS,
  CLASSIFY_OPTIONS,
  DISTANCE_OPTIONS,
  EMBED_OPTIONS,
  ENGINE_OPTIONS,
  EXPLAIN_OPTIONS,
  pickOptions,
  PREPARE_OPTIONS,
  RESOLVE_OPTIONS,
} from "./options.ts";
import {
  checkSelection,
  type Prediction,
  type SelectionOptions,
  selectPredictions,
  softmaxOfMean,
} from "./output/predictions.ts";
import { classesOf, type ClassInfo } from "./model/classes.ts";
import type { Architecture } from "./model/architecture.ts";
import type { Model, Preprocessing, Provenance } from "./model/model.ts";
import { resolveModel } from "./open_model.ts";
import { permittedCacheDir } from "./io/cache.ts";

export { PreparedImage };

/** Options of {@linkcode loadClassifier}. */
export interface ClassifierOptions extends EngineOptions {
  /** Catalog id, path, URL or the bytes of a model file. Default: the embedded CIFAR-10 model. */
  readonly model?: string | URL | Uint8Array;
  /** Where downloaded models are kept, and WebGPU's times of kernels. Default: `VGG16_CACHE_DIR`, or the user's folder for caches. */
  readonly cacheDir?: string;
  /** Mirror that replaces scheme and host of the catalog's URLs. Default: `VGG16_BASE_URL`. */
  readonly baseUrl?: string;
  /** Never touch the network, neither for the model nor for an image: a URL is an error. */
  readonly offline?: boolean;
  /** Called, once, where the hash that is known of a checkpoint that is pulled does not rule out a forgery. */
  readonly onWarning?: (message: string) => void;
}

/** Options of {@linkcode Classifier.classify}. */
export interface ClassifyOptions extends SelectionOptions, ViewOptions, ImageOptions {}

/** Options of {@linkcode Classifier.embed}. */
export interface EmbedOptions extends EmbeddingOptions, ImageOptions {}

/** Options of {@linkcode Classifier.distance}. */
export interface DistanceOptions extends ImageOptions {
  /** Default: the last convolution of each block, as in LPIPS. */
  readonly layers?: readonly string[];
}

/** What a classifier is made of. */
export interface ClassifierInfo {
  /** Catalog id or file name of the model. */
  readonly model: string;
  /** Configuration, input size and channels of the layers. */
  readonly architecture: Architecture;
  /** How images become its input. */
  readonly preprocessing: Preprocessing;
  /** In the order of the logits; none for a network without dense layers. */
  readonly classes: readonly ClassInfo[];
  /** Where the model comes from. */
  readonly provenance: Provenance;
  /** The executor. */
  readonly backend: Backend;
  /** What activations are. */
  readonly precision: Precision;
  /** Threads that compute, 1 on a GPU. */
  readonly threads: number;
  /** An adapter's name, or the variant of the kernels. */
  readonly device: string;
  /** Bytes that weights and buffers hold now. */
  readonly bytesResident: number;
}

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
 * @throws {RangeError} If an option is unknown, or not one of its values.
 * @throws {CheckpointFormatError} If the model file is not one.
 * @throws {WeightsIntegrityError} If the model file is damaged.
 * @throws {WeightsDownloadError} If the model cannot be downloaded.
 * @throws {OfflineError} If the model is on the network, and `offline` is set.
 * @throws {BackendUnavailableError} If the backend that was asked for cannot run here.
 */
export async function loadClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  checkOptions(CLASSIFIER_OPTIONS, options);
  const model = await resolveModel(options.model, pickOptions(RESOLVE_OPTIONS, options));
  const cacheDir = options.cacheDir ?? permittedCacheDir();
  const engineOptions = { ...pickOptions(ENGINE_OPTIONS, options), cacheDir };
  return new Classifier(model, await createEngine(model, engineOptions), options.offline);
}

/** Classifies images with one model on one engine. */
export class Classifier implements AsyncDisposable {
  readonly #model: Model;
  readonly #classes: readonly ClassInfo[];
  readonly #isOffline: boolean;
  #engine: Engine | undefined;

  /** Use {@linkcode loadClassifier}. */
  constructor(model: Model, engine: Engine, isOffline: boolean = false) {
    this.#model = model;
    this.#classes = classesOf(model);
    this.#engine = engine;
    this.#isOffline = isOffline;
  }

  /** The model, and what it runs on. */
  get info(): ClassifierInfo {
    const { id: model, architecture, preprocessing, provenance } = this.#model;
    const classes = this.#classes;
    const { backend, precision, threads, device, bytesResident } = this.#live();
    return {
      ...{ model, architecture, preprocessing, classes, provenance },
      ...{ backend, precision, threads, device, bytesResident },
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
    checkOptions(CLASSIFY_OPTIONS, options);
    const selection = checkSelection(options, this.#classes);
    const scores = await this.#scores(isList(images) ? images : [images], options);
    const predictions = scores.map((row) => selectPredictions(row, selection, this.#classes));
    return isList(images) ? predictions : predictions[0]!;
  }

  /**
   * Probabilities of all classes, in the order of the labels, of several images: what
   * {@linkcode classify} chooses from.
   *
   * The logits of a view are averaged over its positions, and the soft-maxes over an image's views
   * (arXiv 1409.1556, section 3.2).
   *
   * @throws {RangeError} If an option is out of range, or the model has no dense layers.
   * @throws {ImageDecodeError} If an image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If an image has more pixels than allowed.
   */
  async scores(
    images: readonly (ImageInput | PreparedImage)[],
    options: ViewOptions & ImageOptions = {},
  ): Promise<Float64Array[]> {
    checkOptions(PREPARE_OPTIONS, options);
    return await this.#scores(images, options);
  }

  async #scores(
    images: readonly (ImageInput | PreparedImage)[],
    options: ViewOptions & ImageOptions,
  ): Promise<Float64Array[]> {
    const classes = this.#classes.length;
    if (classes === 0) {
      throw new RangeError(`Model ${this.#model.id} has no dense layers, so it cannot classify`);
    }
    const scores = images.map(() => new Float64Array(classes));
    for await (const batch of this.#batches(images, options)) {
      const logits = await this.#live().run(batch, { signal: options.signal });
      batch.views.forEach(({ image, weight }, n) => {
        const sums = scores[image]!, probabilities = softmaxOfMean(logits, n);
        for (let c = 0; c < classes; c++) sums[c]! += weight * probabilities[c]!;
      });
    }
    return scores;
  }

  /**
   * What a layer says about an image: any of the paper's layers, and nothing is computed beyond it.
   *
   * @throws {RangeError} If the model has no such layer, or an option is not one of its values.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
   */
  embed(image: ImageInput | PreparedImage, options?: EmbedOptions): Promise<Embedding>;
  /** Embeds several images, in their order. Fails if one of them does. */
  embed(
    images: readonly (ImageInput | PreparedImage)[],
    options?: EmbedOptions,
  ): Promise<Embedding[]>;
  async embed(
    images: ImageInput | PreparedImage | readonly (ImageInput | PreparedImage)[],
    options: EmbedOptions = {},
  ): Promise<Embedding | Embedding[]> {
    checkOptions(EMBED_OPTIONS, options);
    const checked = checkEmbedding(options, this.#model.architecture);
    const layer = checked.layer === "prob" ? undefined : checked.layer;
    const embeddings: Embedding[] = [];
    const list = isList(images) ? images : [images];
    for await (const batch of this.#batches(list, options)) {
      const activations = await this.#live().run(batch, { layer, signal: options.signal });
      for (let n = 0; n < batch.count; n++) embeddings.push(embeddingOf(activations, n, checked));
    }
    return isList(images) ? embeddings : embeddings[0]!;
  }

  /**
   * How different two images look: the sum of how differently some layers see them, 0 for the same
   * image.
   *
   * @throws {RangeError} If the model has no such layer.
   * @throws {ImageDecodeError} If an image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If an image has more pixels than `maxPixels`.
   */
  async distance(a: ImageInput, b: ImageInput, options: DistanceOptions = {}): Promise<number> {
    checkOptions(DISTANCE_OPTIONS, options);
    const { layers = perceptualLayers(this.#model.architecture), signal } = options;
    const images = [await this.#prepare(a, options), await this.#prepare(b, options)];
    let sum = 0;
    for (const layer of layers) {
      const [x, y] = await this.embed(images, { layer, signal });
      sum += layerDistance(x!, y!);
    }
    return sum;
  }

  /**
   * Shows which part of an image speaks for a class, the predicted one or any other.
   *
   * @throws {RangeError} If the label is unknown, or an option is out of range.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than allowed.
   */
  async explain(image: ImageInput, options: ExplainOptions = {}): Promise<Explanation> {
    checkOptions(EXPLAIN_OPTIONS, options);
    const target = checkExplanation(options, this.#model, this.#classes);
    const pixels = await this.#read(image, options);
    return await explainImage(
      this.#live(),
      this.#model,
      this.#classes,
      pixels,
      target,
      options.signal,
    );
  }

  /**
   * Decodes, resizes and crops an image, so that it can wait for the network in few bytes: a server
   * decodes each image when it arrives, and classifies what has arrived in one batch.
   *
   * @throws {RangeError} If an option is out of range.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than allowed.
   */
  async prepare(
    image: ImageInput,
    options: ViewOptions & ImageOptions = {},
  ): Promise<PreparedImage> {
    checkOptions(PREPARE_OPTIONS, options);
    return await this.#prepare(image, options);
  }

  async #prepare(image: ImageInput, options: ViewOptions & ImageOptions): Promise<PreparedImage> {
    checkViews(options, this.#model);
    const shorterSide = Math.max(...scalesOf(this.#model, options));
    const pixels = await this.#read(image, { shorterSide, ...options });
    return new PreparedImage(viewsOf(pixels, this.#model, options));
  }

  #read(image: ImageInput, options: ImageOptions): Promise<Pixels> {
    return readImage(image, { ...options, offline: this.#isOffline || options.offline });
  }

  /** Frees the weights. The classifier cannot be used afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.[Symbol.asyncDispose]();
  }

  #batches(
    images: readonly (ImageInput | PreparedImage)[],
    options: ViewOptions & ImageOptions,
  ): ReturnType<typeof batchesOf> {
    const prepare = (image: ImageInput | PreparedImage): Promise<PreparedImage> | PreparedImage => {
      this.#live();
      return image instanceof PreparedImage ? image : this.#prepare(image, options);
    };
    return batchesOf(images, prepare, this.#model.architecture.input, options.signal);
  }

  #live(): Engine {
    if (this.#engine === undefined) throw new DisposedError("classifier");
    return this.#engine;
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
