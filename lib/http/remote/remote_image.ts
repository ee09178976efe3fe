/**
 * Fetches images by URL for strangers, without reaching what only this machine can reach.
 *
 * Every address that a name resolves to is checked, in the very look-up that the connection is made
 * from: a second look-up, with another answer, does not happen. `fetch` cannot be told to do so;
 * `node:http` can.
 */

import { abortable } from "@std/async/abortable";
import { lookup } from "node:dns/promises";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { readAll } from "../../image/read.ts";
import { publicUrl } from "../../public_url.ts";
import { isPublicAddress } from "./addresses.ts";
import { HttpProblem } from "../server/problems.ts";

const MAX_REDIRECTS = 3;

/** An address of a name. */
export interface Address {
  /** Such as `192.0.2.1` or `2001:db8::1`. */
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
}

/** Options of {@linkcode fetchRemoteImage}. */
export interface RemoteOptions {
  /** Most bytes of the file. */
  readonly maxBytes: number;
  /** Ends the fetch. */
  readonly signal: AbortSignal;
  /** Resolves a name. Default: the system's resolver. */
  readonly resolve?: (name: string) => Promise<readonly Address[]>;
  /** Which addresses may be connected to. Default: {@linkcode isPublicAddress}. */
  readonly isAllowed?: (address: string) => boolean;
}

/**
 * Fetches a file.
 *
 * @throws {HttpProblem} `image-fetch`, with the reason; `body-too-large`; or the signal's reason
 */
export async function fetchRemoteImage(url: URL, options: RemoteOptions): Promise<Uint8Array> {
  for (let redirects = 0;; redirects++) {
    options.signal.throwIfAborted();
    const response = await get(url, options);
    const status = response.statusCode ?? 0;
    const { location } = response.headers;
    if (status >= 300 && status < 400 && location !== undefined) {
      response.destroy();
      if (redirects === MAX_REDIRECTS) throw refused(url, `more than ${MAX_REDIRECTS} redirects`);
      const next = URL.parse(location, url);
      if (next === null) throw refused(url, `it redirects to what is no URL`);
      url = next;
    } else if (status < 200 || status > 299) {
      response.destroy();
      throw refused(url, `the server answered with status ${status}`);
    } else {
      return await readBody(response, url, options);
    }
  }
}

function refused(url: URL, reason: string, cause?: unknown): HttpProblem {
  return new HttpProblem("image-fetch", `Cannot read ${shortened(url)}: ${reason}`, { cause });
}

function shortened(url: URL): string {
  return publicUrl(url).slice(0, 200);
}

async function get(url: URL, options: RemoteOptions): Promise<IncomingMessage> {
  const { isAllowed = isPublicAddress, resolve = bySystem, signal } = options;
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused(url, `expected http or https, found ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw refused(url, "expected no user name and no password in it");
  }
  const addresses: Addresses = await abortable(addressesOf(url, resolve), signal);
  const forbidden = addresses.find(({ address }) => !isAllowed(address));
  if (forbidden !== undefined) {
    throw refused(url, `${url.hostname} is at ${forbidden.address}, which is not public`);
  }
  const { promise, resolve: settle, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const request: ClientRequest = send(url, {
    agent: false,
    headers: { accept: "image/*", "accept-encoding": "identity", "user-agent": "vgg16" },
    lookup: checkedLookup(addresses),
  });
  const stop = (): void => void request.destroy();
  signal.addEventListener("abort", stop, { once: true });
  request.on("response", settle);
  request.on(
    "error",
    (error: Error) => reject(signal.aborted ? signal.reason : refused(url, error.message, error)),
  );
  request.on("close", () => {
    signal.removeEventListener("abort", stop);
    reject(signal.aborted ? signal.reason : refused(url, "the connection was closed"));
  });
  request.end();
  return await promise;
}

const bySystem = (name: string): Promise<readonly Address[]> => lookup(name, { all: true });

/** All addresses of a host. */
type Addresses = readonly [Address, ...Address[]];

/** Connects to what was checked, whatever the name resolves to by now. */
function checkedLookup(addresses: Addresses): LookupFunction {
  return (_name, { all }, answer) => {
    if (all) answer(null, [...addresses]);
    else answer(null, addresses[0].address, addresses[0].family);
  };
}

async function addressesOf(
  url: URL,
  resolve: (name: string) => Promise<readonly Address[]>,
): Promise<Addresses> {
  // URL has already written decimal, octal and hexadecimal IPv4 addresses in the usual form.
  const host = url.hostname;
  if (host.startsWith("[")) return [{ address: host.slice(1, -1), family: 6 }];
  if (/^[\d.]+$/.test(host)) return [{ address: host, family: 4 }];
  try {
    const [first, ...others] = await resolve(host);
    if (first !== undefined) return [first, ...others];
  } catch (error) {
    throw refused(url, `${host} cannot be resolved`, error);
  }
  throw refused(url, `${host} has no address`);
}

async function readBody(
  response: IncomingMessage,
  url: URL,
  { maxBytes, signal }: RemoteOptions,
): Promise<Uint8Array> {
  const check = (length: number): void => {
    if (length <= maxBytes) return;
    const detail = `Expected at most ${maxBytes} bytes at ${shortened(url)}, found more`;
    throw new HttpProblem("body-too-large", detail);
  };
  try {
    const stream = ReadableStream.from(response as AsyncIterable<Uint8Array>);
    return await readAll(stream, check, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof HttpProblem ? error : refused(url, "it broke off", error);
  } finally {
    response.destroy();
  }
}
