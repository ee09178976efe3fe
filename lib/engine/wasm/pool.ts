/**
 * Who runs the kernels: this thread, or a pool of workers over the same memory.
 *
 * A pool's workers take the tasks of a step one by one and meet at its end inside WebAssembly
 * (kernels/main.ts); this thread only waits, so that a server keeps answering.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { BackendUnavailableError } from "../../errors.ts";
import type { Kernels } from "./kernels.ts";
import { placesIn } from "./memory.ts";
import { Barrier } from "./structs.ts";

/** Runs the steps from address `from` up to `to`. */
export interface Executor {
  readonly threads: number;
  /** @throws If `signal` is aborted; then some steps have not run. */
  execute(from: number, to: number, signal?: AbortSignal): Promise<void>;
  end(): Promise<void>;
}

/** Words at the start of memory: where threads meet, and how the pool is told what to do. */
const BARRIER = 64;
const WORD = {
  threads: BARRIER / 4 + placesIn(Barrier).threads,
  stop: BARRIER / 4 + placesIn(Barrier).stop,
  /** Counts commands; a change wakes the workers. */
  command: 32,
  from: 33,
  to: 34,
  /** Workers that have finished the command, and the last command that all have finished. */
  finished: 48,
  done: 49,
  ready: 50,
};

/** A server answers between two steps if this long has passed. */
const TURN_MS = 8;

/** Runs the steps on this thread. */
export class OwnThread implements Executor {
  readonly threads = 1;
  readonly #kernels: Kernels;
  readonly #stepBytes: number;

  constructor(kernels: Kernels, memory: WebAssembly.Memory, stepBytes: number) {
    this.#kernels = kernels;
    this.#stepBytes = stepBytes;
    new Int32Array(memory.buffer)[WORD.threads] = 1;
  }

  async execute(from: number, to: number, signal?: AbortSignal): Promise<void> {
    let turn = performance.now();
    for (let at = from; at < to; at += this.#stepBytes) {
      this.#kernels.execute(at, at + this.#stepBytes, BARRIER, 0);
      if (performance.now() - turn < TURN_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      turn = performance.now();
    }
  }

  async end(): Promise<void> {}
}

interface PoolWorker {
  on(event: "error" | "exit", listener: (reason: unknown) => void): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<unknown>;
}

/** A module without imports of its own, so that workers need no permission to read. */
const WORKER = `
import { workerData } from "node:worker_threads";
const { module, memory, thread, threads, barrier, word } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const words = new Int32Array(memory.buffer);
let command = 0;
Atomics.add(words, word.ready, 1);
Atomics.notify(words, word.ready);
for (;;) {
  Atomics.wait(words, word.command, command);
  command = Atomics.load(words, word.command);
  exports.execute(words[word.from], words[word.to], barrier, thread);
  if (Atomics.add(words, word.finished, 1) === threads - 1) {
    Atomics.store(words, word.finished, 0);
    Atomics.store(words, word.done, command);
    Atomics.notify(words, word.done);
  }
}
`;

/** Runs the steps on workers. */
export class Pool implements Executor {
  readonly threads: number;
  readonly #words: Int32Array;
  readonly #workers: PoolWorker[] = [];
  #failed: Promise<never>;
  #fail: (reason: unknown) => void = () => {};
  #command = 0;

  private constructor(memory: WebAssembly.Memory, threads: number) {
    this.threads = threads;
    this.#words = new Int32Array(memory.buffer);
    this.#words[WORD.threads] = threads;
    this.#failed = new Promise((_, reject) => this.#fail = reject);
    this.#failed.catch(() => {});
  }

  /** Starts the workers. @throws If the runtime or its permissions do not allow workers. */
  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
  ): Promise<Pool> {
    const { Worker } = await import("node:worker_threads");
    const pool = new Pool(memory, threads);
    const url = new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`);
    try {
      for (let thread = 0; thread < threads; thread++) {
        const workerData = { module, memory, thread, threads, barrier: BARRIER, word: WORD };
        const worker: PoolWorker = new Worker(url, { workerData });
        worker.on("error", pool.#fail);
        pool.#workers.push(worker);
      }
      await pool.#until(WORD.ready, threads);
    } catch (error) {
      await pool.end();
      pool.#words[WORD.threads] = 1;
      throw error;
    }
    return pool;
  }

  async execute(from: number, to: number, signal?: AbortSignal): Promise<void> {
    const stop = (): void => {
      Atomics.store(this.#words, WORD.stop, 1);
    };
    signal?.addEventListener("abort", stop);
    Atomics.store(this.#words, WORD.from, from);
    Atomics.store(this.#words, WORD.to, to);
    Atomics.store(this.#words, WORD.command, ++this.#command);
    Atomics.notify(this.#words, WORD.command);
    try {
      await this.#until(WORD.done, this.#command);
    } catch (cause) {
      throw new BackendUnavailableError("wasm", "a worker thread failed", { cause });
    } finally {
      signal?.removeEventListener("abort", stop);
      Atomics.store(this.#words, WORD.stop, 0);
    }
    signal?.throwIfAborted();
  }

  /** Waits, without blocking, for a word; the process does not end meanwhile. */
  async #until(word: number, value: number): Promise<void> {
    this.#workers[0].ref();
    try {
      for (;;) {
        const now = Atomics.load(this.#words, word);
        if (now === value) return;
        const waiting = Atomics.waitAsync(this.#words, word, now);
        if (waiting.async) await Promise.race([waiting.value, this.#failed]);
      }
    } finally {
      for (const worker of this.#workers) worker.unref();
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
