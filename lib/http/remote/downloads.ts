/** The files of requests' URLs: few downloads at once, fewer from one host, and none twice. */

import { Cleanup } from "../../cleanup.ts";
import { guardedFetch } from "../../image/remote/guarded_fetch.ts";
import { Line } from "../../threads/pool.ts";
import type { Call } from "../server/call.ts";
import { HttpProblem } from "../server/problems.ts";
import type { RemoteRules, Settings } from "../server/settings.ts";
import type { Log } from "../server/telemetry.ts";

/** Downloads at once, of all requests. */
const MAX_AT_ONCE = 8;
/** Downloads at once from one host. A host is an address: one has as many names as somebody likes. */
const MAX_OF_HOST = 2;
/** How long a host may take to answer; less where a request has less time. */
const ANSWER_MS = 5000;

/** What a request has fetched, and may fetch. */
interface Fetched {
  /** Bytes that its URLs may still bring, together. */
  left: number;
  readonly files: Map<string, Promise<Uint8Array>>;
}

/** Fetches for all requests of a service. */
export class Downloads {
  readonly #settings: Settings;
  readonly #rules: RemoteRules;
  readonly #log: Log;
  readonly #fetched = new WeakMap<Call, Fetched>();
  readonly #all = new Line(MAX_AT_ONCE);
  readonly #hosts = new Map<string, { readonly line: Line; users: number }>();

  constructor(settings: Settings, rules: RemoteRules, log: Log) {
    this.#settings = settings;
    this.#rules = rules;
    this.#log = log;
  }

  /**
   * Fetches a file for a request. Equal URLs of a request are fetched once.
   *
   * @throws {ImageDecodeError} `image-fetch`, `image-bytes`.
   * @throws {HttpProblem} `body-too-large`; or the reason why the request ended.
   */
  async fetch(url: URL, call: Call): Promise<Uint8Array> {
    const fetched = this.#fetched.get(call) ??
      { left: this.#settings.maxUrlBytes, files: new Map() };
    this.#fetched.set(call, fetched);
    const { href } = new URL("#", url); // What follows # is not sent.
    const file = fetched.files.get(href) ?? this.#download(url, call, fetched);
    fetched.files.set(href, file);
    return await file;
  }

  async #download(url: URL, call: Call, fetched: Fetched): Promise<Uint8Array> {
    const { maxBodyBytes, urlPorts, timeoutMs } = this.#settings;
    return await guardedFetch(url, {
      ...this.#rules,
      maxBytes: maxBodyBytes,
      ports: urlPorts,
      answerMs: Math.min(ANSWER_MS, timeoutMs / 4),
      signal: call.signal,
      takePlace: async (address) => {
        const place = await this.#takePlace(address, call.signal);
        if (fetched.left > 0) return place;
        place[Symbol.dispose]();
        throw this.#tooMuch();
      },
      onBytes: (count) => {
        fetched.left -= count;
        if (fetched.left < 0) throw this.#tooMuch();
      },
      onRefusal: (host, reason) =>
        this.#log.write("info", "url", { requestId: call.id, host, reason }),
    });
  }

  #tooMuch(): HttpProblem {
    const { maxUrlBytes } = this.#settings;
    return new HttpProblem(
      "body-too-large",
      `Expected at most ${maxUrlBytes} bytes from the URLs of a request together, found more`,
    );
  }

  /** Whoever waits for a host keeps none of the places for all. */
  async #takePlace(address: string, signal: AbortSignal): Promise<Disposable> {
    const host = this.#hosts.get(address) ?? { line: new Line(MAX_OF_HOST), users: 0 };
    this.#hosts.set(address, host);
    host.users++;
    using places = new Cleanup();
    places.defer(() => {
      if (--host.users === 0) this.#hosts.delete(address);
    });
    places.use(await host.line.take(signal));
    places.use(await this.#all.take(signal));
    return places.move();
  }
}
