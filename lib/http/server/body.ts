/**
 * Reads a body within its limits.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { HttpProblem } from "./problems.ts";

/** Something with headers and a body: a request, or the answer to one. */
export interface Message {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * Reads a body to its end, and no more than `maxBytes` of it. The bytes are counted: Content-Length
 * is believed only when it already says that the body is too large.
 *
 * @throws {HttpProblem} `body-too-large`; or the signal's reason, if it aborts.
 */
export async function readBody(
  message: Message,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const tooLarge = (found: string): HttpProblem =>
    new HttpProblem(
      "body-too-large",
      `Expected a body of at most ${maxBytes} bytes, found ${found}`,
    );
  signal.throwIfAborted();
  const claimed = Number(message.headers.get("content-length") ?? 0);
  if (claimed > maxBytes) {
    await message.body?.cancel().catch(() => {});
    throw tooLarge(String(claimed));
  }
  if (message.body === null) return new Uint8Array(0);

  const reader = message.body.getReader();
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) break;
      length += value.length;
      if (length > maxBytes) throw tooLarge("more");
      parts.push(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    signal.throwIfAborted();
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem("client-gone", `The body broke off after ${length} bytes`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
  return parts.length === 1 ? parts[0] : concat(parts);
}
