/**
 * Who runs the kernels: this thread, and from some point on a pool of threads over the same memory.
 *
 * A pool's threads take the tasks of a step one by one and meet at its end inside WebAssembly
 * (kernels/main.ts); this thread only waits, so that a server keeps answering.
 */

import { nextTurn, takeTurn } from "../../threads/turn.ts";
import { BackendUnavailableError } from "../../errors.ts";
import { ENGINE_OPTIONS } from "../../options.ts";
import type { KernelThreads } from "../../threads/kernel_threads.ts";
import { networkOperations } from "../geometry.ts";
import type { Program } from "../program.ts";
import type { CompiledKernels } from "./kernels.ts";
import { type Memory, placesIn } from "./memory.ts";
import { Barrier } from "./structs.ts";

/** Addresses at the start of memory: where threads meet, and where the pool is told what to do. */
const BARRIER = 64;
const ORDERS = 128;
const WORD = {
  threads: BARRIER / 4 + placesIn(Barrier).threads,
  stop: BARRIER / 4 + placesIn(Barrier).stop,
};

/** A server answers between two steps if this long has passed. */
const TURN_MS = 8;

/** Below this many multiplications and additions of an image one thread is enough. */
const THREADS_FROM = 2e9;

/** How many threads are to compute. */
export function threadsFor(program: Program, memory: Memory, threads: "auto" | number): number {
  if (!memory.shared) return 1;
  if (threads !== "auto") return threads;
  if (networkOperations(program) < THREADS_FROM) return 1;
  return Math.min(ENGINE_OPTIONS.threads.max, globalThis.navigator?.hardwareConcurrency ?? 1);
}

/** Runs steps. */
export class Executor {
  readonly #compiled: CompiledKernels;
  readonly #memory: Memory;
  readonly #stepBytes: number;
  #threads: number;
  #starting: Promise<void> | undefined;
  #pool: KernelThreads | undefined;

  /** @param threads How many compute once they have started. */
  constructor(compiled: CompiledKernels, memory: Memory, stepBytes: number, threads: number) {
    this.#compiled = compiled;
    this.#memory = memory;
    this.#stepBytes = stepBytes;
    this.#threads = threads;
  }

  /** Threads that compute, or are to; 1 where no others could be started. */
  get threads(): number {
    return this.#threads;
  }

  /** Starts threads. This one goes on until they are there, and for good where there are none. */
  start(): Promise<void> {
    return this.#starting ??= this.#start();
  }

  async #start(): Promise<void> {
    if (this.#threads === 1) return;
    const constants = Array.from({ length: this.#threads }, (_, thread) => [BARRIER, thread]);
    const { module } = this.#compiled, { memory } = this.#memory;
    try {
      const { KernelThreads } = await import("../../threads/kernel_threads.ts");
      const given = { module, memory, at: ORDERS, kernels: ["execute"], constants };
      this.#pool = await KernelThreads.start(given);
    } catch {
      this.#threads = 1; // It gives the same results.
    }
  }

  /**
   * Runs the steps from address `from` up to `to`.
   *
   * @throws If `signal` is aborted; then some steps have not run.
   * @throws {BackendUnavailableError} If a thread has died.
   */
  async execute(from: number, to: number, signal?: AbortSignal): Promise<void> {
    const { kernels } = this.#compiled, { words } = this.#memory;
    let turn = performance.now();
    for (let at = from; at < to; at += this.#stepBytes) {
      if (this.#pool !== undefined) return await this.#executeThere(this.#pool, at, to, signal);
      words[WORD.threads] = 1;
      kernels.execute(at, at + this.#stepBytes, BARRIER, 0);
      if (performance.now() - turn < TURN_MS) continue;
      await takeTurn(signal);
      turn = performance.now();
    }
    // Short runs one after the other would never let the threads say that they are there.
    if (this.#isStarting) await nextTurn();
  }

  get #isStarting(): boolean {
    return this.#starting !== undefined && this.#pool === undefined && this.#threads > 1;
  }

  async #executeThere(
    pool: KernelThreads,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { words } = this.#memory;
    const stop = (): void => void Atomics.store(words, WORD.stop, 1);
    signal?.addEventListener("abort", stop);
    words[WORD.threads] = this.#threads;
    pool.begin(0, from, to);
    try {
      await pool.finish();
    } catch (cause) {
      throw new BackendUnavailableError("backend-lost", "wasm", "a thread failed", { cause });
    } finally {
      signal?.removeEventListener("abort", stop);
      Atomics.store(words, WORD.stop, 0);
    }
    signal?.throwIfAborted();
  }

  /** Ends the threads. */
  async end(): Promise<void> {
    await this.#starting;
    await this.#pool?.end();
  }
}
