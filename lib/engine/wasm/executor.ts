/**
 * Who runs the kernels: this thread, or a pool of threads over the same memory.
 *
 * A pool's threads take the tasks of a step one by one and meet at its end inside WebAssembly
 * (kernels/main.ts); this thread only waits, so that a server keeps answering.
 */

import { BackendUnavailableError } from "../../errors.ts";
import { ENGINE_OPTIONS } from "../../options.ts";
import type { KernelThreads } from "../../threads/kernel_threads.ts";
import { networkOperations } from "../geometry.ts";
import type { Program } from "../program.ts";
import type { Kernels } from "./kernels.ts";
import { type Memory, placesIn } from "./memory.ts";
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

  constructor(kernels: Kernels, memory: Memory, stepBytes: number) {
    this.#kernels = kernels;
    this.#stepBytes = stepBytes;
    memory.words[WORD.threads] = 1;
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

/** Below this many multiplications and additions an image is done before threads have started. */
const THREADS_FROM = 2e9;

/** A pool; none where one thread is enough, or others are missing or not permitted. */
export async function startPool(
  module: WebAssembly.Module,
  memory: Memory,
  program: Program,
  threads: "auto" | number,
): Promise<Executor | undefined> {
  const most = networkOperations(program) < THREADS_FROM ? 1 : ENGINE_OPTIONS.threads.max;
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  const count = threads === "auto" ? Math.min(most, cores) : threads;
  if (count === 1 || !memory.shared) return undefined;
  const constants = Array.from({ length: count }, (_, thread) => [BARRIER, thread]);
  const kernels = { module, memory: memory.memory, at: ORDERS, kernels: ["execute"], constants };
  try {
    const { KernelThreads } = await import("../../threads/kernel_threads.ts");
    return new Pool(await KernelThreads.start(kernels), memory.words, count);
  } catch {
    return undefined; // One thread gives the same results.
  }
}

/** Runs the steps on threads of their own. */
class Pool implements Executor {
  readonly threads: number;
  readonly #pool: KernelThreads;
  readonly #words: Int32Array;

  constructor(pool: KernelThreads, words: Int32Array, threads: number) {
    this.#pool = pool;
    this.#words = words;
    this.threads = threads;
    words[WORD.threads] = threads;
  }

  async execute(from: number, to: number, signal?: AbortSignal): Promise<void> {
    const stop = (): void => void Atomics.store(this.#words, WORD.stop, 1);
    signal?.addEventListener("abort", stop);
    this.#pool.begin(0, from, to);
    try {
      await this.#pool.finish();
    } catch (cause) {
      throw new BackendUnavailableError("backend-lost", "wasm", "a thread failed", { cause });
    } finally {
      signal?.removeEventListener("abort", stop);
      Atomics.store(this.#words, WORD.stop, 0);
    }
    signal?.throwIfAborted();
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}
