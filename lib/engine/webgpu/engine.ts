/**
 * The WebGPU executor, through tfjs.
 *
 * @module
 */

import { BackendUnavailableError } from "../../errors.ts";
import type { Model } from "../../model/model.ts";
import { type Complete, completeOptions, ENGINE_OPTIONS } from "../../options.ts";
import type {
  Activations,
  Batch,
  Engine,
  EngineOptions,
  LayerProfile,
  Precision,
} from "../engine.ts";
import type { LastLayer } from "../geometry.ts";
import { compileProgram, type Program } from "../program.ts";
import { imagesOf, QueuedEngine } from "../queued_engine.ts";
import { acquireGpu, currentGpu, type Gpu, releaseGpu } from "./device/device.ts";
import { loadResident } from "./resident/load.ts";
import { imagesPerRun, planLayers } from "./resident/plan.ts";
import type { ResidentModel } from "./resident/resident_model.ts";
import { defaultTuning, type Tuning } from "./tuning/tile.ts";
import { profileLayers } from "./tuning/timing.ts";
import { tune as tuneTiles } from "./tuning/tune.ts";

/** Options of {@linkcode createWebgpuEngine}. */
export interface WebgpuOptions extends Omit<EngineOptions, "backend" | "threads"> {
  /** Runs these constants instead of those compiled from the model; for tests. */
  readonly program?: Program;
  /** Runs these kernels; for tests. */
  readonly tuning?: Tuning;
}

/**
 * Loads a model onto the GPU.
 *
 * @throws {BackendUnavailableError} If there is no GPU, the model does not fit, or the GPU gives
 *   wrong answers.
 */
export async function createWebgpuEngine(
  model: Model,
  options: WebgpuOptions = {},
): Promise<Engine> {
  const settings = completeOptions(ENGINE_OPTIONS, options);
  const { precision, signal } = settings;
  const program = options.program ?? compileProgram(model);
  const gpu = await acquireGpu();
  try {
    const tuning = options.tuning ?? await chooseTuning(gpu, program, settings);
    const load = (gpu: Gpu): Promise<ResidentModel> =>
      loadResident(gpu, model, program, precision, tuning, signal);
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
  { precision, tune, cacheDir }: Complete<typeof ENGINE_OPTIONS>,
): Promise<Tuning> {
  // Without a place to keep the choice, a trial at each load would cost more than it gains.
  if (tune === "off" || cacheDir === undefined) return defaultTuning(gpu.isFallback);
  return await gpu.exclusively(() => tuneTiles(gpu, program, precision, cacheDir));
}

class WebgpuEngine extends QueuedEngine {
  readonly backend = "webgpu";
  readonly threads = 1;
  readonly precision: Precision;
  readonly #load: (gpu: Gpu) => Promise<ResidentModel>;
  #gpu: Gpu;
  #resident: ResidentModel | undefined;

  constructor(
    gpu: Gpu,
    resident: ResidentModel,
    program: Program,
    precision: Precision,
    load: (gpu: Gpu) => Promise<ResidentModel>,
  ) {
    super(program);
    this.#gpu = gpu;
    this.#resident = resident;
    this.precision = precision;
    this.#load = load;
  }

  get device(): string {
    return this.#gpu.description;
  }

  get bytesResident(): number {
    return this.#resident?.bytes ?? 0;
  }

  /** A lost device is replaced once for each part. */
  protected async runPart(batch: Batch, last: LastLayer): Promise<Activations> {
    try {
      return await this.#runOnce(batch, last);
    } catch (error) {
      if (!await this.#gpu.wasLost()) throw error;
    }
    try {
      this.#gpu = await currentGpu();
      this.#resident = await this.#load(this.#gpu);
      return await this.#runOnce(batch, last);
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

  protected async profileBatch(batch: Batch, last: LastLayer): Promise<LayerProfile[]> {
    // Pipelines compile in the first run.
    await this.runPart(batch, last);
    const plan = planLayers(this.program, this.precision, batch, last);
    return await this.#gpu.exclusively(() =>
      profileLayers(this.#gpu, this.#resident!, plan, batch)
    );
  }

  protected async free(): Promise<void> {
    this.#resident?.[Symbol.dispose]();
    this.#resident = undefined;
    await releaseGpu();
  }

  async #runOnce(batch: Batch, last: LastLayer): Promise<Activations> {
    const gpu = this.#gpu, resident = this.#resident!;
    const most = imagesPerRun(
      planLayers(this.program, this.precision, { ...batch, count: 1 }, last),
      this.precision,
      gpu.device.limits,
      resident.memoryKind,
    );
    if (most < 1) {
      throw new BackendUnavailableError(
        "webgpu",
        `an image of ${batch.height}x${batch.width} does not fit: its activations are larger than the device allows`,
      );
    }
    const part = imagesOf(batch, 0, Math.min(most, batch.count));
    const plan = planLayers(this.program, this.precision, part, last);
    return await gpu.exclusively(() => resident.run(plan, part));
  }
}
