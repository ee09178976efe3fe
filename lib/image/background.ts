/**
 * Decoding on threads of its own, so that a large image does not hold the event loop.
 *
 * @module
 */

import { ImageDecodeError } from "../errors.ts";
import { ThreadPool } from "../threads/pool.ts";
import type { CheckedFile } from "./codecs/codec.ts";
import { MAX_DECODERS, type Pixels } from "./image.ts";

/** What a thread is asked: a file, as a buffer, since Deno looks at each element of a view. */
export interface DecodeRequest extends Omit<CheckedFile, "bytes"> {
  readonly buffer: ArrayBuffer;
}

/** What it answers: an image, or an error in parts, since classes do not travel. */
export type DecodeAnswer = Pixels | { readonly damaged: string };

const decoders = new ThreadPool(new URL("./background_thread.ts", import.meta.url), MAX_DECODERS);

/**
 * Decodes an image on one of the decoding threads, which are started when they are needed, up to
 * {@linkcode MAX_DECODERS}. Who aborts is told at once; the thread then ends soon, or is killed.
 *
 * @param decodeHere Decodes on this thread, where the platform or its permissions allow no other.
 * @throws {ImageDecodeError} If the file is damaged, or the thread failed.
 */
export async function decodeInBackground(
  file: CheckedFile,
  signal: AbortSignal | undefined,
  decodeHere: (file: CheckedFile) => Promise<Pixels>,
): Promise<Pixels> {
  using lease = await decoders.take(signal);
  if (lease === undefined) return await decodeHere(file);
  const { bytes, ...rest } = file;
  const request: DecodeRequest = { buffer: bytes.slice().buffer, ...rest };
  let answer: DecodeAnswer;
  try {
    answer = await lease.thread.ask(request, { transfer: [request.buffer], signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ImageDecodeError("Cannot decode the image: the decoding thread failed", { cause });
  }
  if ("data" in answer) return answer;
  throw new ImageDecodeError(answer.damaged, { format: file.format });
}
