/** The pictures that requests ask about: what is at a URL is fetched before its turn comes. */

import { ImageDecodeError } from "../../errors.ts";
import { readBytes } from "../../image/read.ts";
import { IMAGE_OPTIONS } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import type { Fetch } from "../../urls.ts";
import type { Request } from "./requests.ts";

/** A request, and its picture's file. */
export interface Asked {
  readonly request: Request;
  /** Gives the file, or throws why there is none. */
  readonly open: () => Uint8Array | Promise<Uint8Array>;
}

/** Requests that are taken before their turn comes, so that some files are fetched at once. */
const AHEAD = 8;
/** Bytes of files before their turn, above which nothing more is taken. */
const MAX_WAITING_BYTES = IMAGE_OPTIONS.maxBytes.default;
/** Bytes of a file that may come before its turn. More of it do where the others leave room. */
const SHARE_BYTES = MAX_WAITING_BYTES / AHEAD;
/** How long a file may take to come, but for waits for room: one that dawdles keeps all waiting. */
const FETCH_MS = 60_000;

/** Requests in their order, as they come. */
export async function* inTurn(requests: AsyncIterable<Request>): AsyncGenerator<Asked> {
  for await (const request of requests) yield { request, open: () => givenBy(request) };
}

/** The picture that came with a request. */
function givenBy({ picture }: Request): Uint8Array {
  if (picture instanceof Uint8Array) return picture;
  throw picture;
}

/**
 * Requests in their order, some of which are taken before they are asked for.
 *
 * @param offline Whether nothing is fetched, and each URL is an error that says so.
 */
export async function* fetchedAhead(
  requests: AsyncIterable<Request>,
  offline: boolean | undefined,
): AsyncGenerator<Asked> {
  const source = requests[Symbol.asyncIterator](), waiting = new Waiting();
  let isOver = false, isClosed = false, isReading = false;
  let failure: { readonly reason: unknown } | undefined;
  const next = async (): Promise<Request | undefined> => {
    isReading = true;
    const { done, value } = await source.next();
    isReading = false;
    return done ? undefined : value;
  };
  const take = async (): Promise<void> => {
    try {
      for (let request; (request = await next()) !== undefined && !isClosed;) {
        begin(request, waiting, offline);
        while (waiting.isFull && !isClosed) await waiting.changed;
        if (isClosed) return;
      }
    } catch (reason) {
      failure = { reason };
    }
    isOver = true;
    waiting.change();
  };
  try {
    const taking = take();
    while (waiting.count > 0 || !isOver) {
      const file = waiting.shift();
      if (file === undefined) await waiting.changed;
      else yield file;
    }
    await taking;
    if (failure !== undefined) throw failure.reason;
  } finally {
    isClosed = true;
    waiting.clear();
    const ending = isOver ? undefined : source.return?.();
    // What waits for a request ends when it has that, and nobody knows when it comes.
    if (isReading) ending?.catch(() => {});
    else await ending;
  }
}

/** A request before its turn. */
interface Held extends Asked {
  /** Bytes of its file that are there, or may come. */
  bytes: number;
  /** Ends what is under way: nobody will open it. */
  readonly stop: () => void;
}

/** Requests before their turn, in their order. */
class Waiting {
  readonly #files: Held[] = [];
  #changed = Promise.withResolvers<void>();

  get count(): number {
    return this.#files.length;
  }

  get isFull(): boolean {
    return this.count >= AHEAD || this.#bytes >= MAX_WAITING_BYTES;
  }

  /** Resolves once something is different. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  push(file: Held): void {
    this.#files.push(file);
    this.change();
  }

  /** Takes that whose turn it is. */
  shift(): Held | undefined {
    const file = this.#files.shift();
    if (file !== undefined) this.change();
    return file;
  }

  clear(): void {
    for (const { stop } of this.#files.splice(0)) stop();
    this.change();
  }

  /** Whether a file may have so many bytes: once it is its turn it may. */
  hasRoom(file: Held, bytes: number): boolean {
    return !this.#files.includes(file) || this.#bytes - file.bytes + bytes <= MAX_WAITING_BYTES;
  }

  get #bytes(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** Begins to fetch what is not there. */
function begin(request: Request, waiting: Waiting, offline: boolean | undefined): void {
  const { picture } = request;
  if (!(picture instanceof URL)) {
    const bytes = picture instanceof Uint8Array ? picture.length : 0;
    waiting.push({ request, open: () => givenBy(request), bytes, stop: () => {} });
    return;
  }
  const end = new AbortController();
  const file: Held = { request, open: () => coming, bytes: 0, stop: () => end.abort() };
  waiting.push(file);
  const coming = fetched(picture, file, waiting, end, offline);
  coming.catch(() => {}); // Whoever opens it hears of an error.
}

/** A file from the network, of which no more bytes are read than there is room for. */
async function fetched(
  url: URL,
  file: Held,
  waiting: Waiting,
  end: AbortController,
  offline: boolean | undefined,
): Promise<Uint8Array> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    const shown = publicUrl(url);
    const late = new ImageDecodeError(
      `Cannot read ${shown}: it did not come within ${FETCH_MS / 1000} s`,
      { code: "image-fetch", url: shown, retryable: true },
    );
    timer = setTimeout(() => end.abort(late), FETCH_MS);
  };
  const reserve = async (bytes: number): Promise<void> => {
    if (bytes <= file.bytes) return;
    if (!waiting.hasRoom(file, bytes)) {
      // It is not the file that dawdles.
      clearTimeout(timer);
      while (!waiting.hasRoom(file, bytes)) await waiting.changed;
      if (!end.signal.aborted) run();
    }
    file.bytes = bytes;
  };
  const ask: Fetch = async (request) => {
    const response = await fetch(request);
    if (!response.ok || response.body === null) return response;
    let length = 0;
    const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      async transform(part, controller) {
        await reserve(length += part.length);
        controller.enqueue(part);
      },
    });
    return new Response(response.body.pipeThrough(counting), response);
  };
  let length = 0;
  try {
    run();
    await reserve(SHARE_BYTES);
    const options = { sources: ["http"], offline, fetch: ask, signal: end.signal } as const;
    const bytes = await readBytes(url, options);
    length = bytes.length;
    return bytes;
  } finally {
    clearTimeout(timer);
    end.abort(); // No clock is started again.
    file.bytes = length;
    waiting.change();
  }
}
