/**
 * The way of an image through the service: admitted, decoded, batched, run.
 *
 * @module
 */

import type { PreparedImage } from "../classifier.ts";
import type { Embedding, EmbedOptions } from "../embedding.ts";
import type { ViewOptions } from "../evaluate/views.ts";
import type { ImageInput } from "../image/image.ts";
import type { Call } from "./call.ts";
import { EngineQueue, type Work } from "./engine_queue.ts";
import type { ImageSource } from "./images.ts";
import { BATCHES, Histogram, SECONDS } from "./metrics.ts";
import { HttpProblem } from "./problems.ts";
import { fetchRemoteImage, type RemoteOptions } from "./remote_image.ts";
import { ResultCache } from "./result_cache.ts";
import type { ServedClassifier, ServedModel } from "./served_model.ts";
import type { Settings } from "./settings.ts";
import { Slots } from "./slots.ts";

/** Images decoded at a time: each may take `maxPixels` of memory, and one thread decodes them all. */
const DECODERS = 2;

/** Takes images to results, within the limits. */
export class Pipeline {
  readonly queueSeconds: Histogram = new Histogram(
    "vgg16_queue_seconds",
    "Time that images waited for the engine.",
    SECONDS,
  );
  readonly decodeSeconds: Histogram = new Histogram(
    "vgg16_decode_seconds",
    "Time to decode and resize an image.",
    SECONDS,
  );
  readonly inferenceSeconds: Histogram = new Histogram(
    "vgg16_inference_seconds",
    "Time of a batch in the network.",
    SECONDS,
  );
  readonly batchImages: Histogram = new Histogram(
    "vgg16_batch_images",
    "Images that went through the network together.",
    BATCHES,
  );
  readonly #settings: Settings;
  readonly #model: ServedModel;
  readonly #queue: EngineQueue;
  readonly #cache: ResultCache;
  readonly #decoders = new Slots(DECODERS);
  readonly #remote: Partial<RemoteOptions>;
  #admitted = 0;
  /** A moving average of what an image costs: the base of Retry-After. */
  #msPerImage = 10;

  constructor(settings: Settings, model: ServedModel, remote: Partial<RemoteOptions> = {}) {
    this.#settings = settings;
    this.#model = model;
    this.#remote = remote;
    this.#cache = new ResultCache(settings.cacheEntries);
    this.#queue = new EngineQueue({
      ...settings,
      onRun: (batch, runMs) => {
        this.batchImages.observe(batch);
        this.inferenceSeconds.observe(runMs / 1000);
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
    const { maxQueue } = this.#settings;
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

  /** Probabilities of all classes, in the order of the labels. */
  scores(image: ImageSource | ImageInput, views: ViewOptions, call: Call): Promise<Float64Array> {
    const work = this.#work<Float64Array>(
      "classify",
      (classifier, images, signal) => classifier.scores(images, { signal }),
    );
    return this.#run(image, work, views, call);
  }

  /** What a layer says. */
  embed(
    image: ImageSource | ImageInput,
    options: EmbedOptions,
    call: Call,
  ): Promise<Embedding> {
    const work = this.#work<Embedding>(
      `embed ${JSON.stringify(options)}`,
      (classifier, images, signal) => classifier.embed(images, { ...options, signal }),
    );
    return this.#run(image, work, {}, call);
  }

  /** The bytes of an image file, fetched if it is a URL. */
  async bytesOf({ content }: ImageSource, call: Call): Promise<Uint8Array> {
    if (content instanceof Uint8Array) return content;
    const { urlInput, maxBodyBytes } = this.#settings;
    if (!urlInput) {
      throw new HttpProblem("url-input-off", "This service fetches no URLs: send the image itself");
    }
    return await fetchRemoteImage(content, {
      maxBytes: maxBodyBytes,
      signal: call.signal,
      ...this.#remote,
    });
  }

  #work<Output>(
    key: string,
    run: (
      classifier: ServedClassifier,
      images: readonly PreparedImage[],
      signal: AbortSignal,
    ) => Promise<Output[]>,
  ): Work<PreparedImage, Output> {
    return {
      key,
      run: (images, signal) => this.#model.use((classifier) => run(classifier, images, signal)),
    };
  }

  async #run<Output>(
    image: ImageSource | ImageInput,
    work: Work<PreparedImage, Output>,
    views: ViewOptions,
    call: Call,
  ): Promise<Output> {
    if (!isSource(image)) return await this.#compute(image, work, views, call);
    const bytes = await this.bytesOf(image, call);
    const key = `${work.key} ${JSON.stringify(views)}`;
    const { value, cached } = await this.#cache.getOrMake(
      bytes,
      key,
      () => this.#compute(bytes, work, views, call),
    );
    if (cached) call.costs.cached = true;
    return value;
  }

  async #compute<Output>(
    image: ImageInput,
    work: Work<PreparedImage, Output>,
    views: ViewOptions,
    call: Call,
  ): Promise<Output> {
    const started = performance.now();
    const prepared = await this.#prepare(image, views, call);
    const { output, queueMs, runMs, batch } = await this.#queue.submit(work, prepared, call.signal);
    this.queueSeconds.observe(queueMs / 1000);
    const { costs } = call;
    costs.queueMs = (costs.queueMs ?? 0) + queueMs;
    costs.inferenceMs = (costs.inferenceMs ?? 0) + runMs;
    costs.batch = Math.max(costs.batch ?? 0, batch);
    const each = (performance.now() - started) / Math.max(1, this.#admitted);
    this.#msPerImage += 0.1 * (each - this.#msPerImage);
    return output;
  }

  async #prepare(image: ImageInput, views: ViewOptions, call: Call): Promise<PreparedImage> {
    const classifier = await call.within(this.#model.get());
    using _announced = this.#queue.announce();
    using _decoder = await this.#decoders.take(call.signal);
    const started = performance.now();
    const prepared = await classifier.prepare(image, {
      ...views,
      signal: call.signal,
      maxPixels: this.#settings.maxPixels,
      maxBytes: this.#settings.maxBodyBytes,
    });
    const decodeMs = performance.now() - started;
    this.decodeSeconds.observe(decodeMs / 1000);
    call.costs.decodeMs = (call.costs.decodeMs ?? 0) + decodeMs;
    return prepared;
  }
}

function isSource(image: ImageSource | ImageInput): image is ImageSource {
  return typeof image === "object" && "content" in image;
}
