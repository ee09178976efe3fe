/**
 * Who runs the kernels: this thread, or a pool of threads over the same memory.
 *
 * A pool's threads take the tasks of a step one by one and meet at its end inside WebAssembly
 * (kernels/main.ts); this thread only waits, so that a server keeps answering.
 *
 * @module
 */

import { BackendUnavailableError } from "../../errors.ts";
import { KernelThreads } from "../../threads/kernel_threads.ts";
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

/** Addresses at the start of memory: where threads meet, and where the pool is told what to do. */
const BARRIER = 64;
const ORDERS = 128;
const WORD = {
  threads: BARRIER / 4 + placesIn(Barrier).threads,
  stop: BARRIER / 4 + placesIn(Barrier).stop,
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

/** Runs the steps on threads of their own. */
export class Pool implements Executor {
  readonly threads: number;
  readonly #pool: KernelThreads;
  readonly #words: Int32Array;

  private constructor(pool: KernelThreads, words: Int32Array, threads: number) {
    this.#pool = pool;
    this.#words = words;
    this.threads = threads;
    words[WORD.threads] = threads;
  }

  /** @throws If the runtime or its permissions allow no threads. */
  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
  ): Promise<Pool> {
    const constants = Array.from({ length: threads }, (_, thread) => [BARRIER, thread]);
    const options = { module, memory, at: ORDERS, kernels: ["execute"], constants };
    const pool = await KernelThreads.start(options);
    return new Pool(pool, new Int32Array(memory.buffer), threads);
  }

  async execute(from: number, to: number, signal?: AbortSignal): Promise<void> {
    const stop = (): void => {
      Atomics.store(this.#words, WORD.stop, 1);
    };
    signal?.addEventListener("abort", stop);
    this.#pool.begin(0, from, to);
    try {
      await this.#pool.finish();
    } catch (cause) {
      throw new BackendUnavailableError("wasm", "a thread failed", { cause });
    } finally {
      signal?.removeEventListener("abort", stop);
      Atomics.store(this.#words, WORD.stop, 0);
    }
    signal?.throwIfAborted();
  }

  async end(): Promise<void> {
    await this.#pool.end();
  }
}
