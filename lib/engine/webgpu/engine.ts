/**
 * The WebGPU executor of the integer program, through tfjs.
 *
 * @module
 */

import { BackendUnavailableError } from "../../errors.ts";
import type { Model } from "../../vgg/model.ts";
import type { Activations, Batch, Engine, Precision, RunOptions } from "../engine.ts";
import { compileProgram, type Program } from "../program.ts";
import { acquireGpu, type Gpu, releaseGpu } from "./device.ts";
import { Network } from "./network.ts";

/** Options of {@linkcode createWebgpuEngine}. */
export interface WebgpuOptions {
  /** Default: `"int8"`. */
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
  /** Whether kernels are chosen by a timed trial. Default: `"auto"`. */
  readonly tune?: "auto" | "off";
  /** Where the choice is kept. */
  readonly cacheDir?: string;
  /** Runs these constants instead of those compiled from the model; for tests. */
  readonly program?: Program;
}

/**
 * Loads a model onto the GPU.
 *
 * @throws {BackendUnavailableError} If there is no GPU, or the model does not fit.
 */
export async function createWebgpuEngine(
  model: Model,
  options: WebgpuOptions = {},
): Promise<Engine> {
  const { precision = "int8", signal } = options;
  if (precision === "float") {
    throw new BackendUnavailableError("webgpu", 'precision "float" is not implemented yet');
  }
  const program = options.program ?? compileProgram(model);
  const gpu = await acquireGpu();
  try {
    const network = new Network(gpu.backend, program);
    await network.upload(model.weights({ signal }));
    return new WebgpuEngine(gpu, network, precision);
  } catch (error) {
    await releaseGpu();
    throw error;
  }
}

class WebgpuEngine implements Engine {
  readonly backend = "webgpu";
  readonly threads = 1;
  readonly precision: Precision;
  readonly #gpu: Gpu;
  readonly #network: Network;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(gpu: Gpu, network: Network, precision: Precision) {
    this.#gpu = gpu;
    this.#network = network;
    this.precision = precision;
  }

  get device(): string {
    return this.#gpu.description;
  }

  get bytesResident(): number {
    return this.#gpu.backend.memory().numBytesAllocatedInGPU;
  }

  run(batch: Batch, options: RunOptions = {}): Promise<Activations> {
    const result = this.#queue.then(() => {
      options.signal?.throwIfAborted();
      if (this.#disposed) throw new TypeError("This engine was disposed: load another one");
      return this.#network.run(batch, options.layer);
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#queue;
    this.#network[Symbol.dispose]();
    await releaseGpu();
  }
}
