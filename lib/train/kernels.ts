/**
 * The float arithmetic of training in WebAssembly, on several threads: tfjs's CPU backend takes a
 * thousand times as long for a convolution and its derivatives.
 */

import { fromBase64 } from "../encoding.ts";
import { KernelThreads } from "../threads/kernel_threads.ts";
import { KERNELS } from "./binary.ts";
import { Activate, Combine, Convolve, Deactivate, FilterGradient, Multiply } from "./calls.ts";

/** The kernels, by the names that kernels/main.ts exports, and what each is called with. */
const CALLS = {
  convolve: Convolve,
  activate: Activate,
  deactivate: Deactivate,
  combine: Combine,
  filterGradient: FilterGradient,
  multiply: Multiply,
};

/** One of the kernels. */
export type KernelName = keyof typeof CALLS;

/** What a kernel is called with: numbers, and arrays of {@link TrainingKernels.take}. */
export type Call<Name extends KernelName> = Readonly<
  Record<keyof InstanceType<typeof CALLS[Name]>, number | Float32Array | Float64Array>
>;

type Kernel = (counter: number, call: number) => void;

/** Addresses at the start of memory: the counter of tasks, what a kernel is called with, and orders. */
const COUNTER = 128, CALL = 256, ORDERS = 512;
const NAMES = Object.keys(CALLS);
/** The first byte behind those, and behind what the kernels may have of their own. */
const FIRST = 4096;
const PAGE = 65536, MAX_PAGES = 65536;

/**
 * The kernels and their memory. Arrays are handed out from the bottom, and all given back at once.
 *
 * No result depends on the number of threads.
 */
export class TrainingKernels {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Record<KernelName, Kernel>;
  readonly #words: Int32Array;
  #others: KernelThreads | undefined;
  /** All that the memory's buffer has been: it is another object whenever it has grown. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  #top = FIRST;

  private constructor(module: WebAssembly.Module) {
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#exports = exports as unknown as Record<KernelName, Kernel>; // What kernels/main.ts exports.
    this.#words = new Int32Array(this.#memory.buffer, 0, 256);
    this.#buffers.add(this.#memory.buffer);
  }

  /** @param threads How many compute; one, where the runtime allows no others. */
  static async start(threads: number = 1): Promise<TrainingKernels> {
    const module = new WebAssembly.Module(fromBase64(KERNELS));
    const kernels = new TrainingKernels(module);
    if (threads === 1) return kernels;
    const memory = kernels.#memory, constants = Array.from({ length: threads - 1 }, () => []);
    const options = { module, memory, at: ORDERS, kernels: NAMES, constants };
    kernels.#others = await KernelThreads.start(options).catch(() => undefined);
    return kernels;
  }

  /** Gives back all arrays: they are overwritten from now on. */
  reset(): void {
    this.#top = FIRST;
  }

  /**
   * An array that holds whatever was there, until {@link reset}.
   *
   * @throws {RangeError} If it does not fit in the 4 GiB that WebAssembly can address.
   */
  take(length: number): Float32Array {
    const at = Math.ceil(this.#top / 64) * 64;
    this.#top = at + 4 * length;
    if (this.#top > MAX_PAGES * PAGE) {
      throw new RangeError(
        `An update needs ${this.#top} bytes of 4 GiB, or more: lower batchSize, side or width`,
      );
    }
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) {
      // A little more than is needed, so that it rarely grows.
      const pages = this.#memory.buffer.byteLength / PAGE;
      this.#memory.grow(Math.min(Math.ceil(missing / PAGE) + 64, MAX_PAGES - pages));
      this.#buffers.add(this.#memory.buffer);
    }
    return new Float32Array(this.#memory.buffer, at, length);
  }

  /** As {@link take}, of float64. */
  take64(length: number): Float64Array {
    const { buffer, byteOffset } = this.take(2 * length);
    return new Float64Array(buffer, byteOffset, length);
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
    // In the order of the kernel's fields, whatever the caller's.
    const values: (number | Float32Array | Float64Array)[] = Object.values({
      ...new CALLS[name](),
      ...call,
    });
    this.#words.set(values.map((v) => typeof v === "number" ? v : v.byteOffset), CALL / 4);
    this.#words[COUNTER / 4] = 0;
    this.#others?.begin(NAMES.indexOf(name), COUNTER, CALL);
    this.#exports[name](COUNTER, CALL);
    this.#others?.finishSync();
  }

  /** Ends the other threads; this one goes on alone. */
  async end(): Promise<void> {
    const others = this.#others;
    this.#others = undefined;
    await others?.end();
  }
}

/** The kernels are too short for more threads than this. */
const MAX_THREADS = 8;

/** Does something with kernels, on as many threads as a call wants. */
export async function withKernels<Result>(
  { threads = "auto" }: { readonly threads?: "auto" | number | undefined },
  work: (kernels: TrainingKernels) => Promise<Result>,
): Promise<Result> {
  const wanted = threads === "auto" ? navigator.hardwareConcurrency : threads;
  const kernels = await TrainingKernels.start(Math.min(MAX_THREADS, wanted));
  try {
    return await work(kernels);
  } finally {
    await kernels.end();
  }
}
