/** Images that are opened and made ready ahead of the network, one after the other, in bounded memory. */

import { abortable } from "@std/async/abortable";
import { discard } from "../image/read.ts";
import { takeTurn } from "../threads/turn.ts";
import { openImage } from "./batches.ts";
import { imageError, type ImagePlace, isOfImage, nameOf } from "./image_error.ts";
import {
  type Images,
  type Input,
  isNamed,
  type NamedImage,
  PreparedImage,
} from "./prepared_image.ts";

/** How an image is made ready for what computes it. */
export interface Preparation<Ready> {
  /** Reads an image, and makes it ready. What is thrown is about that image. */
  readonly prepare: (image: Input, signal: AbortSignal | undefined) => Promise<Ready>;
  /** Most images that are computed together. */
  readonly most: number;
  /** Bytes that are held until an image is computed. */
  readonly bytesOf: (ready: Ready) => number;
}

/** Bytes that wait for the network, above which no further image is opened. */
const MAX_WAITING_BYTES = 2 ** 26;

/** An image that is ready, or is not. */
export interface Slot<Ready> {
  readonly place: ImagePlace;
  readonly ready: PromiseSettledResult<Ready>;
}

/** Why what is under way ends, where nobody asks for more. Nobody sees it. */
export const STOPPED = new Error("Nobody asks for more");

/** Images that are opened and made ready before they are asked for, as many as are computed together. */
export class Ahead<Ready> {
  /** Why there are no more, if it is not that the source has ended. */
  failure: { readonly reason: unknown } | undefined;
  readonly #work: Preparation<Ready>;
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
    work: Preparation<Ready>,
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
