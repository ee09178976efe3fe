/**
 * The decoding thread: see background.ts.
 *
 * @module
 */

import { parentPort } from "node:worker_threads";
import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import type { DecodeAnswer, DecodeRequest } from "./background.ts";
import { decodeImage } from "./decode.ts";

parentPort?.on("message", async ({ file, ...options }: DecodeRequest) => {
  const answer = await decodeImage(new Uint8Array(file), options).then(answerOf, errorOf);
  parentPort?.postMessage(
    answer,
    "image" in answer ? [answer.image.data.buffer as ArrayBuffer] : [],
  );
});
parentPort?.postMessage("ready");

/** Pixels in a buffer of their own, which can be handed over: a decoder's memory cannot. */
function answerOf(image: { data: Uint8Array; width: number; height: number }): DecodeAnswer {
  const isOwn = image.data.byteLength === image.data.buffer.byteLength;
  return { image: isOwn ? image : { ...image, data: image.data.slice() } };
}

function errorOf(error: unknown): DecodeAnswer {
  if (error instanceof ImageTooLargeError) {
    return { tooLarge: error.message, width: error.width, height: error.height };
  }
  const format = error instanceof ImageDecodeError ? error.format : undefined;
  return { damaged: error instanceof Error ? error.message : String(error), format };
}
