/** Calls under way, for which closing waits. */

import { DisposedError } from "./errors.ts";

/** Runs calls until it is closed. */
export class Calls {
  readonly #what: string;
  readonly #running = new Set<Promise<unknown>>();
  /** Each is of one caller: an isolate of Cloudflare's keeps no signal from one request to the next. */
  readonly #endings = new Set<AbortController>();
  #isClosed = false;
  #closing: Promise<void> | undefined;

  /** @param what What is closed, such as `"classifier"`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** A signal that aborts once {@linkcode close} is called, with a {@linkcode DisposedError}. */
  ending(): Disposable & { readonly signal: AbortSignal } {
    const ending = new AbortController(), { signal } = ending;
    if (this.closed) ending.abort(new DisposedError(this.#what));
    else this.#endings.add(ending);
    return { signal, [Symbol.dispose]: () => void this.#endings.delete(ending) };
  }

  /** Whether {@linkcode close} was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Does something that closing waits for.
   *
   * @throws {DisposedError} If it was closed.
   */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.closed) throw new DisposedError(this.#what);
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Takes no more calls, waits for those under way, and then frees what they used. Again: only waits. */
  async close(free: () => unknown = () => {}): Promise<void> {
    await (this.#closing ??= this.#end(free));
  }

  async #end(free: () => unknown): Promise<void> {
    this.#isClosed = true;
    for (const ending of this.#endings) ending.abort(new DisposedError(this.#what));
    await Promise.allSettled(this.#running);
    await free();
  }
}
