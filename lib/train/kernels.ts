/**
 * The float arithmetic of training in WebAssembly, on several threads: tfjs's CPU backend takes a
 * thousand times as long for a convolution and its derivatives.
 *
 * @module
 */

import { KERNELS } from "./binary.ts";
import { Activate, Combine, Convolve, Deactivate, FilterGradient } from "./calls.ts";

/** The kernels, by the names that kernels/main.ts exports, and what each is called with. */
const CALLS = {
  convolve: Convolve,
  activate: Activate,
  deactivate: Deactivate,
  combine: Combine,
  filterGradient: FilterGradient,
};

/** One of the kernels. */
export type KernelName = keyof typeof CALLS;

/** What a kernel is called with: numbers, and arrays of {@link TrainingKernels.take}. */
export type Call<Name extends KernelName> = Readonly<
  Record<keyof InstanceType<typeof CALLS[Name]>, number | Float32Array>
>;

type Kernel = (counter: number, call: number) => void;

/** Words at the start of memory: how the workers are told what to do. */
const WORD = { command: 16, kernel: 17, counter: 32, finished: 48, ready: 50, call: 64 };
const NAMES = Object.keys(CALLS);
/** The first byte behind those words, and behind what the kernels may have of their own. */
const FIRST = 4096;
const PAGE = 65536;
/**
 * A worker that does not finish its part of a kernel in so many seconds of waiting has died. They are
 * waited for one by one: a machine that sleeps meanwhile takes one of them, however long it sleeps.
 */
const MAX_WAITS = 120;

/** A module without imports of its own, so that workers need no permission to read. */
const WORKER = `
import { workerData } from "node:worker_threads";
const { module, memory, names, word } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const words = new Int32Array(memory.buffer, 0, 256);
let command = 0;
Atomics.add(words, word.ready, 1);
Atomics.notify(words, word.ready);
for (;;) {
  Atomics.wait(words, word.command, command);
  command = Atomics.load(words, word.command);
  exports[names[words[word.kernel]]](word.counter * 4, word.call * 4);
  Atomics.add(words, word.finished, 1);
  Atomics.notify(words, word.finished);
}
`;

interface Worker {
  on(event: "error", listener: (reason: unknown) => void): void;
  terminate(): Promise<unknown>;
}

/**
 * The kernels and their memory. Arrays are handed out from the bottom, and all given back at once.
 *
 * No result depends on the number of threads.
 */
export class TrainingKernels {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Record<KernelName, Kernel>;
  readonly #words: Int32Array;
  readonly #workers: Worker[] = [];
  /** All that the memory's buffer has been: it is another object whenever it has grown. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  #top = FIRST;

  private constructor(module: WebAssembly.Module) {
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#exports = exports as unknown as Record<KernelName, Kernel>; // What kernels/main.ts exports.
    this.#words = new Int32Array(this.#memory.buffer, 0, 256);
    this.#buffers.add(this.#memory.buffer);
  }

  /** @param threads How many compute; one, where the runtime does not allow workers. */
  static async start(threads: number = 1): Promise<TrainingKernels> {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(KERNELS));
    const kernels = new TrainingKernels(module);
    if (threads > 1) await kernels.#startWorkers(module, threads - 1);
    return kernels;
  }

  async #startWorkers(module: WebAssembly.Module, count: number): Promise<void> {
    const { Worker } = await import("node:worker_threads");
    const url = new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`);
    const workerData = { module, memory: this.#memory, names: NAMES, word: WORD };
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    try {
      for (let n = 0; n < count; n++) {
        const worker: Worker = new Worker(url, { workerData });
        worker.on("error", failed.reject);
        this.#workers.push(worker);
      }
      for (let ready = 0; ready < count; ready = Atomics.load(this.#words, WORD.ready)) {
        const waiting = Atomics.waitAsync(this.#words, WORD.ready, ready);
        if (waiting.async) await Promise.race([waiting.value, failed.promise]);
      }
    } catch {
      await this.end();
    }
  }

  /** Gives back all arrays: they are overwritten from now on. */
  reset(): void {
    this.#top = FIRST;
  }

  /** An array that holds whatever was there, until {@link reset}. */
  take(length: number): Float32Array {
    const at = (this.#top + 63) & ~63;
    this.#top = at + 4 * length;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) {
      // A little more than is needed, so that it rarely grows.
      this.#memory.grow(Math.ceil(missing / PAGE) + 64);
      this.#buffers.add(this.#memory.buffer);
    }
    return new Float32Array(this.#memory.buffer, at, length);
  }

  /** The same values as an array of {@link take}: itself, or a copy. */
  place(values: Float32Array): Float32Array {
    if (this.#buffers.has(values.buffer)) return values;
    const copy = this.take(values.length);
    copy.set(values);
    return copy;
  }

  /** Runs a kernel on all threads. */
  run<Name extends KernelName>(name: Name, call: Call<Name>): void {
    const words = this.#words, workers = this.#workers.length;
    // In the order of the kernel's fields, whatever the caller's.
    const values: (number | Float32Array)[] = Object.values({ ...new CALLS[name](), ...call });
    words.set(values.map((v) => typeof v === "number" ? v : v.byteOffset), WORD.call);
    words[WORD.counter] = 0;
    if (workers > 0) {
      words[WORD.kernel] = NAMES.indexOf(name);
      Atomics.store(words, WORD.finished, 0);
      Atomics.add(words, WORD.command, 1);
      Atomics.notify(words, WORD.command);
    }
    this.#exports[name](WORD.counter * 4, WORD.call * 4);
    for (let waits = 0; workers > 0;) {
      const finished = Atomics.load(words, WORD.finished);
      if (finished === workers) return;
      if (Atomics.wait(words, WORD.finished, finished, 1000) !== "timed-out") continue;
      if (++waits === MAX_WAITS) throw new Error(`A thread did not finish "${name}" in ${waits} s`);
    }
  }

  /** Ends the other threads; this one goes on alone. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }
}
