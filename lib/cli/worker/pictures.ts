/** The pictures that requests ask about: what is at a URL is fetched before its turn comes. */

import { readBytes } from "../../image/read.ts";
import { IMAGE_OPTIONS } from "../../options.ts";
import type { Request } from "./requests.ts";

/** A request, and its picture's file. */
export interface Asked {
  readonly request: Request;
  /** Gives the file, or throws why there is none. */
  readonly open: () => Uint8Array | Promise<Uint8Array>;
}

/** Requests that are taken before their turn comes, so that some files are fetched at once. */
const AHEAD = 8;
/** Bytes of files that wait for their turn, above which nothing more is taken. */
const MAX_WAITING_BYTES = IMAGE_OPTIONS.maxBytes.default;
/** How long a file may take to come: one that dawdles keeps all others waiting. */
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
  const waiting: (Asked & { readonly bytes: () => number })[] = [];
  let changed = Promise.withResolvers<void>(), isOver = false;
  let failure: { readonly reason: unknown } | undefined;
  const change = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const isFull = (): boolean =>
    waiting.length >= AHEAD ||
    waiting.reduce((sum, { bytes }) => sum + bytes(), 0) >= MAX_WAITING_BYTES;
  const take = async (): Promise<void> => {
    try {
      for await (const request of requests) {
        waiting.push({ request, ...opened(request, offline) });
        change();
        while (isFull()) await changed.promise;
      }
    } catch (reason) {
      failure = { reason };
    } finally {
      isOver = true;
      change();
    }
  };
  const taking = take();
  while (waiting.length > 0 || !isOver) {
    const next = waiting.shift();
    if (next === undefined) {
      await changed.promise;
      continue;
    }
    change();
    yield next;
  }
  await taking;
  if (failure !== undefined) throw failure.reason;
}

/** Begins to fetch what is not there. */
function opened(
  request: Request,
  offline: boolean | undefined,
): Pick<Asked, "open"> & { readonly bytes: () => number } {
  const { picture } = request;
  if (!(picture instanceof URL)) {
    const length = picture instanceof Uint8Array ? picture.length : 0;
    return { open: () => givenBy(request), bytes: () => length };
  }
  let length = 0;
  const signal = AbortSignal.timeout(FETCH_MS);
  const coming = readBytes(picture, { sources: ["http"], offline, signal });
  // Whoever opens it hears of an error.
  coming.then((file) => length = file.length).catch(() => {});
  return { open: () => coming, bytes: () => length };
}
