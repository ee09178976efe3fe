/** Standard output as it is written to: in few calls, and until nobody reads it any more. */

import { delay } from "@std/async/delay";

/** Where bytes go, such as `Deno.stdout`. */
export interface Sink {
  writeSync(bytes: Uint8Array): number;
  write(bytes: Uint8Array): Promise<number>;
  isTerminal(): boolean;
}

/** Characters that are written before anything else is done. */
const MANY = 2 ** 16;

/**
 * Writes texts to a stream. A terminal gets each at once; a pipe or a file gets together what comes before
 * anything is waited for, so that a result never waits for the next one.
 */
export class OutputStream {
  readonly #sink: Sink;
  readonly #callbacks = new Set<() => void>();
  #pending = "";
  #failure: Error | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Why nothing is written any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether that is since its reader has left, as `head` does once it has its lines. */
  get isLeft(): boolean {
    return this.#failure?.name === "BrokenPipe";
  }

  /** Writes a text, soon. Once that has failed the rest is dropped. */
  write(text: string): void {
    if (this.#failure !== undefined) return;
    const isFirst = this.#pending === "";
    this.#pending += text;
    if (this.#pending.length >= MANY || this.#sink.isTerminal()) this.flush();
    else if (isFirst) queueMicrotask(() => this.flush());
  }

  /** Writes what waits. */
  flush(): void {
    const text = this.#pending;
    this.#pending = "";
    if (text === "" || this.#failure !== undefined) return;
    try {
      writeAll(this.#sink, text);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Writes bytes after what waits, one call after the other: nothing is blocked while their reader is slow. */
  async send(bytes: Uint8Array): Promise<void> {
    this.flush();
    for (let done = 0; done < bytes.length && this.#failure === undefined;) {
      try {
        done += await this.#sink.write(bytes.subarray(done));
      } catch (error) {
        if (isFull(error)) await delay(FULL_MS);
        else this.#fail(error);
      }
    }
  }

  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    for (const callback of this.#callbacks) callback();
  }

  /** Calls back if nothing can be written any more, until the result is disposed of. */
  onFailure(callback: () => void): Disposable {
    this.#callbacks.add(callback);
    return { [Symbol.dispose]: () => void this.#callbacks.delete(callback) };
  }
}

/** Writes all of a text. A pipe that another program has made so, refuses bytes while it is full. */
export function writeAll(sink: Pick<Sink, "writeSync">, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += sink.writeSync(bytes.subarray(done));
    } catch (error) {
      if (!isFull(error)) throw error;
      Atomics.wait(NEVER, 0, 0, FULL_MS);
    }
  }
}

/** How long a full pipe is left alone. */
const FULL_MS = 5;

function isFull(error: unknown): boolean {
  return error instanceof Error && error.name === "WouldBlock";
}

/** Nobody wakes who waits here. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
