/**
 * A file behind a URL, read with range requests, that survives broken connections.
 *
 * @module
 */

import { CheckpointFormatError, WeightsDownloadError } from "../errors.ts";
import type { ByteSource, SourceOptions } from "./byte_source.ts";

/** Attempts in a row that bring no byte, before giving up. */
const ATTEMPTS = 5;
/** Milliseconds before the second attempt; doubles each time. */
const FIRST_BACKOFF_MS = 250;
/** A gap that is cheaper to read through than to ask anew for, in bytes. */
const SKIP_BYTES = 1 << 20;

/**
 * Reads a URL from front to back over one connection, and from elsewhere by asking for a range.
 * A cut connection is taken up where it broke; a server that ignores ranges is read from the start.
 */
export class HttpSource implements ByteSource {
  readonly name: string;
  size: number | undefined;
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #validator: string | undefined;
  #failures = 0;

  private constructor(
    readonly url: URL,
    private readonly options: SourceOptions,
  ) {
    this.name = url.href;
  }

  /** Connects, so that a wrong address fails here. */
  static async open(url: URL, options: SourceOptions = {}): Promise<HttpSource> {
    const source = new HttpSource(url, options);
    await source.#retrying(() => source.#connect(0));
    return source;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let filled = 0; filled < into.length;) {
      await this.#retrying(async () => {
        await this.#seek(offset + filled);
        const chunk = await this.#next();
        const count = Math.min(chunk.length, into.length - filled);
        into.set(chunk.subarray(0, count), filled);
        this.#rest = chunk.subarray(count);
        this.#position += count;
        filled += count;
      });
    }
  }

  close(): void {
    // The connection is of no use any more; how it ends does not matter.
    this.#body?.cancel().catch(() => {});
    this.#body = undefined;
  }

  /** The next bytes at the position, not yet counted as read. */
  async #next(): Promise<Uint8Array> {
    if (this.#rest.length > 0) return this.#rest;
    const { value, done } = await this.#body!.read();
    if (done) {
      if (this.size === undefined || this.#position >= this.size) {
        throw new CheckpointFormatError(
          `${this.name} ends at byte ${this.#position}, but its contents need more: it was cut short`,
          { file: this.name, offset: this.#position },
        );
      }
      throw new ConnectionCut();
    }
    this.#failures = 0;
    this.options.onProgress?.(this.#position + value.length, this.size);
    return value;
  }

  async #seek(offset: number): Promise<void> {
    const ahead = offset - this.#position;
    if (this.#body === undefined || ahead < 0 || ahead > SKIP_BYTES) await this.#connect(offset);
    while (this.#position < offset) {
      const chunk = await this.#next();
      const count = Math.min(chunk.length, offset - this.#position);
      this.#rest = chunk.subarray(count);
      this.#position += count;
    }
  }

  async #connect(offset: number): Promise<void> {
    this.close();
    this.#rest = new Uint8Array(0);
    const headers = new Headers();
    if (offset > 0) {
      headers.set("range", `bytes=${offset}-`);
      if (this.#validator !== undefined) headers.set("if-range", this.#validator);
    }
    const response = await fetch(this.url, { headers, signal: this.options.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new WeightsDownloadError(
        `${this.url.href} answered ${response.status} ${response.statusText}: expected the file`,
        { url: this.url.href, status: response.status },
      );
    }
    this.#body = response.body.getReader();
    this.#takeHeaders(response);
    // 200 instead of 206: the file from its start. What is before the offset is read and dropped.
    this.#position = response.status === 206 ? offset : 0;
  }

  #takeHeaders(response: Response): void {
    const etag = response.headers.get("etag");
    const validator = etag !== null && !etag.startsWith("W/")
      ? etag
      : response.headers.get("last-modified") ?? undefined;
    const total = response.status === 206
      ? /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]
      : response.headers.get("content-encoding") === null
      ? response.headers.get("content-length")
      : undefined;
    const size = total === undefined || total === null ? undefined : Number(total);
    const changed = (this.#validator !== undefined && validator !== this.#validator) ||
      (this.size !== undefined && size !== undefined && size !== this.size);
    if (changed) {
      throw new WeightsDownloadError(
        `${this.url.href} changed on the server while it was read. Start again`,
        { url: this.url.href },
      );
    }
    this.#validator = validator;
    this.size ??= size;
  }

  /** Does it again after a broken connection or a server's passing trouble, with growing pauses. */
  async #retrying(step: () => Promise<void>): Promise<void> {
    for (;;) {
      this.options.signal?.throwIfAborted();
      try {
        return await step();
      } catch (error) {
        this.options.signal?.throwIfAborted();
        this.close();
        if (!isPassing(error)) throw error;
        if (++this.#failures >= ATTEMPTS) throw this.#giveUp(error);
        await pause(FIRST_BACKOFF_MS * 2 ** (this.#failures - 1), this.options.signal);
      }
    }
  }

  #giveUp(error: unknown): WeightsDownloadError {
    if (error instanceof WeightsDownloadError) return error;
    return new WeightsDownloadError(
      `${this.url.href} broke off at byte ${this.#position}${
        this.size === undefined ? "" : ` of ${this.size}`
      } and did not come back in ${ATTEMPTS} attempts: ${(error as Error).message}`,
      { url: this.url.href, cause: error },
    );
  }
}

class ConnectionCut extends Error {
  override readonly message = "the connection was cut";
}

/** Whether another attempt may help. `fetch` reports every network trouble as a `TypeError`. */
function isPassing(error: unknown): boolean {
  if (error instanceof WeightsDownloadError) {
    const { status } = error;
    return status !== undefined && (status === 408 || status === 429 || status >= 500);
  }
  return !(error instanceof CheckpointFormatError);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
  });
}
