/** The way of an image through the service: admitted, decoded, batched, run. */

import { abortable } from "@std/async/abortable";
import type { ImageClassifier, ImageClassifierInfo, PrepareOptions } from "../../classifier.ts";
import type { Input } from "../../input/prepared_image.ts";
import type { Embedding, EmbeddingOptions } from "../../output/embedding.ts";
import { withoutPlace } from "../../input/image_error.ts";
import { checkViews, type LookedWith, lookPixels, type ViewOptions } from "../../input/views.ts";
import { type ExplainOptions, explainPixels, type Explanation } from "../../explain/explain.ts";
import {
  type ImageInput,
  type ImageOptions,
  MAX_DECODERS,
  type Pixels,
  type Size,
} from "../../image/image.ts";
import { readSize } from "../../image/decode.ts";
import { readImage } from "../../image/read.ts";
import type { Model } from "../../model/model.ts";
import { Line } from "../../threads/pool.ts";
import type { Downloads } from "../remote/downloads.ts";
import type { Call } from "../server/call.ts";
import { checkingOptions, HttpProblem, toProblem } from "../server/problems.ts";
import type { RemoteRules, Settings } from "../server/settings.ts";
import type { Log, ServiceMetrics } from "../server/telemetry.ts";
import { BatchQueue, type Work } from "./batch_queue.ts";
import { type Kept, ResultCache } from "./result_cache.ts";
import type { ServedModel } from "./served_model.ts";

/**
 * Images of so many pixels are decoded on other threads: some 7 ms of work, and handing it over costs
 * less than one. Smaller ones are done sooner on this one.
 */
const BACKGROUND_FROM_PIXELS = 100_000;

/** Images of fewer pixels are not counted by `maxDecodePixels`, and wait for no large one: 3 MB each. */
const LARGE_FROM_PIXELS = 1_000_000;

/** What says how images are looked at. */
type Network = LookedWith & Pick<Model, "preprocessing">;

/** What is done with an image: decoded apart, then computed with others of the same key. */
interface Task<Decoded, Output> {
  readonly key: string;
  /** Undefined if results are not kept. */
  readonly kept: Kept<Output> | undefined;
  /** Whether the whole picture waits for the network too. */
  readonly keepsPicture?: boolean;
  /** How many pixels go through the network for an image of a size. */
  pixels(image: Size, network: Network): number;
  decode(classifier: ImageClassifier, image: ImageInput, limits: ImageOptions): Promise<Decoded>;
  compute(
    classifier: ImageClassifier,
    images: readonly Decoded[],
    signal: AbortSignal,
  ): Promise<Output[]>;
}

/** What is asked about images, together with others of the same key. */
interface Question<Output> {
  readonly key: string;
  readonly views: ViewOptions;
  readonly bytesOf: Kept<Output>["bytesOf"];
  ask(
    classifier: ImageClassifier,
    images: readonly ImageInput[],
    options: PrepareOptions,
  ): Promise<Output[]>;
}

/** What a classifier said, and which one. */
interface Said<Output> {
  readonly output: Output;
  readonly info: ImageClassifierInfo;
}

/** A file's bytes, where to fetch them, or pixels. */
type ServedImage = Uint8Array | URL | Pixels;

/** Takes images to results, within the limits. */
export class Pipeline {
  readonly settings: Settings;
  readonly #model: ServedModel;
  readonly #metrics: ServiceMetrics;
  readonly #queue: BatchQueue;
  /** Of each classifier: its successor may say something else. */
  readonly #caches = new WeakMap<ImageClassifier, ResultCache>();
  /** What a request was told of the classifier, and holds its options against. */
  readonly #told = new WeakMap<Call, ImageClassifierInfo>();
  readonly #log: Log;
  readonly #rules: RemoteRules;
  /** For pixels of large images, one place each. */
  readonly #decoding: Line;
  /** Whole pictures are kept from decoding to the answer: few at a time. */
  readonly #pictures = new Line(MAX_DECODERS);
  #downloads: Promise<Downloads> | undefined;
  #admitted = 0;
  /** A moving average of what an image costs: the base of Retry-After. */
  #msPerImage = 10;

  constructor(
    settings: Settings,
    model: ServedModel,
    metrics: ServiceMetrics,
    log: Log,
    rules: RemoteRules = {},
  ) {
    this.#metrics = metrics;
    this.settings = settings;
    this.#model = model;
    this.#log = log;
    this.#rules = rules;
    this.#decoding = new Line(settings.maxDecodePixels);
    this.#queue = new BatchQueue({
      ...settings,
      onRun: (batch, runMs) => {
        metrics.batch.observe(batch);
        metrics.inference.observe(runMs / 1000);
      },
    });
  }

  /** Images that were admitted and are not answered. */
  get admitted(): number {
    return this.#admitted;
  }

  /**
   * Checks that there is room for an image, before its body is received: that takes no place, since it
   * may take its time.
   *
   * @throws {HttpProblem} `overloaded`, with Retry-After
   */
  checkRoom(): void {
    this.admit(1)[Symbol.dispose]();
  }

  /**
   * Admits some images, until the result is disposed of.
   *
   * @throws {HttpProblem} `overloaded`, with Retry-After
   */
  admit(images: number): Disposable {
    const { maxQueue } = this.settings;
    if (this.#admitted + images > maxQueue) {
      const seconds = Math.ceil(this.#admitted * this.#msPerImage / 1000);
      throw new HttpProblem(
        "overloaded",
        `${this.#admitted} of at most ${maxQueue} images are waiting: try again later`,
        { headers: { "retry-after": String(Math.min(60, Math.max(1, seconds))) } },
      );
    }
    this.#admitted += images;
    return { [Symbol.dispose]: () => void (this.#admitted -= images) };
  }

  /**
   * Waits for the model, and for no longer than the request may take.
   *
   * @throws {HttpProblem} `not-found` if the path names another one; why loading failed, with Retry-After.
   */
  async info(call: Call): Promise<ImageClassifierInfo> {
    const { info } = await this.#classifier(call);
    this.#told.set(call, info);
    if (isNamed(info, call)) return info;
    const detail = `There is no model "${call.path.model}" here: this service has ${info.model}`;
    throw new HttpProblem("not-found", detail);
  }

  /**
   * Whether the model that the path names can answer. Asking loads nothing, and is not told which one it is.
   *
   * @throws {HttpProblem} `not-found` if another model is loaded.
   */
  isReady(call: Call): boolean {
    const { info, ready } = this.#model;
    if (info === undefined || isNamed(info, call)) return ready;
    throw new HttpProblem("not-found", `There is no model "${call.path.model}" here`);
  }

  async #classifier({ signal }: Call): Promise<ImageClassifier> {
    try {
      return await abortable(this.#model.get(), signal);
    } catch (error) {
      if (!this.#model.isFailure(error)) throw error;
      const seconds = Math.max(1, Math.ceil(this.#model.waitMs / 1000));
      const { problem, message, retryable } = toProblem(error);
      const headers = { "retry-after": String(seconds) };
      // Without its cause, which the log has once.
      throw new HttpProblem(problem, message, { headers, retryable });
    }
  }

  /**
   * Scores of all classes, in the order of the labels that the request was told.
   *
   * @throws {HttpProblem} `backend-lost` if a successor with other classes answers.
   */
  async scores(image: ServedImage, views: ViewOptions, call: Call): Promise<Float64Array> {
    return await this.#ask<Float64Array>(image, call, {
      ...{ key: "classify", views, bytesOf: ({ byteLength }) => byteLength },
      ask: (classifier, images, options) => classifier.scores(images, options),
    });
  }

  /**
   * @throws {HttpProblem} `not-supported` if the classifier does not embed, `backend-lost` if a successor
   *   with other classes answers.
   */
  async embed(image: ServedImage, embedding: EmbeddingOptions, call: Call): Promise<Embedding> {
    checkCan("embed", await this.#classifier(call));
    return await this.#ask(image, call, {
      key: `embed ${JSON.stringify(embedding)}`,
      ...{ views: {}, bytesOf: ({ data }) => data.byteLength },
      ask: (classifier, images, options) => classifier.embed!(images, { ...embedding, ...options }),
    });
  }

  /**
   * Asks for images together. Where the classifier prepares them, they wait in few bytes; otherwise as they
   * came, and are decoded by it.
   */
  async #ask<Output>(
    image: ServedImage,
    call: Call,
    { key, views, bytesOf, ask }: Question<Output>,
  ): Promise<Output> {
    const { prepare } = await this.#classifier(call);
    const own = `${key} ${JSON.stringify(views)}`;
    const { output, info } = await this.#run<Input, Said<Output>>(image, call, {
      kept: { key: own, bytesOf: ({ output }) => bytesOf(output) },
      keepsPicture: prepare === undefined,
      pixels: (image, network) => {
        checkingOptions(() => checkViews(views, network)); // Of an ensemble's member nobody has before.
        return lookPixels(image, network, views);
      },
      // Views are made by preparing, so images that are looked at in different ways may go together.
      key: prepare === undefined ? own : key,
      decode: async (classifier, image, limits) =>
        await classifier.prepare?.(image, { ...views, ...limits }) ?? image,
      compute: async (classifier, images, signal) => {
        const looks = classifier.prepare === undefined ? { ...views, ...this.#limits } : {};
        // Prepared ones go with a signal alone, as their type says.
        const asked = ask(classifier, images as ImageInput[], { ...looks, signal });
        const { info } = classifier, outputs = await answer(classifier, asked);
        return outputs.map((output) => ({ output, info }));
      },
    });
    if (areSame(this.#told.get(call) ?? info, info)) return output;
    const detail =
      "The model was lost, and scores of the next one mean something else: send the image again";
    throw new HttpProblem("backend-lost", detail, { retryable: true });
  }

  /** @throws {HttpProblem} `not-supported` if the classifier does not explain. */
  async explain(image: ServedImage, options: ExplainOptions, call: Call): Promise<Explanation> {
    checkCan("explain", await this.#classifier(call));
    using _place = await this.#pictures.take(call.signal);
    return await this.#run<Pixels, Explanation>(image, call, {
      key: `explain ${JSON.stringify(options)}`,
      // It holds the whole picture: too large.
      kept: undefined,
      keepsPicture: true,
      pixels: (image, network) => explainPixels(image, network, options),
      decode: (_classifier, image, limits) => readImage(image, limits),
      compute: async (classifier, images, signal) => {
        // A larger limit than the library's holds for pixels too.
        const { maxPixels } = this.settings;
        const explanations: Explanation[] = [];
        for (const image of images) {
          const asked = classifier.explain!(image, { ...options, maxPixels, signal });
          explanations.push(await answer(classifier, asked));
        }
        return explanations;
      },
    });
  }

  /** What strangers' images may be. */
  get #limits(): ImageOptions {
    const { maxPixels, formats, maxBodyBytes: maxBytes } = this.settings;
    return { maxPixels, formats, maxBytes, background: BACKGROUND_FROM_PIXELS };
  }

  async #fetch(url: URL, call: Call): Promise<Uint8Array> {
    const { urlInput, offline } = this.settings;
    if (!urlInput || offline) {
      throw new HttpProblem("url-input-off", "This service fetches no URLs: send the image itself");
    }
    this.#downloads ??= this.#openDownloads().catch((error) => {
      this.#downloads = undefined; // It is imported again by the next.
      throw error;
    });
    return await (await this.#downloads).fetch(url, call);
  }

  /** Imported late: node:http is most of what importing this package would cost. */
  async #openDownloads(): Promise<Downloads> {
    const { Downloads } = await import("../remote/downloads.ts");
    return new Downloads(this.settings, this.#rules, this.#log);
  }

  async #run<Decoded, Output>(
    image: ServedImage,
    call: Call,
    task: Task<Decoded, Output>,
  ): Promise<Output> {
    const input = image instanceof URL ? await this.#fetch(image, call) : image;
    const make = (): Promise<Output> => this.#compute(input, call, task);
    if (task.kept === undefined || !(input instanceof Uint8Array)) return await make();
    const cache = this.#cacheOf(await this.#classifier(call));
    const { result, cached } = await cache.getOrMake(input, task.kept, make);
    if (cached) call.costs.cached = true;
    return result;
  }

  #cacheOf(classifier: ImageClassifier): ResultCache {
    const { cacheEntries, cacheBytes } = this.settings;
    const cache = this.#caches.get(classifier) ?? new ResultCache(cacheEntries, cacheBytes);
    this.#caches.set(classifier, cache);
    return cache;
  }

  async #compute<Decoded, Output>(
    image: Uint8Array | Pixels,
    call: Call,
    task: Task<Decoded, Output>,
  ): Promise<Output> {
    const started = performance.now();
    const isFile = image instanceof Uint8Array;
    const size = isFile ? await readSize(image, this.settings) : image;
    const cost = this.#costOf(size, await this.#classifier(call), call, task);
    using place = isFile ? await this.#placeFor(size, call) : undefined;
    const decoded = await this.#decode(image, call, task);
    if (!task.keepsPicture) place?.[Symbol.dispose]();
    const work: Work<Decoded, Output> = {
      key: task.key,
      run: (inputs, signal) =>
        this.#model.use((classifier) => task.compute(classifier, inputs, signal)),
    };
    const { output, queueMs, runMs, batch } = await this.#queue.submit(
      work,
      decoded,
      call.signal,
      cost,
    );
    this.#metrics.queue.observe(queueMs / 1000);
    const { costs } = call;
    costs.queueMs = (costs.queueMs ?? 0) + queueMs;
    costs.inferenceMs = (costs.inferenceMs ?? 0) + runMs;
    costs.batch = Math.max(costs.batch ?? 0, batch);
    const each = (performance.now() - started) / Math.max(1, this.#admitted);
    this.#msPerImage += 0.1 * (each - this.#msPerImage);
    return output;
  }

  /**
   * What an image costs the network, in images that are looked at once.
   *
   * @throws {HttpProblem} `too-many-views`
   * @throws {ImageTooLargeError} If it is too long to be looked at as a whole.
   */
  #costOf(
    image: Size | undefined,
    classifier: ImageClassifier,
    { costs: { images = 1 } }: Call,
    task: Pick<Task<unknown, unknown>, "pixels">,
  ): number {
    const networks = networksOf(classifier);
    if (image === undefined || networks.length === 0) return 1;
    let pixels = 0, usual = 0, cost = 0;
    for (const network of networks) {
      const { height, width } = network.architecture.input, own = task.pixels(image, network);
      pixels += own;
      usual += lookPixels(image, network);
      cost += own / (height * width);
    }
    const most = Math.max(usual, Math.floor(this.settings.maxViewPixels / images));
    if (pixels <= most) return cost;
    throw new HttpProblem(
      "too-many-views",
      `Expected at most ${most} pixels to look at for each of ${images} images, found ${pixels}: ` +
        "use fewer crops, smaller scales, or send fewer images",
    );
  }

  /** Waits until a large image's pixels have their place beside those of others. */
  async #placeFor(size: Size | undefined, { signal }: Call): Promise<Disposable | undefined> {
    const pixels = size === undefined ? 0 : size.width * size.height;
    if (pixels < LARGE_FROM_PIXELS) return undefined;
    return await this.#decoding.take(signal, Math.min(pixels, this.settings.maxDecodePixels));
  }

  async #decode<Decoded>(
    image: Uint8Array | Pixels,
    call: Call,
    { decode }: Pick<Task<Decoded, unknown>, "decode">,
  ): Promise<Decoded> {
    // Only now: there may be another since this image began to wait.
    const classifier = await this.#classifier(call);
    using _announced = this.#queue.announce();
    const started = performance.now();
    const decoded = await decode(classifier, image, { ...this.#limits, signal: call.signal });
    const decodeMs = performance.now() - started;
    this.#metrics.decode.observe(decodeMs / 1000);
    call.costs.decodeMs = (call.costs.decodeMs ?? 0) + decodeMs;
    return decoded;
  }
}

/** The networks that look at an image, as far as they are known: of an ensemble those of its members. */
function networksOf({ info, members = [] }: ImageClassifier): Network[] {
  const { architecture, preprocessing, readout } = info;
  if (architecture === undefined || preprocessing === undefined) return members.flatMap(networksOf);
  return [{ architecture, preprocessing, readout }];
}

/**
 * Waits for what a classifier was asked, whose options the routes could not check where it is no VGG.
 *
 * @throws {HttpProblem} `bad-option` for its RangeError.
 */
async function answer<Value>({ info }: ImageClassifier, asked: Promise<Value>): Promise<Value> {
  try {
    return await asked;
  } catch (given) {
    // A batch's images come from many requests.
    const error = withoutPlace(given);
    if (info.architecture !== undefined || !(error instanceof RangeError)) throw error;
    throw new HttpProblem("bad-option", error.message, { cause: error });
  }
}

function checkCan(what: "embed" | "explain", classifier: ImageClassifier): void {
  if (classifier[what] !== undefined) return;
  const detail = `The model ${classifier.info.model} classifies only: it cannot ${what}`;
  throw new HttpProblem("not-supported", detail);
}

/** Whether two classifiers mean the same by their scores. */
function areSame(a: ImageClassifierInfo, b: ImageClassifierInfo): boolean {
  const [own = false, others = false] = [a.multiLabel, b.multiLabel];
  return own === others && a.sureScore === b.sureScore && a.temperature === b.temperature &&
    a.classes.length === b.classes.length &&
    a.classes.every(({ label }, index) => label === b.classes[index]!.label);
}

/** Whether the path names this model, or none; an owner before its id is ignored. */
function isNamed({ model }: ImageClassifierInfo, { path: { model: name = model } }: Call): boolean {
  return name === model || name.split("/").at(-1) === model;
}
