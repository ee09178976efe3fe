/**
 * Fetches images by URL for strangers, without reaching what only this machine can reach.
 *
 * Every address that a name resolves to is checked, in the very look-up that the connection is made
 * from: a second look-up, with another answer, does not happen. `fetch` cannot be told to do so;
 * `node:http` can.
 *
 * A stranger is told the same of a name that is unknown, of an address that is not public and of a server
 * that does not answer: the differences would be a map of the network. The error's cause has them, and
 * the service's log.
 */

import { needed } from "../../system/builtin.ts";
import { streamOf } from "../../streams.ts";
import { abortable } from "@std/async/abortable";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import { ImageDecodeError, type VggErrorOptions } from "../../errors.ts";
import { FETCH_IMAGE_OPTIONS, shortened } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import { readAll } from "../read.ts";
import { isPublicAddress } from "./addresses.ts";

const MAX_REDIRECTS = 3;

/** An address of a name. */
export interface Address {
  /** Such as `192.0.2.1` or `2001:db8::1`. */
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
}

/** All addresses of a host. */
type Addresses = readonly [Address, ...Address[]];

/** Options of `fetchImage()`. */
export interface FetchImageOptions {
  /** Most bytes of the file. Default: 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Which addresses may be connected to, such as `"192.0.2.1"`. Default: those of the public Internet. */
  readonly isAllowed?: ((address: string) => boolean) | undefined;
  /** Resolves a name. Default: the system's resolver. */
  readonly resolve?: ((name: string) => Promise<readonly Address[]>) | undefined;
  /** Ports that may be connected to. Default: 80 and 443. */
  readonly ports?: readonly number[] | undefined;
  /** How long a name may take to be resolved, and a server to answer, in milliseconds. Default: 5000. */
  readonly answerMs?: number | undefined;
  /** Ends the fetch. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode guardedFetch}. */
export interface GuardOptions extends FetchImageOptions {
  /** Waits until an address may be connected to, and keeps a place until it is disposed of. */
  readonly takePlace?: ((address: string) => Promise<Disposable>) | undefined;
  /** Is told how many more bytes arrived, and throws if they are too many. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Gets what the error does not tell: which host could not be reached, and why. */
  readonly onRefusal?: ((host: string, reason: string) => void) | undefined;
}

/** A server cannot be reached, or must not; the message is for the log. */
class Unreachable extends Error {}

/**
 * Fetches a file.
 *
 * @throws {ImageDecodeError} `image-fetch`, `image-bytes`.
 * @throws The signal's reason, and what `takePlace` and `onBytes` throw.
 */
export async function guardedFetch(given: URL, options: GuardOptions): Promise<Uint8Array> {
  let url = given;
  try {
    for (let redirects = 0;; redirects++) {
      checkUrl(url, given, options);
      const found = await visit(url, given, options);
      if (found instanceof Uint8Array) return found;
      if (redirects === MAX_REDIRECTS) throw refused(given, `more than ${MAX_REDIRECTS} redirects`);
      url = found;
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof Unreachable)) throw error;
    options.onRefusal?.(url.host, error.message);
    // The same for a private address: strangers are not told which it is.
    throw refused(given, "no public server answers there", { retryable: true, cause: error });
  }
}

function refused(
  given: URL,
  reason: string,
  options: VggErrorOptions = { retryable: false },
): ImageDecodeError {
  const where = publicUrl(given), about = { ...options, code: "image-fetch", url: where } as const;
  return new ImageDecodeError(`Cannot read ${shortened(where)}: ${reason}`, about);
}

function checkUrl(
  url: URL,
  given: URL,
  { ports = FETCH_IMAGE_OPTIONS.ports.default }: GuardOptions,
): void {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused(given, `expected http or https, found ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw refused(given, "expected no user name and no password in it");
  }
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (!ports.includes(port)) {
    throw refused(given, `expected port ${ports.join(" or ")}, found ${port}`);
  }
}

/** Asks a server, for the file or for where it redirects to. */
async function visit(url: URL, given: URL, options: GuardOptions): Promise<Uint8Array | URL> {
  const { signal, answerMs = FETCH_IMAGE_OPTIONS.answerMs.default, takePlace } = options;
  const addresses = await within(answerMs, signal, () => allowedAddresses(url, options));
  // There is one at least, and resolvers change their order.
  const first = addresses.map(({ address }) => address).sort()[0]!;
  using _place = await takePlace?.(first);
  const response = await within(answerMs, signal, (limit) => request(url, addresses, limit));
  try {
    const { statusCode: status = 0, headers: { location } } = response;
    if (status >= 300 && status < 400 && location !== undefined) {
      const next = URL.parse(location, url);
      if (next !== null) return next;
      throw refused(given, "it redirects to what is no URL");
    }
    if (status < 200 || status > 299) {
      throw refused(given, `the server answered with status ${status}`, { status });
    }
    return await readBody(response, given, options);
  } finally {
    response.destroy();
  }
}

/** Does something in time. */
async function within<Value>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (limit: AbortSignal) => Promise<Value>,
): Promise<Value> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Unreachable(`no answer within ${ms} ms`)),
    ms,
  );
  try {
    const limit = signal === undefined
      ? controller.signal
      : AbortSignal.any([signal, controller.signal]);
    return await abortable(work(limit), limit);
  } finally {
    clearTimeout(timer);
  }
}

const bySystem = (name: string): Promise<readonly Address[]> =>
  needed("node:dns/promises").lookup(name, { all: true });

async function allowedAddresses(
  { hostname }: URL,
  { resolve = bySystem, isAllowed = isPublicAddress }: GuardOptions,
): Promise<Addresses> {
  const addresses = await addressesOf(hostname, resolve);
  const forbidden = addresses.find(({ address }) => !isAllowed(address));
  if (forbidden === undefined) return addresses;
  throw new Unreachable(`${hostname} is at ${forbidden.address}, which is not public`);
}

async function addressesOf(host: string, resolve: typeof bySystem): Promise<Addresses> {
  // URL has already written decimal, octal and hexadecimal IPv4 addresses in the usual form.
  if (host.startsWith("[")) return [{ address: host.slice(1, -1), family: 6 }];
  if (/^[\d.]+$/.test(host)) return [{ address: host, family: 4 }];
  try {
    const [first, ...others] = await resolve(host);
    if (first !== undefined) return [first, ...others];
  } catch (cause) {
    throw new Unreachable(`${host} cannot be resolved`, { cause });
  }
  throw new Unreachable(`${host} has no address`);
}

/** Sends the request, and waits for the head of the answer. */
async function request(
  url: URL,
  addresses: Addresses,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = needed(url.protocol === "https:" ? "node:https" : "node:http").request;
  const request: ClientRequest = send(url, {
    agent: false,
    headers: { accept: "image/*", "accept-encoding": "identity", "user-agent": "vgg16" },
    lookup: checkedLookup(addresses),
  });
  const stop = (): void => void request.destroy();
  signal.addEventListener("abort", stop, { once: true });
  request.on("response", resolve);
  request.on("error", (cause: Error) => reject(new Unreachable(cause.message, { cause })));
  request.on("close", () => reject(new Unreachable("the connection was closed")));
  request.end();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Connects to what was checked, whatever the name resolves to by now. */
function checkedLookup(addresses: Addresses): LookupFunction {
  return (_name, { all }, answer) => {
    if (all) answer(null, [...addresses]);
    else answer(null, addresses[0].address, addresses[0].family);
  };
}

async function readBody(
  response: IncomingMessage,
  given: URL,
  options: GuardOptions,
): Promise<Uint8Array> {
  const { maxBytes = FETCH_IMAGE_OPTIONS.maxBytes.default, onBytes, signal } = options;
  const url = publicUrl(given);
  let counted = 0;
  const check = (length: number): void => {
    onBytes?.(length - counted);
    counted = length;
    if (length <= maxBytes) return;
    const message = `Expected at most ${maxBytes} bytes at ${shortened(url)}, found more`;
    throw new ImageDecodeError(message, { code: "image-bytes", url });
  };
  return await readAll(streamOf(partsOf(response, given)), check, signal);
}

async function* partsOf(response: IncomingMessage, given: URL): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch {
    throw refused(given, "it broke off", { retryable: true });
  }
}
