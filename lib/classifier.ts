/** The story of one image: bytes -> pixels -> the network's input -> logits -> predictions. */

import {
  checkEmbedding,
  type Embedding,
  embeddingMean,
  type EmbeddingOptions,
  layerDistance,
  layerMeans,
  networkLayer,
  perceptualLayers,
  type ReadableLayer,
  readableLayers,
} from "./output/embedding.ts";
import { Calls } from "./calls.ts";
import type { VggError } from "./errors.ts";
import type { ProgressOptions } from "./progress.ts";
import { createEngine } from "./engine/create.ts";
import type { Backend, BackendOptions, Engine, LayerProfile, Precision } from "./engine/engine.ts";
import { medianProfile, type ProfileOptions } from "./engine/profile.ts";
import { imagesTogether } from "./input/batches.ts";
import { computeViews, type Mean } from "./input/compute_views.ts";
import {
  andThen,
  type ImageOutcome,
  listOf,
  resultsOf,
  streamOf,
  type Work,
} from "./input/each_image.ts";
import type { ErrorsOf, ImageError, ManyOptions } from "./input/image_error.ts";
import {
  type Images,
  type Input,
  type Network,
  networkOf,
  type OptionsFor,
  PreparedImage,
  refuseLookOptions,
  tellNeeds,
  viewsFor,
} from "./input/prepared_image.ts";
import {
  checkViews,
  looksOf,
  plainViews,
  scalesOf,
  type View,
  type ViewOptions,
  viewsOf,
} from "./input/views.ts";
import {
  checkExplanation,
  explainImage,
  type ExplainOptions,
  type Explanation,
  lookAt,
  lookAtViews,
  type Looked,
} from "./explain/explain.ts";
import { type ImageInput, type ImageOptions, type Pixels, releasePixels } from "./image/image.ts";
import { holdDecoders } from "./image/decode.ts";
import { readImage } from "./image/read.ts";
import {
  checkOptions,
  CLASSIFIER_OPTIONS,
  CLASSIFY_CALL,
  DISTANCE_OPTIONS,
  EMBED_CALL,
  EMBED_STREAM_OPTIONS,
  ENGINE_OPTIONS,
  EXPLAIN_OPTIONS,
  IMAGE_OPTIONS,
  pickOptions,
  PREPARE_OPTIONS,
  PROFILE_OPTIONS,
  RESOLVE_OPTIONS,
  SCORES_CALL,
  STREAM_OPTIONS,
} from "./options.ts";
import {
  checkSelection,
  type Prediction,
  type Predictions,
  ScoresMean,
  type SelectionOptions,
  selectPredictions,
} from "./output/predictions.ts";
import { ReadoutMean } from "./output/readout.ts";
import { classesOf, type ClassInfo } from "./model/classes.ts";
import { type Architecture, isMultiLabel, type LayerName } from "./model/architecture.ts";
import type { DefaultLabel } from "./model/default_labels.ts";
import type { Model, Preprocessing, Provenance } from "./model/model.ts";
import { describeReadout, type ReadoutDescription } from "./model/readout.ts";
import { type ModelSource, resolveModel } from "./open_model.ts";
import { permittedCacheDir } from "./io/cache.ts";
import type { Fetch } from "./urls.ts";

/** Options of `loadClassifier()`. */
export interface ClassifierOptions extends BackendOptions {
  /**
   * Catalog id, path, URL or a request for it, the bytes of a model file, what a package of models exports,
   * or an open one. Default: the
   * embedded one, which knows 200 everyday classes.
   */
  readonly model?: ModelSource | undefined;
  /** Where downloaded models are kept, and WebGPU's times of kernels. Default: `VGG16_CACHE_DIR`, or the user's folder for caches. */
  readonly cacheDir?: string | undefined;
  /** Mirror that replaces scheme and host of the catalog's URLs. Default: `VGG16_BASE_URL`. */
  readonly baseUrl?: string | undefined;
  /**
   * Asks servers for the model, such as with a key in the headers. Default: the global `fetch`. Images may
   * be strangers': they have an option of their own.
   */
  readonly fetch?: Fetch | undefined;
  /** Never touch the network, neither for the model nor for an image: a URL is an error. */
  readonly offline?: boolean | undefined;
  /** Called, once, where the hash that is known of a checkpoint that is pulled does not rule out a forgery. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Options of {@linkcode Classifier.classify}. */
export interface ClassifyOptions extends SelectionOptions, ViewOptions, ImageOptions {}

/** No threshold is asked for, so that there is one prediction at least. */
export interface NoThreshold {
  /** Not given. */
  readonly scoreThreshold?: undefined;
}

/** Options of {@linkcode Classifier.scores} and {@linkcode Classifier.prepare}. */
export interface PrepareOptions extends ViewOptions, ImageOptions {}

/** Options of {@linkcode Classifier.embed}. */
export interface EmbedOptions extends EmbeddingOptions, ImageOptions {}

/** Options of {@linkcode Classifier.stream}. */
export interface StreamOptions extends ClassifyOptions, ProgressOptions {}

/** Options of {@linkcode Classifier.embedStream}. */
export interface EmbedStreamOptions extends EmbedOptions, ProgressOptions {}

/** Options of {@linkcode Classifier.distance}. */
export interface DistanceOptions extends ImageOptions {
  /** Default: the last convolution of each block, as in LPIPS. */
  readonly layers?: readonly LayerName[] | undefined;
}

/** What a classifier is made of. It never changes, and can be read after it was closed. */
export interface ClassifierInfo<Label extends string = string> {
  /** Catalog id or file name of the model. */
  readonly model: string;
  /** Configuration, input size and channels of the layers. */
  readonly architecture: Architecture;
  /** What `embed` can read, in the order in which it is computed. */
  readonly layers: readonly ReadableLayer[];
  /** How images become its input. */
  readonly preprocessing: Preprocessing;
  /** The head on what several layers say, of a model that has one. */
  readonly readout?: ReadoutDescription | undefined;
  /** In the order of the scores; none for a network without dense layers. */
  readonly classes: readonly ClassInfo<Label>[];
  /**
   * Whether each label has a score of its own, as more than one may be right: then they do not add up
   * to 1. It is so where the architecture's head is a sigmoid of several logits.
   */
  readonly multiLabel: boolean;
  /** What each view's logits are divided by before they become scores, where the model says it. */
  readonly temperature?: number | undefined;
  /** The score from which on a first prediction is sure, 0…1, where the model says it. */
  readonly sureScore?: number | undefined;
  /** Where the model comes from. */
  readonly provenance: Provenance;
  /** The executor that was chosen. */
  readonly backend: Backend;
  /** What activations are. */
  readonly precision: Precision;
  /** Threads that compute once they have started, at most; 1 on a GPU. */
  readonly threads: number;
  /** An adapter's name, or the variant of the kernels. */
  readonly device: string;
}

/** What a classifier uses now. */
export interface ClassifierUsage {
  /** Bytes that weights and buffers hold; 0 once it is closed. */
  readonly bytesResident: number;
  /** Who executes: WebAssembly too while a GPU that was chosen by `"auto"` is lost. */
  readonly backend: Backend;
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
 * console.log(best.label); // tabby cat
 * ```
 *
 * @throws {RangeError} If an option is unknown, or not one of its values.
 * @throws {CheckpointFormatError} If the model file is not one.
 * @throws {WeightsIntegrityError} If the model file is damaged.
 * @throws {WeightsDownloadError} If the model cannot be downloaded.
 * @throws {OfflineError} If the model is on the network, and `offline` is set.
 * @throws {BackendUnavailableError} If the backend that was asked for cannot run here.
 */
export function loadClassifier(
  options?: ClassifierOptions & { readonly model?: undefined },
): Promise<Classifier<DefaultLabel>>;
/** Loads a model that is named. Its labels are whatever the caller says that they are. */
export function loadClassifier<Label extends string = string>(
  options: ClassifierOptions,
): Promise<Classifier<Label>>;
export async function loadClassifier(options: ClassifierOptions = {}): Promise<Classifier> {
  checkOptions(CLASSIFIER_OPTIONS, options);
  const { model, engine } = await loadEngine(options);
  return classifierOn(model, engine, { offline: options.offline });
}

/** A model, and the engine that holds its weights. */
export interface LoadedModel {
  readonly model: Model;
  readonly engine: Engine;
}

/** What {@linkcode loadClassifier} loads. */
export async function loadEngine(options: ClassifierOptions): Promise<LoadedModel> {
  const model = await resolveModel(options.model, pickOptions(RESOLVE_OPTIONS, options));
  const cacheDir = options.cacheDir ?? permittedCacheDir();
  const engineOptions = { ...pickOptions(ENGINE_OPTIONS, options), cacheDir };
  return { model, engine: await createEngine(model, engineOptions) };
}

/** How a classifier is made of a loaded model. */
export interface LoadedOptions {
  /** Whether images must not come from the network either. */
  readonly offline?: boolean | undefined;
  /** What frees the engine, once nothing runs. Default: it is disposed of. */
  readonly free?: (() => Promise<void>) | undefined;
}

/**
 * What is known of an {@linkcode ImageClassifier}: its name and its classes, and of one that runs a
 * VGG the rest.
 */
export type ImageClassifierInfo<Label extends string = string> =
  & Pick<ClassifierInfo<Label>, "model" | "classes">
  & {
    readonly [Name in Exclude<keyof ClassifierInfo, "model" | "classes">]?:
      | ClassifierInfo[Name]
      | undefined;
  };

/**
 * What classifies images: a {@linkcode Classifier}, several of them by `fuse()`, or anything else by
 * `classifierFrom()`. What not all of them can do is optional.
 */
export interface ImageClassifier<Label extends string = string>
  extends
    Pick<Classifier<Label>, "classify" | "scores" | "stream" | "closed" | "close" | "lost">,
    AsyncDisposable {
  /** What it is. It never changes, and can be read after it was closed. */
  readonly info: ImageClassifierInfo<Label>;
  /** Those that an ensemble is made of. */
  readonly members?: readonly ImageClassifier[] | undefined;
  /** What a layer says about images. */
  readonly embed?: Classifier<Label>["embed"] | undefined;
  /** What a layer says about each of many images. */
  readonly embedStream?: Classifier<Label>["embedStream"] | undefined;
  /** Which part of an image speaks for a class. */
  readonly explain?: Classifier<Label>["explain"] | undefined;
  /** How different two images look. */
  readonly distance?: Classifier<Label>["distance"] | undefined;
  /** Makes an image ready, so that it can wait in few bytes. */
  readonly prepare?: Classifier<Label>["prepare"] | undefined;
  /** What it uses now. */
  readonly usage?: Classifier<Label>["usage"] | undefined;
}

/** Makes a classifier of a loaded model. Its labels are whatever the caller says that they are. */
export let classifierOn: <Label extends string = string>(
  model: Model,
  engine: Engine,
  options?: LoadedOptions,
) => Classifier<Label>;

/** Classifies images with one model on one engine. Made by `loadClassifier()`. */
export class Classifier<Label extends string = string> implements ImageClassifier<Label> {
  /** The model, and what it runs on. */
  readonly info: ClassifierInfo<Label>;
  /**
   * Settles once no call can succeed any more, as a GPU was lost and did not come back; with the
   * backend `"auto"` WebAssembly answers then, and nothing is lost.
   */
  readonly lost: Promise<VggError>;
  readonly #model: Model;
  readonly #network: Network;
  readonly #engine: Engine;
  readonly #isOffline: boolean;
  readonly #calls = new Calls("classifier");
  readonly #free: () => Promise<void>;

  static {
    classifierOn = (model, engine, options) => new Classifier(model, engine, options);
  }

  private constructor(model: Model, engine: Engine, options: LoadedOptions = {}) {
    const { id, architecture, preprocessing, provenance, temperature, sureScore } = model;
    const { readout } = model;
    const { backend, precision, threads, device } = engine;
    const { offline = false, free = () => engine[Symbol.asyncDispose]() } = options;
    this.#model = model;
    this.#network = networkOf(model);
    this.#engine = engine;
    this.#isOffline = offline;
    const decoders = holdDecoders();
    this.#free = async () => {
      await decoders[Symbol.asyncDispose]();
      await free();
    };
    tellNeeds(this, (views) => ({ shorterSide: Math.max(...scalesOf(model, views)), offline }));
    this.lost = engine.lost ?? new Promise(() => {});
    this.info = {
      ...{ model: id, architecture, layers: readableLayers(model), preprocessing },
      ...readout === undefined ? {} : { readout: describeReadout(readout) },
      classes: classesOf(model) as ClassInfo<Label>[], // As the caller says.
      multiLabel: isMultiLabel(architecture),
      ...temperature === undefined ? {} : { temperature },
      ...sureScore === undefined ? {} : { sureScore },
      provenance,
      ...{ backend, precision, threads, device },
    };
  }

  /**
   * Predicts the classes of an image, best first: one at least, if no threshold is asked for.
   *
   * @throws {TypeError} If the input is none of the kinds of image, `allow` and `deny` are both given,
   *   or an option does not go with a prepared image.
   * @throws {RangeError} If an option is out of range, names an unknown class or an ambiguous one, or
   *   leaves no class; or the image was prepared for another model.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
   */
  classify<Given extends Input>(
    image: Given,
    options?: OptionsFor<Given, ClassifyOptions> & NoThreshold,
  ): Promise<Predictions<Label>>;
  /** Predicts the classes of an image whose scores reach a threshold, best first. */
  classify<Given extends Input>(
    image: Given,
    options?: OptionsFor<Given, ClassifyOptions>,
  ): Promise<Prediction<Label>[]>;
  /**
   * Predicts the classes of several images, in their order. If one of them fails, `onError` says what
   * becomes of its error.
   */
  classify<Given extends Images, OnError extends "throw" | "return" = "throw">(
    images: Given,
    options?: OptionsFor<Given, ClassifyOptions> & NoThreshold & ManyOptions<OnError>,
  ): Promise<(Predictions<Label> | ErrorsOf<NoInfer<OnError>>)[]>;
  /** Predicts the classes of several images whose scores reach a threshold, in their order. */
  classify<Given extends Images, OnError extends "throw" | "return" = "throw">(
    images: Given,
    options?: OptionsFor<Given, ClassifyOptions> & ManyOptions<OnError>,
  ): Promise<(Prediction<Label>[] | ErrorsOf<NoInfer<OnError>>)[]>;
  /** Predicts the classes of one image or several. */
  classify<Given extends Input | Images>(
    images: Given,
    options?: OptionsFor<Given, ClassifyOptions> & ManyOptions<"throw">,
  ): Promise<Prediction<Label>[] | Prediction<Label>[][]>;
  async classify(
    images: Input | Images,
    options: ClassifyOptions & ManyOptions = {},
  ): Promise<Prediction<Label>[] | (Prediction<Label>[] | ImageError)[]> {
    checkOptions(CLASSIFY_CALL, options);
    const work = this.#predicting(options);
    return await this.#calls.run(() => resultsOf(images, work, options));
  }

  /**
   * Predicts the classes of each of many images, one after the other: any number of them, from a list, a
   * generator, a queue. An image that fails is an item with an `error`, and the others go on.
   *
   * They are taken from the source as they are needed: at most 64 that were not given out yet, fewer of
   * networks with a large input. While some are computed the next ones are decoded, and whatever is ready
   * is computed together. `break` ends what is under way, and the source. An error of the source itself, an
   * abort, and {@linkcode Classifier.close} end the stream with that error, after the items before it.
   *
   * @example
   * ```ts
   * import { loadClassifier } from "@edge/vgg16";
   *
   * await using classifier = await loadClassifier({ backend: "wasm" });
   * const photos = ["tests/data/photos/cat.png", "README.md"];
   * for await (const { name, predictions, error } of classifier.stream(photos)) {
   *   console.log(name, error === undefined ? predictions[0].label : error.message);
   * }
   * ```
   *
   * @throws {TypeError} If it is one image, or `allow` and `deny` are both given.
   * @throws {RangeError} If an option is out of range, or names no class.
   */
  stream<Given extends Images>(
    images: Given,
    options?: OptionsFor<Given, StreamOptions> & NoThreshold,
  ): AsyncGenerator<ImageOutcome<"predictions", Predictions<Label>>, void, undefined>;
  /** Predicts the classes of each of many images whose scores reach a threshold. */
  stream<Given extends Images>(
    images: Given,
    options?: OptionsFor<Given, StreamOptions>,
  ): AsyncGenerator<ImageOutcome<"predictions", Prediction<Label>[]>, void, undefined>;
  stream(
    images: Images,
    options: StreamOptions = {},
  ): AsyncGenerator<ImageOutcome<"predictions", Prediction<Label>[]>, void, undefined> {
    checkOptions(STREAM_OPTIONS, options);
    const work = this.#predicting(options);
    return streamOf(images, "predictions", work, this.#calls, options, "classify");
  }

  #predicting(options: ClassifyOptions): Work<readonly View[], Prediction<Label>[]> {
    const selection = checkSelection(options, this.info.classes);
    return andThen(this.#scoring(options), (row) => selectPredictions(row, selection, this.info));
  }

  /**
   * Probabilities of all classes, in their order: what {@linkcode Classifier.classify} chooses from.
   *
   * The logits of a view are averaged over its positions, and the scores over an image's views
   * (arXiv 1409.1556, section 3.2).
   *
   * @throws {TypeError} If the input is none of the kinds of image, or an option does not go with a
   *   prepared one.
   * @throws {RangeError} If an option is out of range, the model has no dense layers, or the image was
   *   prepared for another model.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than allowed.
   */
  scores<Given extends Input>(
    image: Given,
    options?: OptionsFor<Given, PrepareOptions>,
  ): Promise<Float64Array>;
  /** Probabilities of all classes of several images, in their order. */
  scores<Given extends Images, OnError extends "throw" | "return" = "throw">(
    images: Given,
    options?: OptionsFor<Given, PrepareOptions> & ManyOptions<OnError>,
  ): Promise<(Float64Array | ErrorsOf<NoInfer<OnError>>)[]>;
  /** Probabilities of all classes of one image or several. */
  scores<Given extends Input | Images>(
    images: Given,
    options?: OptionsFor<Given, PrepareOptions> & ManyOptions<"throw">,
  ): Promise<Float64Array | Float64Array[]>;
  async scores(
    images: Input | Images,
    options: PrepareOptions & ManyOptions = {},
  ): Promise<Float64Array | (Float64Array | ImageError)[]> {
    checkOptions(SCORES_CALL, options);
    const work = this.#scoring(options);
    return await this.#calls.run(() => resultsOf(images, work, options));
  }

  #scoring(options: PrepareOptions): Work<readonly View[], Float64Array> {
    const classes = this.info.classes.length;
    if (classes === 0) {
      throw new RangeError("A model without dense layers has no class to predict");
    }
    const { readout } = this.#model;
    if (readout === undefined) {
      return this.#work(options, [], () => new ScoresMean(classes, this.#model));
    }
    const layers = readout.features.blocks.map(({ layer }) => layer);
    return this.#work(options, layers, () => new ReadoutMean(this.#model, readout));
  }

  /**
   * What a layer says about an image: any of the paper's layers, and nothing is computed beyond it. Of
   * a prepared image with several views, their weighted average.
   *
   * @throws {TypeError} If the input is none of the kinds of image, or an option does not go with a
   *   prepared one.
   * @throws {RangeError} If the model has no such layer, an option is not one of its values, or the
   *   image was prepared for another model, or with views of several sizes that are not pooled.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than `maxPixels`.
   */
  embed<Given extends Input>(
    image: Given,
    options?: OptionsFor<Given, EmbedOptions>,
  ): Promise<Embedding>;
  /** Embeds several images, in their order. */
  embed<Given extends Images, OnError extends "throw" | "return" = "throw">(
    images: Given,
    options?: OptionsFor<Given, EmbedOptions> & ManyOptions<OnError>,
  ): Promise<(Embedding | ErrorsOf<NoInfer<OnError>>)[]>;
  /** Embeds one image or several. */
  embed<Given extends Input | Images>(
    images: Given,
    options?: OptionsFor<Given, EmbedOptions> & ManyOptions<"throw">,
  ): Promise<Embedding | Embedding[]>;
  async embed(
    images: Input | Images,
    options: EmbedOptions & ManyOptions = {},
  ): Promise<Embedding | (Embedding | ImageError)[]> {
    checkOptions(EMBED_CALL, options);
    const work = this.#embedding(options);
    return await this.#calls.run(() => resultsOf(images, work, options));
  }

  /**
   * Embeds each of many images, one after the other, as {@linkcode Classifier.stream} predicts.
   *
   * @throws {TypeError} If it is one image.
   * @throws {RangeError} If the model has no such layer, or an option is not one of its values.
   */
  embedStream<Given extends Images>(
    images: Given,
    options?: OptionsFor<Given, EmbedStreamOptions>,
  ): AsyncGenerator<ImageOutcome<"embedding", Embedding>, void, undefined>;
  embedStream(
    images: Images,
    options: EmbedStreamOptions = {},
  ): AsyncGenerator<ImageOutcome<"embedding", Embedding>, void, undefined> {
    checkOptions(EMBED_STREAM_OPTIONS, options);
    const work = this.#embedding(options);
    return streamOf(images, "embedding", work, this.#calls, options, "embed");
  }

  #embedding(options: EmbedOptions): Work<readonly View[], Embedding> {
    const checked = checkEmbedding(options, this.#model), { architecture } = this.#model;
    return this.#work(
      options,
      checked.parts.map(({ layer }) => networkLayer(layer, architecture)),
      () => embeddingMean(checked, this.#model),
      (pixels) => viewsOf(pixels, this.#model),
    );
  }

  /**
   * How different two images look: the sum of how differently some layers see them, 0 for the same
   * image.
   *
   * @throws {TypeError} If an option does not go with a prepared image.
   * @throws {RangeError} If the model has no such layer, or an image was prepared for another model or
   *   with several views.
   * @throws {ImageDecodeError} If an image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If an image has more pixels than `maxPixels`.
   */
  distance(a: ImageInput, b: ImageInput, options?: DistanceOptions): Promise<number>;
  /** How different two images look, of which one at least was prepared. */
  distance(
    a: Input,
    b: Input,
    options?: OptionsFor<PreparedImage, DistanceOptions>,
  ): Promise<number>;
  async distance(a: Input, b: Input, options: DistanceOptions = {}): Promise<number> {
    checkOptions(DISTANCE_OPTIONS, options);
    const { architecture } = this.#model, { signal } = options;
    const { layers = perceptualLayers(architecture) } = options;
    const read = layers.flatMap((layer) => checkEmbedding({ layer }, this.#model).parts);
    const work = this.#work(
      {},
      layers.map((layer) => networkLayer(layer, architecture)),
      () => layerMeans(read, this.#model),
    );
    return await this.#calls.run(async () => {
      const images: PreparedImage[] = [];
      for (const image of [a, b]) {
        const views = await this.#viewsOf(image, options, (pixels) => viewsOf(pixels, this.#model));
        images.push(new PreparedImage(this.#network, [onlyOf(views, "distance")]));
      }
      const [x, y] = await listOf(images, work, signal);
      return x!.reduce((sum, own, i) => sum + layerDistance(own, y![i]!), 0);
    });
  }

  /**
   * Shows which part of an image speaks for a class, the predicted one or any other.
   *
   * @throws {TypeError} If the input is none of the kinds of image, or an option does not go with a
   *   prepared one.
   * @throws {RangeError} If the class is unknown or its name ambiguous, an option is out of range, or
   *   the image was prepared for another model or with several views.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than allowed.
   */
  explain<Given extends Input>(
    image: Given,
    options?: OptionsFor<Given, ExplainOptions>,
  ): Promise<Explanation<Label>>;
  /** Explains several images, in their order. Fails if one of them does. */
  explain<Given extends Images>(
    images: Given,
    options?: OptionsFor<Given, ExplainOptions>,
  ): Promise<Explanation<Label>[]>;
  /** Explains one image or several. */
  explain<Given extends Input | Images>(
    images: Given,
    options?: OptionsFor<Given, ExplainOptions>,
  ): Promise<Explanation<Label> | Explanation<Label>[]>;
  async explain(
    images: Input | Images,
    options: ExplainOptions = {},
  ): Promise<Explanation<Label> | Explanation<Label>[]> {
    checkOptions(EXPLAIN_OPTIONS, options);
    const { classes } = this.info, { signal } = options;
    const target = checkExplanation(options, this.#model, classes);
    const explaining: Work<Looked, Explanation<Label>> = {
      prepare: async (image, signal) =>
        image instanceof PreparedImage
          ? lookAtViews(await this.#viewsOf(image, options))
          : lookAt(await this.#read(image, { ...options, signal }), this.#model, target),
      compute: async ([looked]) => {
        const explained = explainImage(this.#engine, this.#model, classes, looked!, target, signal);
        return [{ status: "fulfilled", value: await explained }];
      },
      most: 1,
      bytesOf: () => 0,
    };
    return await this.#calls.run(() => resultsOf(images, explaining, { signal }));
  }

  /**
   * Decodes, resizes and crops an image, so that it can wait for the network in few bytes: a server
   * decodes each image when it arrives, and classifies what has arrived in one batch.
   *
   * @throws {TypeError} If the input is none of the kinds of image.
   * @throws {RangeError} If an option is out of range.
   * @throws {ImageDecodeError} If the image is damaged or of an unknown format.
   * @throws {ImageTooLargeError} If the image has more pixels than allowed.
   */
  async prepare(image: ImageInput, options: PrepareOptions = {}): Promise<PreparedImage> {
    checkOptions(PREPARE_OPTIONS, options);
    checkViews(options, this.#model);
    const views = await this.#calls.run(() => this.#viewsOf(image, options));
    return new PreparedImage(this.#network, views);
  }

  /**
   * What each layer costs here: the median of some runs on blank images.
   *
   * @throws {RangeError} If an option is out of range.
   */
  async profile(options: ProfileOptions = {}): Promise<LayerProfile[]> {
    checkOptions(PROFILE_OPTIONS, options);
    const { architecture } = this.#model;
    return await this.#calls.run(() => medianProfile(this.#engine, architecture, options));
  }

  /** What it uses now. */
  usage(): ClassifierUsage {
    const { bytesResident, backend } = this.#engine;
    return { bytesResident: this.closed ? 0 : bytesResident, backend };
  }

  /** Whether {@linkcode Classifier.close} was called. */
  get closed(): boolean {
    return this.#calls.closed;
  }

  /**
   * Takes no more calls, waits for those under way, and frees the weights. May be called again, and is
   * what `await using` calls.
   */
  async close(): Promise<void> {
    await this.#calls.close(this.#free);
  }

  /** {@linkcode Classifier.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * What is done with images, to get something of each from some layers; of none, from the last.
   *
   * @param cut What is looked at of an image. Default: what the head looks at.
   */
  #work<Result>(
    options: PrepareOptions,
    layers: readonly LayerName[],
    meanOf: () => Mean<Result>,
    cut?: (pixels: Pixels) => View[],
  ): Work<readonly View[], Result> {
    checkViews(options, this.#model);
    const { input } = this.#model.architecture;
    return {
      prepare: (image, signal) => this.#viewsOf(image, { ...options, signal }, cut),
      compute: computeViews(this.#engine, input, layers, meanOf),
      most: imagesTogether(input),
      bytesOf: (views) => views.reduce((sum, { data }) => sum + data.length, 0),
    };
  }

  async #viewsOf(
    image: Input,
    options: PrepareOptions,
    cut?: (pixels: Pixels) => View[],
  ): Promise<readonly View[]> {
    if (image instanceof PreparedImage) {
      refuseLookOptions(options);
      const views = viewsFor(this.#network, image);
      return cut === undefined ? views : plainViews(views);
    }
    const shorterSide = Math.max(...scalesOf(this.#model, options));
    const pixels = await this.#read(image, options, shorterSide);
    const views = cut?.(pixels) ?? looksOf(pixels, this.#model, options);
    const isNeeded = views.some(({ data }) => data.buffer === pixels.data.buffer);
    if (!isNeeded) releasePixels(pixels);
    return views;
  }

  #read(image: ImageInput, options: ImageOptions, shorterSide?: number): Promise<Pixels> {
    const offline = this.#isOffline || options.offline;
    return readImage(image, { ...pickOptions(IMAGE_OPTIONS, options), shorterSide, offline });
  }
}

/** The view of an image that must have only one. */
function onlyOf(views: readonly View[], call: string): View {
  const [view, ...others] = views;
  if (view !== undefined && others.length === 0) return view;
  throw new RangeError(
    `${call}() takes images of one view: this one was prepared with ${views.length}`,
  );
}
