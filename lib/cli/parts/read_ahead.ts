/** Pictures of a part, read before the network asks for them: many at once, as far disks and servers need it. */

import { delay } from "@std/async/delay";
import { isVggError } from "../../errors.ts";
import { DraftLostError } from "../../io/atomic_file.ts";
import { readBytes } from "../../image/read.ts";
import type { NamedImage } from "../../input/prepared_image.ts";
import type { Entry } from "./manifest.ts";

/** Files that are read at the same time. */
const AT_ONCE = 32;
/** Bytes of files that wait for the network, from which on no other is begun. */
const MOST_BYTES = 2 ** 26;
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
  /** Before each further attempt of what may pass. */
  readonly pausesMs?: readonly number[] | undefined;
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
  const { offline, pausesMs = PAUSES_MS } = options;
  const read = options.read ?? ((place) => readBytes(place, { offline, signal }));
  let waiting = 0;
  const begin = async (place: string): Reading => {
    try {
      const value = await persistently(() => read(place, signal), pausesMs, signal);
      waiting += value.length;
      return { status: "fulfilled", value };
    } catch (reason) {
      return { status: "rejected", reason };
    }
  };
  const readings: Reading[] = [];
  let begun = 0;
  try {
    for (const { id } of entries) {
      while (begun < entries.length && readings.length < AT_ONCE && waiting < MOST_BYTES) {
        readings.push(begin(entries[begun++]!.place));
      }
      const found = await (readings.shift() ?? begin(entries[begun++]!.place));
      signal.throwIfAborted();
      if (found.status === "fulfilled") waiting -= found.value.length;
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

/**
 * And numbers of Linux, where a class says nothing: EIO, EAGAIN, ENOMEM, EBUSY, ENFILE, EMFILE, those of a network
 * under a file system (ENETDOWN … EHOSTUNREACH), ESTALE and EREMOTEIO.
 */
const PASSING_NUMBERS = /\(os error (5|11|12|16|23|24|10[0-9]|11[0-3]|116|121)\)/;

/** Whether what went wrong may be right by itself later: then it says nothing of the picture. */
export function mayPass(error: unknown): boolean {
  if (isVggError(error)) return error.retryable || error.code === "disk-full";
  if (!(error instanceof Error)) return false;
  if (error instanceof PassingError || error instanceof DraftLostError) return true;
  // A connection that broke as the body came is a TypeError.
  return PASSING_NAMES.has(error.name) || PASSING_NUMBERS.test(error.message) ||
    error instanceof TypeError && /\b(body|connection)\b/i.test(error.message);
}
