/**
 * Decoding on a thread of its own, so that a large image does not hold the event loop.
 *
 * @module
 */

import type { Worker } from "node:worker_threads";
import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import type { ImageOptions, RgbImage } from "./image.ts";

/** What the thread is asked. */
export interface DecodeRequest {
  readonly bytes: Uint8Array;
  readonly maxPixels: number | undefined;
  readonly shorterSide: number | undefined;
  readonly reduceFromPixels: number | undefined;
}

/** What it answers: an image, or an error in parts, since classes do not travel. */
export type DecodeAnswer =
  | { readonly image: RgbImage }
  | { readonly tooLarge: string; readonly width: number; readonly height: number }
  | { readonly damaged: string; readonly format: string | undefined };

/** The thread, once there is one. It does not keep the process alive. */
let thread: Worker | undefined;
/** Settles when the thread is free. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Decodes an image on the decoding thread, which takes one after the other. Aborting ends the thread,
 * and with it the decoding; the next image starts a new one.
 *
 * @throws Like `decodeImage()`.
 */
export function decodeInBackground(bytes: Uint8Array, options: ImageOptions): Promise<RgbImage> {
  const answer = turn.then(() => ask(bytes, options));
  turn = answer.catch(() => {});
  return answer;
}

async function ask(bytes: Uint8Array, options: ImageOptions): Promise<RgbImage> {
  const { signal, maxPixels, shorterSide, reduceFromPixels } = options;
  signal?.throwIfAborted();
  const worker = thread ??= await start();
  const { promise, resolve, reject } = Promise.withResolvers<DecodeAnswer>();
  const onAbort = () => reject(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  worker.once("message", resolve).once("error", reject).ref();
  try {
    const request: DecodeRequest = { bytes, maxPixels, shorterSide, reduceFromPixels };
    worker.postMessage(request);
    return imageOf(await promise);
  } catch (error) {
    const isAnswer = error instanceof ImageDecodeError || error instanceof ImageTooLargeError;
    if (!isAnswer) { // aborted, or the thread died
      thread = undefined;
      await worker.terminate();
    }
    if (isAnswer || signal?.aborted) throw error;
    throw new ImageDecodeError("Cannot decode the image: the decoding thread failed", {
      cause: error,
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    worker.off("message", resolve).off("error", reject).unref();
  }
}

async function start(): Promise<Worker> {
  const { Worker } = await import("node:worker_threads");
  return new Worker(new URL("./background_thread.ts", import.meta.url));
}

function imageOf(answer: DecodeAnswer): RgbImage {
  if ("image" in answer) return answer.image;
  if ("tooLarge" in answer) throw new ImageTooLargeError(answer.tooLarge, answer);
  throw new ImageDecodeError(answer.damaged, { format: answer.format });
}
