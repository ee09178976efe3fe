/**
 * One request on its way through the service: its id, its clock, what it has cost.
 *
 * @module
 */

import { readBody } from "./body.ts";
import { HttpProblem } from "./problems.ts";
import type { Settings } from "./settings.ts";
import type { Traffic } from "./traffic.ts";

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

type Limits = Pick<Settings, "bodyTimeoutMs" | "timeoutMs" | "maxBodyBytes">;

/** A request being answered. */
export class Call implements Disposable {
  readonly request: Request;
  readonly url: URL;
  /** The client's x-request-id if it is harmless, or a new one. */
  readonly id: string;
  readonly started: number = performance.now();
  readonly costs: Costs = {};
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
    this.url = new URL(request.url);
    const id = request.headers.get("x-request-id") ?? "";
    this.id = /^[\w.:-]{1,128}$/.test(id) ? id : crypto.randomUUID();
    this.#limits = limits;
  }

  /** Aborts when the client is gone or the time is over; the reason is a problem. */
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
    this.#limit("body-timeout", this.#limits.bodyTimeoutMs);
    const body = await readBody(this.request, this.#limits.maxBodyBytes, this.signal);
    this.#traffic.arrived();
    this.#limit("timeout", this.#limits.timeoutMs);
    this.costs.bytesIn = body.length;
    return body;
  }

  /** Waits for something that cannot be aborted, for as long as the request may take. */
  async within<Value>(promise: Promise<Value>): Promise<Value> {
    this.signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(this.signal.reason);
    this.signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([promise, aborted]);
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }

  [Symbol.dispose](): void {
    this.#traffic.arrived();
    const { ended } = this.#traffic;
    if (this.#sent === undefined) ended();
    else this.#sent.then(ended, ended);
    clearTimeout(this.#timer);
    if (this.#abort !== undefined) {
      this.request.signal.removeEventListener("abort", this.#leave);
    }
  }

  #limit(problem: "timeout" | "body-timeout", ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#abort?.abort(new HttpProblem(problem, `The limit is ${ms} ms`)),
      ms,
    );
  }
}
