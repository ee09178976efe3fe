/**
 * The WebGPU executor, through tfjs.
 *
 * @module
 */

import { BackendUnavailableError } from "../../errors.ts";
import type { Model } from "../../model/model.ts";
import type { Activations, Batch, Engine, LayerProfile, Precision, RunOptions } from "../engine.ts";
import { compileProgram, type Program } from "../program.ts";
import { acquireGpu, currentGpu, type Gpu, releaseGpu } from "./device/device.ts";
import { loadNetwork } from "./network/load.ts";
import type { Network } from "./network/network.ts";
import { type LayerPlan, planLayers } from "./network/plan.ts";
import { imagesPerRun } from "./network/preflight.ts";
import { profileLayers } from "./tuning/profile.ts";
import { concatenate, readActivations } from "./network/read.ts";
import { defaultTuning, type Tuning } from "./tuning/tile.ts";
import { tune as tuneTiles } from "./tuning/tune.ts";

/** Options of {@linkcode createWebgpuEngine}. */
export interface WebgpuOptions {
  /** Default: `"int8"`. */
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
  /** Whether kernels are chosen by a timed trial, where there is a `cacheDir`. Default: `"auto"`. */
  readonly tune?: "auto" | "off";
  /** Where the choice is kept; without it, there is no trial. */
  readonly cacheDir?: string;
  /** Runs these constants instead of those compiled from the model; for tests. */
  readonly program?: Program;
  /** Runs these kernels; for tests. */
  readonly tuning?: Tuning;
}

/**
 * Loads a model onto the GPU.
 *
 * @throws {BackendUnavailableError} If there is no GPU, the model does not fit, or the GPU gives wrong answers.
 */
export async function createWebgpuEngine(
  model: Model,
  options: WebgpuOptions = {},
): Promise<Engine> {
  const { precision = "int8", signal } = options;
  const program = options.program ?? compileProgram(model);
  const gpu = await acquireGpu();
  try {
    const tuning = options.tuning ?? await chooseTuning(gpu, program, options);
    const load = (gpu: Gpu): Promise<Network> =>
      loadNetwork(gpu, model, program, precision, tuning, signal);
    return new WebgpuEngine(gpu, await load(gpu), program, precision, load);
  } catch (error) {
    const lost = !signal?.aborted && await gpu.wasLost();
    await releaseGpu();
    if (!lost) throw error;
    const reason = `the device was lost while the model was loaded (${gpu.lost()!.message})`;
    throw new BackendUnavailableError("webgpu", reason, { cause: error });
  }
}

async function chooseTuning(
  gpu: Gpu,
  program: Program,
  { precision = "int8", tune = "auto", cacheDir }: WebgpuOptions,
): Promise<Tuning> {
  // Without a place to keep the choice, a trial at each load would cost more than it gains.
  if (tune === "off" || cacheDir === undefined) return defaultTuning(gpu.isFallback);
  return await gpu.exclusively(() => tuneTiles(gpu, program, precision, cacheDir));
}

class WebgpuEngine implements Engine {
  readonly backend = "webgpu";
  readonly threads = 1;
  readonly precision: Precision;
  readonly #program: Program;
  readonly #load: (gpu: Gpu) => Promise<Network>;
  #gpu: Gpu;
  #network: Network;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(
    gpu: Gpu,
    network: Network,
    program: Program,
    precision: Precision,
    load: (gpu: Gpu) => Promise<Network>,
  ) {
    this.#gpu = gpu;
    this.#network = network;
    this.#program = program;
    this.precision = precision;
    this.#load = load;
  }

  get device(): string {
    return this.#gpu.description;
  }

  get bytesResident(): number {
    return this.#disposed ? 0 : this.#network.bytes;
  }

  run(batch: Batch, options: RunOptions = {}): Promise<Activations> {
    return this.#enqueue(() => {
      options.signal?.throwIfAborted();
      return this.#runSurviving(batch, options.layer);
    });
  }

  profile(batch: Batch): Promise<LayerProfile[]> {
    return this.#enqueue(async () => {
      // Pipelines compile in the first run.
      await this.#runSurviving(batch, undefined);
      const plan = planLayers(this.#program, this.precision, batch);
      return await this.#gpu.exclusively(() =>
        profileLayers(this.#gpu, this.#network, plan, batch)
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#queue;
    if (this.#gpu.lost() === undefined) this.#network[Symbol.dispose]();
    await releaseGpu();
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#disposed) {
      return Promise.reject(new TypeError("This engine was disposed: load another one"));
    }
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  /** A lost device is replaced once for each run. */
  async #runSurviving(batch: Batch, layer: string | undefined): Promise<Activations> {
    try {
      return await this.#runOnce(batch, layer);
    } catch (error) {
      if (!await this.#gpu.wasLost()) throw error;
    }
    try {
      this.#gpu = await currentGpu();
      this.#network = await this.#load(this.#gpu);
      return await this.#runOnce(batch, layer);
    } catch (error) {
      if (!await this.#gpu.wasLost()) throw error;
      const lost = this.#gpu.lost()!;
      throw new BackendUnavailableError(
        "webgpu",
        `the device was lost twice in a row (${lost.reason}: ${lost.message})`,
        { cause: error },
      );
    }
  }

  /** As many images at once as the device takes. */
  async #runOnce(batch: Batch, layer: string | undefined): Promise<Activations> {
    const { data, count } = batch;
    const plan = (batch: Batch): LayerPlan[] =>
      planLayers(this.#program, this.precision, batch, layer);
    plan(batch);
    const size = data.length / count;
    const one = plan({ ...batch, data: data.subarray(0, size), count: 1 });
    const { limits } = this.#gpu.device;
    const step = imagesPerRun(one, this.precision, limits, this.#network.memoryKind);
    if (step < 1) {
      throw new BackendUnavailableError(
        "webgpu",
        `an image of ${batch.height}x${batch.width} does not fit: its activations are larger than the device allows`,
      );
    }
    const parts: Activations[] = [];
    for (let first = 0; first < count; first += step) {
      const images = Math.min(step, count - first);
      const part = {
        ...batch,
        data: data.subarray(first * size, (first + images) * size),
        count: images,
      };
      parts.push(
        await this.#gpu.exclusively(() =>
          readActivations(this.#gpu, this.#network, plan(part), part)
        ),
      );
    }
    return parts.length === 1 ? parts[0] : concatenate(parts);
  }
}
