/**
 * Decoding on threads of its own, so that a large image does not hold the event loop.
 *
 * @module
 */

import type { Worker } from "node:worker_threads";
import { ImageDecodeError } from "../errors.ts";
import type { CheckedFile } from "./codecs/codec.ts";
import { MAX_DECODERS, type Pixels } from "./image.ts";

/** What a thread is asked: a file, as a buffer, since Deno looks at each element of a view. */
export interface DecodeRequest extends Omit<CheckedFile, "bytes"> {
  readonly buffer: ArrayBuffer;
}

/** What it answers: an image, or an error in parts, since classes do not travel. */
export type DecodeAnswer = Pixels | { readonly damaged: string };

/** Threads without work. They do not keep the process alive. */
const idle: Worker[] = [];
/** Threads, idle or not, and who waits for one. */
let count = 0;
const line: ((thread: Worker | undefined) => void)[] = [];
/** Whether threads can be started here, as far as is known. */
let isPossible = true;

/**
 * Decodes an image on one of the decoding threads, which are started when they are needed, up to
 * {@linkcode MAX_DECODERS}. Aborting ends the thread, and with it the decoding.
 *
 * @param decodeHere Decodes on this thread, where the platform or its permissions allow no other.
 * @throws {ImageDecodeError} If the file is damaged, or the thread failed.
 */
export async function decodeInBackground(
  file: CheckedFile,
  signal: AbortSignal | undefined,
  decodeHere: (file: CheckedFile) => Promise<Pixels>,
): Promise<Pixels> {
  const thread = await take(signal);
  if (thread === undefined) return await decodeHere(file);
  let answer: DecodeAnswer;
  try {
    answer = await ask(thread, file, signal);
  } catch (error) { // aborted, or the thread died
    await replace(thread);
    signal?.throwIfAborted();
    throw new ImageDecodeError("Cannot decode the image: the decoding thread failed", {
      cause: error,
    });
  }
  giveBack(thread);
  if ("data" in answer) return answer;
  throw new ImageDecodeError(answer.damaged, { format: file.format });
}

/** A thread, or undefined if there can be none. */
async function take(signal: AbortSignal | undefined): Promise<Worker | undefined> {
  signal?.throwIfAborted();
  if (!isPossible) return undefined;
  const free = idle.pop();
  if (free !== undefined) return free;
  if (count < MAX_DECODERS) return await start();
  return await new Promise((resolve, reject) => {
    const leave = (): void => {
      line.splice(line.indexOf(enter), 1);
      reject(signal?.reason);
    };
    const enter = (thread: Worker | undefined): void => {
      signal?.removeEventListener("abort", leave);
      resolve(thread);
    };
    signal?.addEventListener("abort", leave, { once: true });
    line.push(enter);
  });
}

function giveBack(thread: Worker): void {
  const next = line.shift();
  if (next === undefined) idle.push(thread);
  else next(thread);
}

/** Ends a thread, and starts another for who waits. */
async function replace(thread: Worker): Promise<void> {
  count--;
  await thread.terminate();
  const next = line.shift();
  if (next !== undefined) next(await start());
}

async function start(): Promise<Worker | undefined> {
  count++;
  try {
    const { Worker } = await import("node:worker_threads");
    const thread = new Worker(new URL("./background_thread.ts", import.meta.url));
    await answerOf(thread); // It says that it is there.
    return thread;
  } catch {
    isPossible = false;
    count--;
    for (const enter of line.splice(0)) enter(undefined);
    return undefined;
  }
}

async function ask(
  thread: Worker,
  { bytes, ...file }: CheckedFile,
  signal: AbortSignal | undefined,
): Promise<DecodeAnswer> {
  const request: DecodeRequest = { buffer: bytes.slice().buffer, ...file };
  thread.postMessage(request, [request.buffer]);
  return await answerOf(thread, signal);
}

/** The next message of a thread, which keeps the process alive until then. */
async function answerOf(thread: Worker, signal?: AbortSignal): Promise<DecodeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<DecodeAnswer>();
  const onAbort = (): void => reject(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  thread.once("message", resolve).once("error", reject).ref();
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    thread.off("message", resolve).off("error", reject).unref();
  }
}
