/** A file behind a URL, read with range requests, that survives broken connections. */

import {
  isPassing,
  OfflineError,
  retryAfterMs,
  type VggErrorOptions,
  WeightsDownloadError,
} from "../errors.ts";
import { fetchFailure, publicUrl } from "../public_url.ts";
import { type ByteSource, checkRange, endsEarly, type ReadOptions } from "./byte_source.ts";
import { backOff, Interruption, refusal, unlessStalled } from "./http_retry.ts";

/** Attempts in a row that bring no new byte, before giving up. */
const ATTEMPTS = 5;
/** A gap that is cheaper to read through than to ask anew for, in bytes. */
const SKIP_BYTES = 1 << 20;

/** Options of {@linkcode HttpSource.open}. */
export interface HttpOptions extends ReadOptions {
  /** Where to begin, if what comes before is there already. */
  readonly offset?: number;
  /** What identifies the version of which a part is there already: an ETag or a date. */
  readonly validator?: string;
  /** Bytes of the file, where somebody else than the server says it. Another size is an error. */
  readonly size?: number;
  /** Bytes of which a file has at most, decompressed. More are an error as soon as they are known. */
  readonly maxBytes?: number;
  /**
   * Whether a stream that breaks is not taken up where the server says no version of the file: it may be another
   * one by then, which nobody would notice who has no hash of the whole.
   */
  readonly oneVersion?: boolean;
  /** Whether plain http is an error, but from this machine. */
  readonly isSecure?: boolean;
}

/**
 * Reads a URL from front to back over one connection, and from elsewhere by asking for a range.
 * A cut connection is taken up where it broke; a server that ignores ranges is read from the start.
 */
export class HttpSource implements ByteSource {
  readonly name: string;
  size: number | undefined;
  /** The server's ETag or date of the file, if it says one that can be relied on. */
  validator: string | undefined;
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #failures = 0;

  private constructor(
    readonly url: URL | Request,
    private readonly options: HttpOptions,
    private readonly closing: AbortController,
  ) {
    this.name = nameOf(url);
    this.size = options.size;
    this.validator = options.validator;
  }

  /**
   * Connects, so that a wrong address fails here.
   *
   * @param url Where it is, or a request for it, whose headers are sent with each range, and whose signal
   *   ends reading too.
   *
   * @throws {OfflineError} If `offline` is set.
   * @throws {VersionChangedError} If the file is another one than that of which a part is there.
   */
  static async open(url: URL | Request, options: HttpOptions = {}): Promise<HttpSource> {
    if (options.offline) throw new OfflineError(nameOf(url));
    if (url instanceof Request && url.method !== "GET") {
      throw new TypeError(`Expected a request for a file, by GET: found ${url.method}`);
    }
    const closing = new AbortController();
    const given = [options.signal, url instanceof Request ? url.signal : undefined];
    const signals = given.filter((signal) => signal !== undefined);
    const signal = AbortSignal.any([...signals, closing.signal]);
    const source = new HttpSource(url, { ...options, signal }, closing);
    await source.#retrying(() => source.#connect(options.offset ?? 0));
    return source;
  }

  /** The next byte that is read without asking anew. */
  get position(): number {
    return this.#position;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.size !== undefined) checkRange(this, offset, into.length);
    for (let filled = 0; filled < into.length;) {
      await this.#retrying(async () => {
        await this.#seek(offset + filled);
        const chunk = await this.#next();
        if (chunk === undefined) throw endsEarly(this, this.#position, offset + into.length);
        const count = Math.min(chunk.length, into.length - filled);
        into.set(chunk.subarray(0, count), filled);
        this.#take(chunk, count);
        filled += count;
      });
    }
  }

  /**
   * Everything from `offset` on, as it arrives. A part is valid until the next.
   *
   * @throws {VersionChangedError} If the rest is another file's, or may be: see {@linkcode HttpOptions}.
   */
  async *stream(offset: number): AsyncGenerator<Uint8Array> {
    for (const begin = offset;;) {
      let part: Uint8Array | undefined;
      await this.#retrying(async () => {
        const goesOn = offset > begin && this.#body === undefined;
        if (goesOn && this.validator === undefined && this.options.oneVersion) {
          throw new VersionChangedError(
            this.name,
            `broke off at byte ${offset}, and may have changed`,
          );
        }
        await this.#seek(offset);
        part = await this.#next();
      });
      if (part === undefined) return;
      this.#take(part, part.length);
      offset += part.length;
      yield part;
    }
  }

  close(): void {
    this.closing.abort();
    this.#disconnect();
  }

  #disconnect(): void {
    // The connection is of no use any more; how it ends does not matter.
    this.#body?.cancel().catch(() => {});
    this.#body = undefined;
  }

  /** The next bytes at the position, not yet counted as read; `undefined` at the end. */
  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest;
    const { value, done } = await unlessStalled(this.#body!.read(), this.options.signal);
    if (done) {
      if (this.size === undefined || this.#position === this.size) return undefined;
      throw new Interruption(`the server ended at byte ${this.#position} of ${this.size}`);
    }
    const end = this.#position + value.length;
    this.#checkMost(end, this.size);
    return value;
  }

  #take(chunk: Uint8Array, count: number): void {
    this.#rest = chunk.subarray(count);
    this.#position += count;
  }

  async #seek(offset: number): Promise<void> {
    const isFar = offset < this.#position || offset - this.#position > SKIP_BYTES;
    if (this.#body === undefined || isFar) await this.#connect(offset);
    while (this.#position < offset) {
      const chunk = await this.#next();
      if (chunk === undefined) throw endsEarly(this, this.#position, offset);
      this.#take(chunk, Math.min(chunk.length, offset - this.#position));
    }
  }

  async #connect(offset: number): Promise<void> {
    this.#disconnect();
    this.#rest = new Uint8Array(0);
    const headers = new Headers(this.url instanceof Request ? this.url.headers : undefined);
    headers.set("accept-encoding", "identity");
    if (offset > 0) {
      headers.set("range", `bytes=${offset}-`);
      if (this.validator !== undefined) headers.set("if-range", this.validator);
    }
    const response = await this.#fetch(headers);
    // A range that begins at the end is no error: everything is there. Some servers do not say the size.
    if (response.status === 416 && offset > 0) {
      await response.body?.cancel();
      const total = totalOf(response) ?? offset;
      if (total < offset || total !== (this.size ?? total)) {
        throw new VersionChangedError(this.name);
      }
      this.size = total;
      this.#body = new Blob([]).stream().getReader();
      this.#position = offset;
      return;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const { status } = response;
      if (isPassing(status)) {
        throw new Interruption(await refusal(response), status, retryAfterMs(response));
      }
      throw this.#error(`answered ${await refusal(response)}: expected the file`, { status });
    }
    this.#body = response.body.getReader();
    // 200 instead of 206: the file from its start. What is before the offset is read and dropped.
    this.#position = response.status === 200 ? 0 : offset;
    this.#checkVersion(response);
  }

  async #fetch(headers: Headers): Promise<Response> {
    const attempt = new AbortController();
    try {
      const { fetch: ask = fetch, signal, isSecure } = this.options;
      const request = new Request(this.url, { headers, signal: attempt.signal });
      const response = await unlessStalled(ask(request), signal);
      if (!isSecure || !isPlainHttp(new URL(response.url || request.url))) return response;
      throw this.#error(`is answered by ${publicUrl(response.url)} over plain http`);
    } catch (error) {
      attempt.abort(error); // A silent server would hold the connection.
      throw error;
    }
  }

  #checkVersion(response: Response): void {
    const etag = response.headers.get("etag");
    const validator = etag !== null && !etag.startsWith("W/")
      ? etag
      : response.headers.get("last-modified") ?? undefined;
    const size = totalOf(response);
    const { size: expected = size } = this.options;
    if (size !== undefined) this.#checkMost(size);
    if (size !== undefined && size !== expected) {
      throw this.#wrongSize(`${size} bytes: ${expected} are expected`);
    }
    const isChanged = (this.validator !== undefined && validator !== this.validator) ||
      (this.size !== undefined && size !== undefined && size !== this.size);
    if (isChanged) throw new VersionChangedError(this.name);
    const begin = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
    if (response.status === 206 && Number(begin) !== this.#position) {
      throw this.#error(`sent the range from ${begin}: ${this.#position} was asked for`);
    }
    this.validator = validator;
    this.size ??= size;
  }

  #checkMost(bytes: number, most: number = this.options.maxBytes ?? Infinity): void {
    if (bytes > most) {
      throw this.#wrongSize(`more than ${most} bytes: at most ${most} are expected`);
    }
  }

  /**
   * Does again what brings new bytes, after a broken connection or a server's passing trouble, with
   * growing pauses.
   */
  async #retrying(attempt: () => Promise<void>): Promise<void> {
    const { signal } = this.options;
    for (;;) {
      signal?.throwIfAborted();
      try {
        await attempt();
        this.#failures = 0;
        return;
      } catch (error) {
        this.#disconnect();
        signal?.throwIfAborted();
        const interruption = interruptionOf(error);
        if (interruption === undefined) throw error;
        if (++this.#failures >= ATTEMPTS) throw this.#giveUp(interruption);
        await backOff(this.#failures, interruption, signal);
      }
    }
  }

  #giveUp(cause: Interruption): WeightsDownloadError {
    const at = this.#position === 0 ? "" : ` at byte ${this.#position}`;
    const message = `could not be read${at} in ${ATTEMPTS} attempts: ${cause.message}`;
    const { status, retryAfterMs } = cause;
    const again = { retryable: true, status, retryAfterMs, cause };
    return this.#error(`${message}. Try again later`, again);
  }

  #wrongSize(found: string): WrongSizeError {
    const options = { url: this.name, retryable: false };
    return new WrongSizeError(`${this.name} has ${found}`, options);
  }

  /** What another attempt would not change, unless `options` say otherwise. */
  #error(message: string, options: VggErrorOptions = {}): WeightsDownloadError {
    const url = this.name;
    return new WeightsDownloadError(`${url} ${message}`, { retryable: false, ...options, url });
  }
}

/** What to call it in messages. */
function nameOf(url: URL | Request): string {
  return publicUrl(url instanceof Request ? url.url : url);
}

/** The file has another size than it must have: nothing of it is of use. */
export class WrongSizeError extends WeightsDownloadError {}

/** `fetch` reports every trouble of the network as a TypeError. */
function interruptionOf(error: unknown): Interruption | undefined {
  if (error instanceof TypeError) return new Interruption(fetchFailure(error));
  return error instanceof Interruption ? error : undefined;
}

/** Whether whoever is on the way can change what comes from there. Nobody is on the way to this machine. */
export function isPlainHttp({ protocol, hostname }: URL): boolean {
  return protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

/** The file is another one than before: what was read of it is worth nothing. */
export class VersionChangedError extends WeightsDownloadError {
  constructor(name: string, what: string = "changed on the server while it was read") {
    super(`${name} ${what}. Start again`, { url: name });
  }
}

function totalOf(response: Response): number | undefined {
  const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  const length = response.headers.get("content-encoding") === null && response.status === 200
    ? response.headers.get("content-length")
    : null;
  const total = range ?? length;
  return total === null ? undefined : Number(total);
}
