/** The way of an image through the service: admitted, decoded, batched, run. */

import { abortable } from "@std/async/abortable";
import type { ClassifierInfo } from "../../classifier.ts";
import type { PreparedImage } from "../../input/prepared_image.ts";
import type { Embedding, EmbeddingOptions } from "../../output/embedding.ts";
import type { ViewOptions } from "../../input/views.ts";
import type { ExplainOptions, Explanation } from "../../explain/explain.ts";
import type { ImageInput, ImageOptions, Pixels } from "../../image/image.ts";
import { readImage } from "../../image/read.ts";
import type { RemoteOptions } from "../remote/remote_image.ts";
import type { Call } from "../server/call.ts";
import { HttpProblem } from "../server/problems.ts";
import type { Settings } from "../server/settings.ts";
import type { ServiceMetrics } from "../server/telemetry.ts";
import { BatchQueue, type ServedClassifier, type ServedModel, type Work } from "./batch_queue.ts";

/**
 * Images of so many pixels are decoded on other threads: some 7 ms of work, and handing it over costs
 * less than one. Smaller ones are done sooner on this one.
 */
const BACKGROUND_FROM_PIXELS = 100_000;
/** Numbers of a result that is kept in memory; more than any dense layer has. */
const MAX_KEPT_VALUES = 16_384;

/** What is done with an image: decoded apart, then computed with others of the same key. */
interface Task<Decoded, Output> {
  readonly key: string;
  /** What a result depends on besides the image; undefined if it is not kept. */
  readonly cacheKey: string | undefined;
  decode(classifier: ServedClassifier, image: ImageInput, limits: ImageOptions): Promise<Decoded>;
  compute(
    classifier: ServedClassifier,
    images: readonly Decoded[],
    signal: AbortSignal,
  ): Promise<Output[]>;
}

/** A file's bytes, where to fetch them, or pixels. */
type ServedImage = Uint8Array | URL | Pixels;

/** Takes images to results, within the limits. */
export class Pipeline {
  readonly settings: Settings;
  readonly #model: ServedModel;
  readonly #metrics: ServiceMetrics;
  readonly #queue: BatchQueue;
  readonly #cache: ResultCache;
  readonly #remote: Partial<RemoteOptions>;
  #admitted = 0;
  /** A moving average of what an image costs: the base of Retry-After. */
  #msPerImage = 10;

  constructor(
    settings: Settings,
    model: ServedModel,
    metrics: ServiceMetrics,
    remote: Partial<RemoteOptions> = {},
  ) {
    this.#metrics = metrics;
    this.settings = settings;
    this.#model = model;
    this.#remote = remote;
    this.#cache = new ResultCache(settings.cacheEntries);
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
   * @throws {HttpProblem} `not-found` if the path names another one; an owner before its id is ignored.
   */
  async info(call: Call): Promise<ClassifierInfo> {
    const { info } = await abortable(this.#model.get(), call.signal);
    const { model: name = info.model } = call.path;
    if (name === info.model || name.split("/").at(-1) === info.model) return info;
    const detail = `There is no model "${name}" here: this service has ${info.model}`;
    throw new HttpProblem("not-found", detail);
  }

  /** Probabilities of all classes, in the order of the labels. */
  scores(image: ServedImage, views: ViewOptions, call: Call): Promise<Float64Array> {
    return this.#run(image, call, {
      // Views are made by decoding, so images that are looked at in different ways may go together.
      key: "classify",
      cacheKey: `classify ${JSON.stringify(views)}`,
      decode: (classifier, image, limits) => classifier.prepare(image, { ...views, ...limits }),
      compute: (classifier, images, signal) => classifier.scores(images, { signal }),
    });
  }

  embed(image: ServedImage, options: EmbeddingOptions, call: Call): Promise<Embedding> {
    const key = `embed ${JSON.stringify(options)}`;
    return this.#run<PreparedImage, Embedding>(image, call, {
      key,
      cacheKey: key,
      decode: (classifier, image, limits) => classifier.prepare(image, limits),
      compute: (classifier, images, signal) => classifier.embed(images, { ...options, signal }),
    });
  }

  explain(image: ServedImage, options: ExplainOptions, call: Call): Promise<Explanation> {
    return this.#run<Pixels, Explanation>(image, call, {
      key: `explain ${JSON.stringify(options)}`,
      // It holds the whole picture: too large to be kept.
      cacheKey: undefined,
      decode: (_classifier, image, limits) => readImage(image, limits),
      compute: async (classifier, images, signal) => {
        // A larger limit than the library's holds for pixels too.
        const { maxPixels } = this.settings;
        const explanations: Explanation[] = [];
        for (const image of images) {
          explanations.push(await classifier.explain(image, { ...options, maxPixels, signal }));
        }
        return explanations;
      },
    });
  }

  async #fetch(url: URL, { signal }: Call): Promise<Uint8Array> {
    const { urlInput, offline, maxBodyBytes } = this.settings;
    if (!urlInput || offline) {
      throw new HttpProblem("url-input-off", "This service fetches no URLs: send the image itself");
    }
    // Imported late: node:http is most of what importing this package would cost.
    const { fetchRemoteImage } = await import("../remote/remote_image.ts");
    return await fetchRemoteImage(url, { maxBytes: maxBodyBytes, signal, ...this.#remote });
  }

  async #run<Decoded, Output>(
    image: ServedImage,
    call: Call,
    task: Task<Decoded, Output>,
  ): Promise<Output> {
    const input = image instanceof URL ? await this.#fetch(image, call) : image;
    const make = (): Promise<Output> => this.#compute(input, call, task);
    if (task.cacheKey === undefined || !(input instanceof Uint8Array)) return await make();
    const { value, cached } = await this.#cache.getOrMake(input, task.cacheKey, make, isSmall);
    if (cached) call.costs.cached = true;
    return value;
  }

  async #compute<Decoded, Output>(
    image: Uint8Array | Pixels,
    call: Call,
    task: Task<Decoded, Output>,
  ): Promise<Output> {
    const started = performance.now();
    const decoded = await this.#decode(image, call, task);
    const work: Work<Decoded, Output> = {
      key: task.key,
      run: (inputs, signal) =>
        this.#model.use((classifier) => task.compute(classifier, inputs, signal)),
    };
    const { output, queueMs, runMs, batch } = await this.#queue.submit(work, decoded, call.signal);
    this.#metrics.queue.observe(queueMs / 1000);
    const { costs } = call;
    costs.queueMs = (costs.queueMs ?? 0) + queueMs;
    costs.inferenceMs = (costs.inferenceMs ?? 0) + runMs;
    costs.batch = Math.max(costs.batch ?? 0, batch);
    const each = (performance.now() - started) / Math.max(1, this.#admitted);
    this.#msPerImage += 0.1 * (each - this.#msPerImage);
    return output;
  }

  async #decode<Decoded>(
    image: Uint8Array | Pixels,
    call: Call,
    { decode }: Pick<Task<Decoded, unknown>, "decode">,
  ): Promise<Decoded> {
    const classifier = await abortable(this.#model.get(), call.signal);
    using _announced = this.#queue.announce();
    const { maxPixels, formats, maxBodyBytes: maxBytes } = this.settings;
    const started = performance.now();
    const decoded = await decode(classifier, image, {
      signal: call.signal,
      maxPixels,
      formats,
      maxBytes,
      background: BACKGROUND_FROM_PIXELS,
    });
    const decodeMs = performance.now() - started;
    this.#metrics.decode.observe(decodeMs / 1000);
    call.costs.decodeMs = (call.costs.decodeMs ?? 0) + decodeMs;
    return decoded;
  }
}

/** Whether a result may be kept: scores and pooled embeddings, but no layer's every position. */
function isSmall(result: unknown): boolean {
  const { length } = result instanceof Float64Array ? result : (result as Embedding).data;
  return length <= MAX_KEPT_VALUES;
}

/** Keeps the most recently used results, by the hash of their image. */
export class ResultCache {
  readonly #capacity: number;
  /** A Map iterates in the order of insertion: the first is the least recently used. */
  readonly #values = new Map<string, unknown>();

  /** `capacity` is a number of values; with 0 nothing is kept. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Gets the value for an image and a key, or makes it and keeps it if it is small. */
  async getOrMake<Value>(
    bytes: Uint8Array,
    key: string,
    make: () => Promise<Value>,
    isSmall: (value: Value) => boolean = () => true,
  ): Promise<{ value: Value; cached: boolean }> {
    if (this.#capacity === 0) return { value: await make(), cached: false };
    const id = `${key}:${await sha256(bytes)}`;
    if (this.#values.has(id)) {
      const value = this.#values.get(id) as Value; // What this key was made with.
      this.#values.delete(id);
      this.#values.set(id, value);
      return { value, cached: true };
    }
    const value = await make();
    if (!isSmall(value)) return { value, cached: false };
    this.#values.set(id, value);
    if (this.#values.size > this.#capacity) {
      this.#values.delete(this.#values.keys().next().value!);
    }
    return { value, cached: false };
  }
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).toHex();
}
