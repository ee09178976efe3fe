/** The decoding thread: see decode.ts. */

import { takePort } from "../threads/port.ts";
import { ImageDecodeError } from "../errors.ts";
import { type DecodeAnswer, decodeFile, type DecodeRequest } from "./decode.ts";
import type { Pixels } from "./image.ts";

const port = takePort();
port.listen(async ({ buffer, ...file }: DecodeRequest) => {
  const answer = await decodeFile(new Uint8Array(buffer), file).then(owned, errorOf);
  port.send(answer, "data" in answer ? [answer.data.buffer as ArrayBuffer] : []);
});
port.send("ready");

/** Pixels in a buffer of their own, which can be handed over: a decoder's memory cannot. */
function owned(pixels: Pixels): Pixels {
  const isOwn = pixels.data.byteLength === pixels.data.buffer.byteLength;
  return isOwn ? pixels : { ...pixels, data: pixels.data.slice() };
}

/** @throws What is no fault of the image: it ends the thread. */
function errorOf(error: unknown): DecodeAnswer {
  if (error instanceof ImageDecodeError) return { message: error.message, code: error.code };
  throw error;
}
