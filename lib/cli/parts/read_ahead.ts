/** Pictures of a part, read before the network asks for them: many at once, as far disks and servers need it. */

import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import { ImageDecodeError, isVggError } from "../../errors.ts";
import { DraftLostError } from "../../io/atomic_file.ts";
import { readBytes } from "../../image/read.ts";
import type { NamedImage } from "../../input/prepared_image.ts";
import { publicUrl } from "../../public_url.ts";
import { isWebUrl } from "../../urls.ts";
import { checkFile } from "../run.ts";
import type { Entry } from "./manifest.ts";

/** Files that are read at the same time. */
const AT_ONCE = 32;
/** Bytes of files that are read, or wait for the network. One file may be larger. */
const MOST_BYTES = 2 ** 26;
/** What a file is taken to have at least whose size nobody knows. */
const LEAST_GUESS = 2 ** 21;
/** Milliseconds that a file may take to come. */
const READ_MS = 60_000;
/** Milliseconds before another attempt of what may pass. */
const PAUSES_MS = [500, 2_000, 8_000];
/** What a server may ask to wait for at the most. */
const MOST_PAUSE_MS = 30_000;

/** How pictures are read. */
export interface ReadAheadOptions {
  readonly offline?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Default: as all that reads pictures does. */
  readonly read?: (place: string, signal: AbortSignal) => Promise<Uint8Array>;
  /** Bytes of a file; `undefined` where that is not known before. Default: as {@linkcode checkFile} finds them. */
  readonly sizeOf?: (place: string) => Promise<number | undefined>;
  /** Before each further attempt of what may pass. */
  readonly pausesMs?: readonly number[] | undefined;
  /** How long a file may take to come: all others wait behind it. */
  readonly readMs?: number | undefined;
}

/** What is known of a picture's bytes. */
type Reading = Promise<PromiseSettledResult<Uint8Array>>;

/**
 * Gives the pictures in their order, with their bytes, or with what is wrong, which is thrown where they are
 * looked at. What may pass is tried again.
 */
export async function* readAhead(
  entries: readonly Entry[],
  options: ReadAheadOptions,
): AsyncGenerator<NamedImage<() => Uint8Array>, void, undefined> {
  const stop = new AbortController(), signal = AbortSignal.any([options.signal, stop.signal]);
  const { offline, pausesMs = PAUSES_MS, readMs = READ_MS, sizeOf = checkFile } = options;
  const read = options.read ?? ((place) => readInTime(place, readMs, offline, signal));
  const room = new Room(MOST_BYTES);
  let largest = LEAST_GUESS;
  const begin = async (place: string, turn: number): Reading => {
    let held = 0;
    try {
      held = await room.enter(turn, await sizeOf(place) ?? largest);
      const value = await persistently(() => read(place, signal), pausesMs, signal);
      room.change(value.length - held);
      held = value.length;
      largest = Math.max(largest, held);
      return { status: "fulfilled", value };
    } catch (reason) {
      room.change(-held);
      return { status: "rejected", reason };
    }
  };
  const readings: Reading[] = [];
  let begun = 0;
  try {
    for (const { id } of entries) {
      while (begun < entries.length && readings.length < AT_ONCE) {
        readings.push(begin(entries[begun]!.place, begun++));
      }
      const found = await abortable(readings.shift()!, signal); // One at least has begun.
      room.change(found.status === "fulfilled" ? -found.value.length : 0);
      room.next();
      yield {
        name: id,
        image: () => {
          if (found.status === "rejected") throw found.reason;
          return found.value;
        },
      };
    }
  } finally {
    stop.abort();
  }
}

/** @throws {ImageDecodeError} If it does not come in time: then it may later. */
async function readInTime(
  place: string,
  ms: number,
  offline: boolean | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const end = new AbortController(), shown = isWebUrl(place) ? publicUrl(place) : place;
  const late = new ImageDecodeError(
    `Cannot read ${shown}: it did not come within ${ms / 1000} s`,
    { code: "image-fetch", retryable: true },
  );
  const timer = setTimeout(() => end.abort(late), ms);
  const stop = (): void => end.abort(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    return await readBytes(place, { offline, signal: end.signal });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/** Lets in who fits, in any order, and whose turn it is in any case. */
class Room {
  readonly #most: number;
  readonly #waiting = new Map<number, { readonly bytes: number; readonly enter: () => void }>();
  #held = 0;
  #turn = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Waits for room, and takes it. */
  async enter(turn: number, bytes: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(turn, { bytes, enter: resolve });
    this.#letIn();
    await promise;
    return bytes;
  }

  /** Takes more, or gives back. */
  change(bytes: number): void {
    this.#held += bytes;
    this.#letIn();
  }

  /** The turn is over. */
  next(): void {
    this.#turn++;
    this.#letIn();
  }

  #letIn(): void {
    for (const [turn, { bytes, enter }] of this.#waiting) {
      if (turn !== this.#turn && this.#held + bytes > this.#most) continue;
      this.#waiting.delete(turn);
      this.#held += bytes;
      enter();
    }
  }
}

async function persistently<Value>(
  attempt: () => Promise<Value>,
  pausesMs: readonly number[],
  signal: AbortSignal,
): Promise<Value> {
  for (const pauseMs of pausesMs) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error)) throw error;
      const asked = isVggError(error) ? error.retryAfterMs ?? 0 : 0;
      await delay(Math.max(pauseMs, Math.min(asked, MOST_PAUSE_MS)), { signal });
    }
  }
  return await attempt();
}

/** What may be right by itself later. */
export class PassingError extends Error {}

/** Classes of the runtime's errors that pass by themselves. */
const PASSING_NAMES: ReadonlySet<string> = new Set([
  ...["TimedOut", "Interrupted", "WouldBlock", "Busy", "BrokenPipe", "UnexpectedEof"],
  ...["ConnectionRefused", "ConnectionReset", "ConnectionAborted", "NotConnected", "Http"],
]);

/** And codes of the system, where a class says nothing: those of a network under a file system among them. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  ...["EIO", "EAGAIN", "ENOMEM", "EBUSY", "ENFILE", "EMFILE", "ESTALE", "EREMOTEIO", "ETIMEDOUT"],
  ...["ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "ENOTCONN"],
  ...["ESHUTDOWN", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH"],
]);

/** Whether what went wrong may be right by itself later: then it says nothing of the picture. */
export function mayPass(error: unknown): boolean {
  if (isVggError(error)) return error.retryable || error.code === "disk-full";
  if (!(error instanceof Error)) return false;
  if (error instanceof PassingError || error instanceof DraftLostError) return true;
  if ("code" in error && PASSING_CODES.has(String(error.code))) return true;
  // A connection that broke as the body came is a TypeError, and memory that is not there a RangeError.
  return PASSING_NAMES.has(error.name) ||
    error instanceof TypeError && /\b(body|connection)\b/i.test(error.message) ||
    error instanceof RangeError && /allocation failed/i.test(error.message);
}
