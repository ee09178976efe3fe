/**
 * What may go wrong with a connection and be over at the next attempt, and how long to wait for it.
 */

import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";

/** Milliseconds before the second attempt; doubles each time. */
const FIRST_BACKOFF_MS = 250;
/** Longest pause that a server's `Retry-After` can ask for. */
const MAX_BACKOFF_MS = 10_000;
/** Milliseconds without a byte after which a connection counts as broken. */
const STALL_MS = 30_000;

/**
 * Something that may be over at the next attempt. It holds no answer and no error of `fetch`: they would
 * show their URL wherever an error is printed.
 */
export class Interruption extends Error {
  constructor(
    message: string,
    /** The HTTP status, where there was an answer. */
    readonly status?: number,
    /** Milliseconds that the server asks to wait. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** A status in words; the rest of the answer is dropped. */
export async function refusal(response: Response): Promise<string> {
  await response.body?.cancel().catch(() => {});
  return `${response.status} ${response.statusText}`.trim();
}

/** Pauses before the attempt after so many failures. */
export async function backOff(
  failures: number,
  interruption: Interruption,
  signal: AbortSignal | undefined,
): Promise<void> {
  const asked = Math.min(interruption.retryAfterMs ?? 0, MAX_BACKOFF_MS);
  await delay(Math.max(FIRST_BACKOFF_MS * 2 ** (failures - 1), asked), { signal });
}

/**
 * Waits for a connection as long as it is alive and wanted. The signal that `fetch` was given does not do:
 * Deno forgets it when it collects the request, and the answer's body goes on.
 */
export async function unlessStalled<T>(
  connection: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const waiting = signal === undefined ? connection : abortable(connection, signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Interruption(`no byte in ${STALL_MS / 1000} s`)), STALL_MS);
  });
  try {
    return await Promise.race([waiting, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
