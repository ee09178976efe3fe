/**
 * The HDF5 library on a thread of its own, which asks for the file's bytes and waits for them, and which
 * is given up when it takes too long.
 */

import type { ByteSource } from "../../../io/byte_source.ts";
import { type Lease, ThreadPool } from "../../../threads/pool.ts";
import { endingOf, type Thread, type WaitOptions } from "../../../threads/thread.ts";
import {
  type Box,
  damaged,
  type Hdf5Contents,
  type Hdf5Options,
  type Hdf5Session,
} from "./hdf5_library.ts";

/** What the thread is asked; it answers one after the other. */
export type Hdf5Request =
  | {
    readonly open: { readonly size: number; readonly window: SharedArrayBuffer };
    readonly names: readonly string[];
  }
  | { readonly read: string; readonly box: Box }
  | { readonly targets: string }
  | { readonly close: true };

/** What it says. */
export type Hdf5Answer =
  /** Bytes are needed in the window, from here on; the thread waits for them. */
  | { readonly need: number }
  | { readonly contents: Hdf5Contents }
  | { readonly values: ArrayLike<number> }
  | { readonly targets: readonly string[] }
  | { readonly damaged: string }
  /** The file is closed. `isWorn` if the thread has memory that only its end gives back. */
  | { readonly closed: true; readonly isWorn: boolean };

/** A window begins with a word that says what it holds, and 60 bytes that keep it aligned. */
export const WINDOW_HEAD_BYTES = 64;
/** Values of that word: the thread waits, the bytes are there, they cannot be read. */
export const WINDOW = { waiting: 0, filled: 1, failed: 2 } as const;

/** Milliseconds of its own that the library has for one answer; the largest takes one second. */
const LIMIT_MS = 20_000;
/** Bytes of the file that the thread gets at a time. */
const WINDOW_BYTES = 1 << 20;

const threads = new ThreadPool(threadModule());

/** The module of those threads: beside this one, with the same ending, and in the module graph as well. */
function threadModule(): URL {
  // deno-lint-ignore no-constant-condition
  if (false) import("./hdf5_thread.ts");
  return new URL(/* @vite-ignore */ `./hdf5_thread${endingOf(import.meta.url)}`, import.meta.url);
}

/** A file that is read on a thread. */
export class SandboxedHdf5 implements Hdf5Session {
  readonly #window = new SharedArrayBuffer(WINDOW_HEAD_BYTES + WINDOW_BYTES);
  readonly #state = new Int32Array(this.#window, 0, 1);
  readonly #thread: Thread;
  /** What was wrong with the source, if something was. */
  #sourceError: unknown;
  #isClosed = false;
  /** Settles when the thread is free. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly lease: Lease,
    private readonly source: ByteSource,
    private readonly options: Hdf5Options,
  ) {
    this.#thread = lease.thread;
  }

  /** Takes a thread; `undefined` where there are none. */
  static async start(source: ByteSource, options: Hdf5Options): Promise<SandboxedHdf5 | undefined> {
    const lease = await threads.take();
    return lease && new SandboxedHdf5(lease, source, options);
  }

  async contents(): Promise<Hdf5Contents> {
    const open = { size: this.source.size!, window: this.#window };
    const answer = await this.#ask({ open, names: this.options.attributes });
    return "contents" in answer ? answer.contents : this.#unexpected();
  }

  async read(path: string, box: Box): Promise<ArrayLike<number>> {
    const answer = await this.#ask({ read: path, box });
    return "values" in answer ? answer.values : this.#unexpected();
  }

  async targets(path: string): Promise<readonly string[]> {
    const answer = await this.#ask({ targets: path });
    return "targets" in answer ? answer.targets : this.#unexpected();
  }

  /** A sound thread waits for the next file; memory that it has taken only its end gives back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ask({ close: true })
      .then((answer) => "closed" in answer && !answer.isWorn ? undefined : this.#thread.end())
      .catch(() => {}) // It has ended already.
      .finally(() => this.lease[Symbol.dispose]());
  }

  /** The thread answers one request after the other. */
  #ask(request: Hdf5Request): Promise<Hdf5Answer> {
    const answer = this.#turn.then(() => this.#askNow(request));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #askNow(request: Hdf5Request): Promise<Hdf5Answer> {
    const thread = this.#thread;
    try {
      const ask = this.#timed();
      let answer = await ask((wait) => thread.ask(request, wait));
      while ("need" in answer) {
        await this.#fill(answer.need);
        answer = await ask((wait) => {
          Atomics.notify(this.#state, 0);
          return thread.next(wait);
        });
      }
      if ("damaged" in answer) throw this.#sourceError ?? damaged(this.source, answer.damaged);
      return answer;
    } catch (error) {
      thread.end(); // Nobody knows what state the library is in.
      throw error;
    }
  }

  /** Limits the time of several answers: what the disk takes meanwhile is not the library's fault. */
  #timed(): (ask: (wait: WaitOptions) => Promise<Hdf5Answer>) => Promise<Hdf5Answer> {
    const limitMs = this.options.limitMs ?? LIMIT_MS;
    let leftMs = limitMs;
    return async (ask) => {
      const start = performance.now();
      try {
        return await ask({ limitMs: leftMs });
      } catch (error) {
        const isLate = error instanceof DOMException;
        const reason = isLate ? `came to no end in ${limitMs / 1000} s` : "broke down";
        throw damaged(this.source, `the HDF5 library ${reason}`, isLate ? "budget" : undefined);
      } finally {
        leftMs -= performance.now() - start;
      }
    };
  }

  async #fill(begin: number): Promise<void> {
    const count = Math.min(WINDOW_BYTES, this.source.size! - begin);
    try {
      await this.source.read(begin, new Uint8Array(this.#window, WINDOW_HEAD_BYTES, count));
      Atomics.store(this.#state, 0, WINDOW.filled);
    } catch (error) {
      this.#sourceError = error;
      Atomics.store(this.#state, 0, WINDOW.failed);
    }
  }

  #unexpected(): never {
    throw new Error("The HDF5 thread gave another answer than was asked for");
  }
}
