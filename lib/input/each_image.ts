/** Many images: made ready ahead of the network, computed together, and their results given in order. */

import type { Calls } from "../calls.ts";
import { type ProgressOptions, type ProgressStage, ProgressTeller } from "../progress.ts";
import { Ahead, type Preparation, STOPPED } from "./ahead.ts";
import { openImage } from "./batches.ts";
import {
  type ErrorsOf,
  type ImageError,
  imageError,
  type ImagePlace,
  type ManyOptions,
} from "./image_error.ts";
import { areMany, type Images, type Input } from "./prepared_image.ts";

/** What is done with an image. */
export interface Work<Ready, Result> extends Preparation<Ready> {
  /** What came of each, in their order. What is thrown is about no image. */
  readonly compute: (
    ready: readonly Ready[],
    signal: AbortSignal | undefined,
  ) => Promise<readonly PromiseSettledResult<Result>[]>;
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
  readonly closing?: Calls | undefined;
  /** Is told how many images have an outcome. */
  readonly progress?: ProgressTeller | undefined;
  /** Whether nobody looks at the first results before the last: batches are full then. */
  readonly isList?: boolean | undefined;
  /** Whether nothing is wanted once one image has failed. */
  readonly isStrict?: boolean | undefined;
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
  return eachImage(images, name, counted, { signal, closing: calls, progress });
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

async function* outcomes<Name extends string, Ready, Result>(
  images: Images,
  name: Name,
  work: Work<Ready, Result>,
  { signal, closing, progress, isList = false, isStrict = false }: EachOptions,
  stop: AbortController,
): AsyncGenerator<ImageOutcome<Name, Result>, void, undefined> {
  const stopped = anyOf(signal, stop.signal);
  using ending = closing?.ending();
  const ahead = new Ahead(images, work, anyOf(stopped, ending?.signal), isStrict);
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
