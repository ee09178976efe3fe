/**
 * Many images: opened and made ready one after the other, ahead of the network, computed together, and
 * their results given in order.
 */

import { abortable } from "@std/async/abortable";
import type { Calls } from "../calls.ts";
import { discard } from "../image/read.ts";
import { type ProgressOptions, type ProgressStage, ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import { openImage } from "./batches.ts";
import {
  type ErrorsOf,
  type ImageError,
  imageError,
  type ImagePlace,
  isOfImage,
  type ManyOptions,
  nameOf,
} from "./image_error.ts";
import {
  areMany,
  type Images,
  type Input,
  isNamed,
  type NamedImage,
  PreparedImage,
} from "./prepared_image.ts";

/** What is done with an image. */
export interface Work<Ready, Result> {
  /** Reads an image, and makes it ready. What is thrown is about that image. */
  readonly prepare: (image: Input, signal: AbortSignal | undefined) => Promise<Ready>;
  /** What came of each, in their order. What is thrown is about no image. */
  readonly compute: (
    ready: readonly Ready[],
    signal: AbortSignal | undefined,
  ) => Promise<readonly PromiseSettledResult<Result>[]>;
  /** Most images that are computed together. */
  readonly most: number;
  /** Bytes that are held until an image is computed. */
  readonly bytesOf: (ready: Ready) => number;
}

/** The result of one of many images, which has a name. */
export type ImageResult<Name extends string, Result> =
  & ImagePlace
  & { readonly [Key in Name]: Result }
  & { readonly error?: undefined };

/** What came of one of many images: a result, or an error. */
export type ImageOutcome<Name extends string, Result> =
  | ImageResult<Name, Result>
  | ImagePlace & { readonly [Key in Name]?: undefined } & { readonly error: ImageError };

/** What came of one image by itself. */
export function settled<Result>(get: () => Result): PromiseSettledResult<Result> {
  try {
    return { status: "fulfilled", value: get() };
  } catch (reason) {
    return { status: "rejected", reason };
  }
}

/** The same work, and something that is made of each result. */
export function andThen<Ready, Found, Result>(
  work: Work<Ready, Found>,
  make: (found: Found) => Result,
): Work<Ready, Result> {
  const compute: Work<Ready, Result>["compute"] = async (ready, signal) =>
    (await work.compute(ready, signal)).map((found) =>
      found.status === "rejected" ? found : settled(() => make(found.value))
    );
  return { ...work, compute };
}

/** How many images are gone through. */
export interface EachOptions {
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it too, but that what is being computed is still given. */
  readonly closing?: AbortSignal | undefined;
  /** Is told how many images have an outcome. */
  readonly progress?: ProgressTeller | undefined;
  /** Whether nobody looks at the first results before the last: batches are full then. */
  readonly isList?: boolean | undefined;
  /** Whether nothing is wanted once one image has failed. */
  readonly isStrict?: boolean | undefined;
}

/** Bytes that wait for the network, above which no further image is opened. */
const MAX_WAITING_BYTES = 2 ** 26;

/** An image that is ready, or is not. */
interface Slot<Ready> {
  readonly place: ImagePlace;
  readonly ready: PromiseSettledResult<Ready>;
}

/**
 * Gives the result of one image, or those of many.
 *
 * @throws {TypeError} If the errors of one image are asked for, instead of its result.
 */
export async function resultsOf<Ready, Result, OnError extends "throw" | "return" = "throw">(
  images: Input | Images,
  work: Work<Ready, Result>,
  { signal, onError }: Pick<EachOptions, "signal"> & ManyOptions<OnError>,
): Promise<Result | (Result | ErrorsOf<OnError>)[]> {
  if (areMany(images)) return await listOf(images, work, signal, onError);
  if (onError === "return") {
    throw new TypeError('onError: "return" is for many images, found one: put it into a list');
  }
  const image = await openImage(images, signal);
  const [found] = await work.compute([await work.prepare(image, signal)], signal);
  if (found!.status === "rejected") throw found!.reason;
  return found!.value;
}

/** Gives the results of many images, in their order. */
export async function listOf<Ready, Result, OnError extends "throw" | "return" = "throw">(
  images: Images,
  work: Work<Ready, Result>,
  signal: AbortSignal | undefined,
  onError?: OnError,
): Promise<(Result | ErrorsOf<OnError>)[]> {
  const results: (Result | ErrorsOf<OnError>)[] = [];
  const options = { signal, isList: true, isStrict: onError !== "return" };
  for await (const { result, error } of eachImage(images, "result", work, options)) {
    if (error === undefined) results.push(result);
    else if (onError === "return") results.push(error as ErrorsOf<OnError>); // It is that "return".
    else throw error;
  }
  return results;
}

/**
 * Gives what comes of each of many images, until it is closed whose calls these are.
 *
 * @param stage What progress calls it.
 * @throws {TypeError} If it is one image.
 */
export function streamOf<Name extends string, Ready, Result>(
  images: Images,
  name: Name,
  { prepare, compute, ...work }: Work<Ready, Result>,
  calls: Calls,
  { signal, onProgress }: ProgressOptions & Pick<EachOptions, "signal">,
  stage: ProgressStage,
): AsyncGenerator<ImageOutcome<Name, Result>, void, undefined> {
  if (!areMany(images)) {
    throw new TypeError(
      "Expected many images, as an iterable or async iterable: found " +
        (typeof images === "string" ? "a text" : Object.prototype.toString.call(images)) +
        ". Put one image into a list, and give the values() of a stream of images",
    );
  }
  const total = Array.isArray(images) ? images.length : undefined;
  const progress = new ProgressTeller({ onProgress }, { stage, unit: "images" }, total);
  const counted: Work<Ready, Result> = {
    ...work,
    prepare: (image, signal) => calls.run(() => prepare(image, signal)),
    compute: (ready, signal) => calls.run(() => compute(ready, signal)),
  };
  return eachImage(images, name, counted, { signal, closing: calls.ending, progress });
}

/**
 * Gives what came of each image, in order. An image that fails is an outcome too; what is about no image
 * is thrown, after the outcomes of the images before it.
 *
 * While some are computed, and while whoever asked looks at what came of them, as many others are opened
 * as can be computed together next; so twice `work.most` at the utmost have been taken from the source
 * and not been given out. Whoever stops asking ends what is under way, and the source.
 */
export function eachImage<Name extends string, Ready, Result>(
  images: Images,
  name: Name,
  work: Work<Ready, Result>,
  options: EachOptions,
): AsyncGenerator<ImageOutcome<Name, Result>, void, undefined> {
  const stop = new AbortController();
  const generator = outcomes(images, name, work, options, stop);
  const end = generator.return;
  return Object.assign(generator, {
    // A generator that waits for an image does not hear of its end before it has that.
    return(value: void | PromiseLike<void>) {
      stop.abort(STOPPED);
      return end.call(generator, value);
    },
  });
}

/** Why what is under way ends, where nobody asks for more. Nobody sees it. */
const STOPPED = new Error("Nobody asks for more");

async function* outcomes<Name extends string, Ready, Result>(
  images: Images,
  name: Name,
  work: Work<Ready, Result>,
  { signal, closing, progress, isList = false, isStrict = false }: EachOptions,
  stop: AbortController,
): AsyncGenerator<ImageOutcome<Name, Result>, void, undefined> {
  const stopped = anyOf(signal, stop.signal);
  const ahead = new Ahead(images, work, anyOf(stopped, closing), isStrict);
  let done = 0, lastMs = 0;
  try {
    progress?.reach(0);
    while (true) {
      // A batch waits for more images no longer than the last one took.
      const slots = await ahead.take(isList ? Infinity : lastMs);
      if (slots.length === 0 || isStrict && ahead.failure !== undefined) break;
      const start = performance.now();
      const ready = slots.flatMap(({ ready }) => ready.status === "fulfilled" ? [ready.value] : []);
      const computed = ready.length === 0 ? [] : await work.compute(ready, stopped);
      lastMs = performance.now() - start;
      let next = 0;
      for (const { place, ready } of slots) {
        const found = ready.status === "rejected" ? ready : computed[next++]!;
        signal?.throwIfAborted();
        progress?.reach(++done);
        const outcome = found.status === "fulfilled"
          ? { ...place, [name]: found.value }
          : { ...place, error: imageError(found.reason, place) };
        yield outcome as ImageOutcome<Name, Result>; // A computed name is any text to the compiler.
      }
    }
    if (ahead.failure !== undefined) throw ahead.failure.reason;
    progress?.end();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    if (!ahead.isOver) stop.abort(STOPPED);
    await ahead.end();
  }
}

function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** Images that are opened and made ready before they are asked for, as many as are computed together. */
class Ahead<Ready> {
  /** Why there are no more, if it is not that the source has ended. */
  failure: { readonly reason: unknown } | undefined;
  readonly #work: Work<Ready, unknown>;
  readonly #signal: AbortSignal;
  readonly #isStrict: boolean;
  readonly #reading: Promise<void>;
  #slots: Slot<Ready>[] = [];
  #bytes = 0;
  #isOver = false;
  #changed = Promise.withResolvers<void>();

  /** @param isStrict Whether nothing is read any more once one image has failed. */
  constructor(
    images: Images,
    work: Work<Ready, unknown>,
    signal: AbortSignal,
    isStrict: boolean,
  ) {
    this.#work = work;
    this.#signal = signal;
    this.#isStrict = isStrict;
    this.#reading = this.#read(images);
  }

  /** Takes what is ready: one at least, unless there are no more. Waits so long for a full batch. */
  async take(patienceMs: number): Promise<Slot<Ready>[]> {
    while (this.#slots.length === 0 && !this.#isOver) await this.#changed.promise;
    let isLate = patienceMs === 0;
    const giveUp = (): void => {
      isLate = true;
      this.#change();
    };
    const timer = Number.isFinite(patienceMs) ? setTimeout(giveUp, patienceMs) : undefined;
    while (!isLate && !this.#isFull && !this.#isOver) await this.#changed.promise;
    clearTimeout(timer);
    const slots = this.#slots;
    this.#slots = [];
    this.#bytes = 0;
    this.#change();
    return slots;
  }

  /** Waits until nothing is read any more. */
  async end(): Promise<void> {
    await this.#reading;
  }

  /** Whether all has been read that will be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get #isFull(): boolean {
    return this.#slots.length >= this.#work.most || this.#bytes >= MAX_WAITING_BYTES;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #read(images: Images): Promise<void> {
    const signal = this.#signal;
    let iterator: AsyncIterator<unknown> | undefined, pulling: Promise<unknown> | undefined;
    let isEnded = false;
    try {
      signal.throwIfAborted();
      iterator = iteratorOf(images);
      for (let index = 0;; index++) {
        while (this.#isFull) await abortable(this.#changed.promise, signal);
        // What is in memory is read in microtasks, which let nothing else run.
        await takeTurn(signal);
        const next = Promise.resolve(iterator.next());
        pulling = next;
        next.catch(() => isEnded = true);
        const item = await abortable(next, signal);
        pulling = undefined;
        // As a loop refuses it: nothing would ever end.
        if (Object(item) !== item) throw new TypeError(`Iterator result ${item} is not an object`);
        const { done, value } = item;
        isEnded = done === true;
        if (isEnded) return;
        const slot = await this.#slotOf(value, index);
        if (slot.ready.status === "fulfilled") this.#bytes += this.#work.bytesOf(slot.ready.value);
        this.#slots.push(slot);
        this.#change();
      }
    } catch (reason) {
      this.failure = { reason };
    } finally {
      this.#isOver = true;
      this.#change();
      // An image that comes when nobody waits for it any more.
      pulling?.then((late) => discard(imageOf(Object(late).value))).catch(() => {});
      const end = async () => isEnded || await iterator?.return?.();
      const ending = end().catch(() => {});
      // Who aborts does not wait, and a generator that waits for an item ends only when it has that.
      const isStopped = !signal.aborted || signal.reason === STOPPED;
      if (pulling === undefined && isStopped) await ending;
    }
  }

  async #slotOf(given: unknown, index: number): Promise<Slot<Ready>> {
    const named = isNamed(given) ? given : { name: nameOf(given), image: given };
    let place: ImagePlace = { index, name: named.name }, opened: Input | undefined;
    try {
      // What is no image is an error of whoever reads it.
      opened = await openImage(named.image as NamedImage["image"], this.#signal);
      place = { index, name: named.name ?? nameOf(opened) };
      const value = await this.#work.prepare(opened, this.#signal);
      return { place, ready: { status: "fulfilled", value } };
    } catch (reason) {
      discard(opened);
      this.#signal.throwIfAborted();
      if (!isOfImage(reason)) throw reason;
      // An option that a prepared image has no use for is wrong for the call.
      const isOption = opened instanceof PreparedImage && reason instanceof TypeError;
      if (this.#isStrict || isOption) throw imageError(reason, place);
      return { place, ready: { status: "rejected", reason } };
    }
  }
}

/** The image of what a source gives, which may come with a name. */
function imageOf(given: unknown): unknown {
  return isNamed(given) ? given.image : given;
}

/** As `for await` does it, of promises in a list too. */
function iteratorOf(images: Images): AsyncIterator<unknown> {
  if (Symbol.asyncIterator in images) return images[Symbol.asyncIterator]();
  return (async function* () {
    yield* images;
  })();
}
