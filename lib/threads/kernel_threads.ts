/**
 * Threads that run the kernels of a WebAssembly module over one shared memory.
 *
 * They are told what to do in that memory, where they wait for it: a message would take longer than a
 * small kernel.
 */

import { WAKES_LATE } from "../platform.ts";
import { startThreads, type Thread, until } from "./thread.ts";

/** Bytes that orders take in the memory. */
export const ORDER_BYTES = 128;

/** Words of an order. Each thread writes to those from `finished` on: another cache line. */
const WORD = {
  /** Counts orders; a change wakes the threads. */
  order: 0,
  kernel: 1,
  first: 2,
  second: 3,
  /** Threads that have finished the order, and the last order that all have finished. */
  finished: 16,
  done: 17,
};

/** A module without imports of its own, so that threads need no permission to read. */
const SCRIPT = `
const { module, memory, kernels, at, count, constants, word } = port.given;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const words = new Int32Array(memory.buffer, at, ${ORDER_BYTES / 4});
let order = Atomics.load(words, word.order);
port.send("ready");
for (;;) {
  // Who was told of the last order before it slept is woken once more by it.
  while (Atomics.load(words, word.order) === order) Atomics.wait(words, word.order, order);
  order = Atomics.load(words, word.order);
  exports[kernels[words[word.kernel]]](words[word.first], words[word.second], ...constants);
  if (Atomics.add(words, word.finished, 1) === count - 1) {
    Atomics.store(words, word.finished, 0);
    Atomics.store(words, word.done, order);
    Atomics.notify(words, word.done);
  }
}
`;

/** A thread that has not finished in so many seconds of waiting has died. */
const MAX_WAITS = 120;

/** What threads run, and where. */
export interface KernelThreadsOptions {
  readonly module: WebAssembly.Module;
  /** Shared, and the module's only import: `env.memory`. */
  readonly memory: WebAssembly.Memory;
  /** Address of {@linkcode ORDER_BYTES} in it, at the start of a cache line. */
  readonly at: number;
  /** Names of what the module exports. */
  readonly kernels: readonly string[];
  /** A thread for each: what its kernels are called with after the two numbers of an order. */
  readonly constants: readonly (readonly number[])[];
}

/** Threads that do the same at the same time. */
export class KernelThreads {
  readonly #threads: readonly Thread[];
  readonly #words: Int32Array;
  /** The last order. */
  #order: number;

  private constructor(threads: readonly Thread[], words: Int32Array) {
    this.#threads = threads;
    this.#words = words;
    this.#order = Atomics.load(words, WORD.order);
  }

  /** @throws If the runtime or its permissions allow no threads: compute on this one then. */
  static async start(options: KernelThreadsOptions): Promise<KernelThreads> {
    const { module, memory, at, kernels, constants } = options;
    // Older browsers can only wait by blocking, which pages may not.
    if (!("waitAsync" in Atomics)) throw new Error("Expected a runtime with Atomics.waitAsync");
    const words = new Int32Array(memory.buffer, at, ORDER_BYTES / 4);
    Atomics.store(words, WORD.done, Atomics.load(words, WORD.order));
    const shared = { module, memory, at, kernels, count: constants.length, word: WORD };
    const data = constants.map((constants) => ({ ...shared, constants }));
    return new KernelThreads(await startThreads(SCRIPT, data), words);
  }

  /** Has all threads run a kernel. They must have finished the one before. */
  begin(kernel: number, first: number, second: number): void {
    const words = this.#words;
    words.set([kernel, first, second], WORD.kernel);
    this.#order = (this.#order + 1) | 0; // In some days there are more than a word counts.
    Atomics.store(words, WORD.order, this.#order);
    Atomics.notify(words, WORD.order);
  }

  /** Waits until all have finished. @throws If one has died, with this order or an earlier one. */
  async finish(): Promise<void> {
    const pulse = WAKES_LATE ? setInterval(() => {}, 1) : undefined;
    try {
      for (let done = this.#done; done !== this.#order; done = this.#done) {
        const waiting = Atomics.waitAsync(this.#words, WORD.done, done);
        if (waiting.async) await until(waiting.value, this.#threads);
      }
    } finally {
      clearInterval(pulse);
    }
  }

  /**
   * Blocks until all have finished.
   *
   * @throws If one has died, as far as that can be told: nobody says so meanwhile. It is waited for
   *   second by second: a machine that sleeps takes one of them, however long it sleeps.
   */
  finishSync(): void {
    let waits = 0;
    for (let done = this.#done; done !== this.#order; done = this.#done) {
      if (Atomics.wait(this.#words, WORD.done, done, 1000) !== "timed-out") continue;
      if (++waits === MAX_WAITS) throw new Error(`A thread did not finish a kernel in ${waits} s`);
    }
  }

  /** The last order that all have finished. */
  get #done(): number {
    return Atomics.load(this.#words, WORD.done);
  }

  /** Ends the threads, whatever they do. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }
}
