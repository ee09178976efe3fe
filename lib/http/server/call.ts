/**
 * One request on its way through the service: its id, its clock, its body, what it has cost; and how
 * many there are.
 */

import { delay } from "@std/async/delay";
import { readAll } from "../../image/read.ts";
import { shortened } from "../../options.ts";
import { badRequest, HttpProblem } from "./problems.ts";
import type { Settings } from "./settings.ts";

/** What a request has cost so far, for the log. */
export interface Costs {
  bytesIn?: number;
  images?: number;
  queueMs?: number;
  decodeMs?: number;
  inferenceMs?: number;
  batch?: number;
  cached?: boolean;
}

type Limits = Pick<
  Settings,
  "bodyTimeoutMs" | "timeoutMs" | "maxBodyBytes" | "maxArrivingBytes" | "basePath"
>;

/** Where a request is whose Host makes no URL. */
const NOWHERE = new URL("http://nowhere.invalid/");

/** A request being answered. */
export class Call implements Disposable {
  readonly request: Request;
  readonly url: URL;
  /** The client's x-request-id if it is harmless, or a new one. */
  readonly id: string;
  readonly started: number = performance.now();
  readonly costs: Costs = {};
  /** The path below which the service is mounted; empty for the root. */
  readonly base: string;
  /** The request's path below that; undefined for one outside. */
  readonly route: string | undefined;
  /** What stands in the path for the route's names. */
  path: Readonly<Record<string, string>> = {};
  readonly #limits: Limits;
  #abort: AbortController | undefined;
  readonly #leave = (): void =>
    this.#abort?.abort(new HttpProblem("client-gone", "The client closed the connection"));
  readonly #traffic: ReturnType<Traffic["begin"]>;
  readonly #sent: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `sent` settles when the response has left, if the server tells. */
  constructor(request: Request, limits: Limits, traffic: Traffic, sent?: Promise<void>) {
    this.#sent = sent;
    this.#traffic = traffic.begin();
    this.request = request;
    this.url = URL.parse(request.url) ?? NOWHERE;
    this.base = limits.basePath === "/" ? "" : limits.basePath;
    this.route = below(this.base, this.url.pathname);
    const id = request.headers.get("x-request-id") ?? "";
    this.id = /^[\w.:-]{1,128}$/.test(id) ? id : crypto.randomUUID();
    this.#limits = limits;
  }

  /**
   * Checks that the path is written in its normal form: a proxy that keeps some paths to itself compares
   * what was sent, and would let `/.\\metrics` through.
   *
   * @throws {HttpProblem} `bad-request`
   */
  checkTarget(): void {
    const [, path = ""] = /^[a-z]+:\/\/[^/?#\\]*([^?#]*)/i.exec(this.request.url) ?? [];
    const { pathname } = this.url;
    if (this.url !== NOWHERE && (path || "/") === pathname) return;
    throw badRequest(`Expected a path without . and .. and \\, found ${shortened(path)}`);
  }

  /** Aborts when the client is gone or the time is over, for which the reason is a problem; or it is answered. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      // Not before somebody waits: a request that is refused costs as little as possible.
      this.#abort = new AbortController();
      const { signal } = this.request;
      signal.addEventListener("abort", this.#leave, { once: true });
      if (signal.aborted) this.#leave();
      if (this.#timer === undefined) this.#limit("timeout", this.#limits.timeoutMs);
    }
    return this.#abort.signal;
  }

  /** Reads the body. The time for the answer starts when it is there. */
  async receive(): Promise<Uint8Array> {
    const { bodyTimeoutMs, maxBodyBytes, maxArrivingBytes } = this.#limits;
    this.#limit("body-timeout", bodyTimeoutMs);
    const most = Math.max(maxBodyBytes, maxArrivingBytes);
    const { received } = this.#traffic;
    const giveUp = (): void => this.#abort?.abort(tooMuchArriving(most));
    const onBytes = (length: number): void => received(length, most, giveUp);
    const body = await readBody(this.request, maxBodyBytes, this.signal, onBytes);
    this.#traffic.arrived();
    this.#limit("timeout", this.#limits.timeoutMs);
    this.costs.bytesIn = body.length;
    return body;
  }

  [Symbol.dispose](): void {
    this.#traffic.arrived();
    const { ended } = this.#traffic;
    if (this.#sent === undefined) ended();
    else this.#sent.then(ended, ended);
    clearTimeout(this.#timer);
    if (this.#abort === undefined) return;
    this.request.signal.removeEventListener("abort", this.#leave);
    // One image may have failed the request while others are still under way.
    this.#abort.abort(new DOMException("The request was answered", "AbortError"));
  }

  #limit(problem: "timeout" | "body-timeout", ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#abort?.abort(new HttpProblem(problem, `The limit is ${ms} ms`)),
      ms,
    );
  }
}

/** `below("/api", "/api/classify")` is `/classify`, and `below("/api", "/apis")` is undefined. */
function below(base: string, path: string): string | undefined {
  const rest = path.slice(base.length);
  return path.startsWith(base) && /^(\/|$)/.test(rest) ? rest || "/" : undefined;
}

/**
 * Reads a body to its end, and no more than `maxBytes` of it. The bytes are counted: Content-Length
 * is believed only when it already says that the body is too large.
 *
 * @throws {HttpProblem} `body-too-large`; or the signal's reason, if it aborts.
 */
async function readBody(
  { headers, body }: Request,
  maxBytes: number,
  signal: AbortSignal,
  onBytes: (length: number) => void,
): Promise<Uint8Array> {
  const check = (length: number, found: string): void => {
    if (length <= maxBytes) return;
    const detail = `Expected a body of at most ${maxBytes} bytes, found ${found}`;
    throw new HttpProblem("body-too-large", detail);
  };
  signal.throwIfAborted();
  if (body === null) return new Uint8Array(0);
  const claimed = headers.get("content-length") ?? "0";
  try {
    check(Number(claimed), claimed);
    const count = (length: number): void => {
      check(length, "more");
      onBytes(length);
    };
    return await readAll(body, count, signal);
  } catch (error) {
    if (!body.locked) await body.cancel().catch(() => {});
    signal.throwIfAborted();
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem("client-gone", "The body broke off", { cause: error });
  }
}

function tooMuchArriving(most: number): HttpProblem {
  const headers = { "retry-after": "1" };
  const detail =
    `More than ${most} bytes are arriving, and this body was the slowest: try again later`;
  return new HttpProblem("overloaded", detail, { headers });
}

/** A body that is arriving. */
interface Arriving {
  readonly since: number;
  /** How much of it is there. */
  bytes: number;
  giveUp: () => void;
}

/** Counts requests that are being answered, and bodies that are still arriving. */
export class Traffic {
  #active = 0;
  readonly #arriving = new Set<Arriving>();
  #waiting: (() => void)[] = [];
  #idling: (() => void)[] = [];

  /** Requests whose answers have not left. */
  get active(): number {
    return this.#active;
  }

  /**
   * Counts a request until `ended` is called, and its body until `arrived` is. `received` is told how much
   * of it is there. If that is more than `most` of all bodies together, the slowest are given up: who sends
   * without pause is not among them.
   */
  begin(): {
    received: (bytes: number, most: number, giveUp: () => void) => void;
    arrived: () => void;
    ended: () => void;
  } {
    this.#active++;
    const body: Arriving = { since: performance.now(), bytes: 0, giveUp: () => {} };
    this.#arriving.add(body);
    const arrived = (): void => {
      if (!this.#arriving.delete(body) || this.#arriving.size > 0) return;
      this.#waiting.splice(0).forEach((wake) => wake());
    };
    const received = (bytes: number, most: number, giveUp: () => void): void => {
      Object.assign(body, { bytes, giveUp });
      this.#giveUpSlowest(most);
    };
    const ended = (): void => {
      if (--this.#active === 0) this.#idling.splice(0).forEach((wake) => wake());
    };
    return { received, arrived, ended };
  }

  #giveUpSlowest(most: number): void {
    const now = performance.now();
    const speed = ({ bytes, since }: Arriving): number => bytes / (now - since + 1);
    let sum = 0;
    for (const { bytes } of this.#arriving) sum += bytes;
    if (sum <= most) return;
    for (const body of [...this.#arriving].sort((a, b) => speed(a) - speed(b))) {
      if (sum <= most) return;
      sum -= body.bytes;
      body.bytes = 0;
      body.giveUp();
    }
  }

  /** Resolves when no request is being answered, or after so many milliseconds. */
  async idle(limitMs: number): Promise<void> {
    if (this.#active === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    this.#idling.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  /**
   * Resolves at a moment at which no body is arriving, and none has begun to since the event loop's
   * last turn: requests that came while JavaScript was busy have been seen.
   */
  async quiet(): Promise<void> {
    do {
      if (this.#arriving.size > 0) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      await delay(0);
    } while (this.#arriving.size > 0);
  }
}
