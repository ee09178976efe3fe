/** The WebGPU executor, through tfjs. */

import { BackendUnavailableError, type VggError } from "../../errors.ts";
import type { Model } from "../../model/model.ts";
import { type Complete, completeOptions, ENGINE_OPTIONS } from "../../options.ts";
import type {
  Activations,
  Backend,
  BackendOptions,
  Batch,
  Engine,
  LayerProfile,
  Precision,
} from "../engine.ts";
import type { ProgressOptions } from "../../progress.ts";
import { type LayerOutput, layerOutput } from "../geometry.ts";
import { compileProgram, type Program } from "../program.ts";
import { imagesOf, QueuedEngine } from "../queued_engine.ts";
import { acquireGpu, type Gpu, releaseGpu } from "./device/device.ts";
import { type Load, type Placement, Recovery, RECOVERY_DELAYS_MS } from "./recovery.ts";
import { loadResident } from "./resident/load.ts";
import { imagesPerRun, planLayers } from "./resident/plan.ts";
import { defaultTuning, type Tuning } from "./tuning/tile.ts";
import { profileLayers } from "./tuning/timing.ts";
import { tune as tuneTiles } from "./tuning/tune.ts";

/** Options of {@linkcode createWebgpuEngine}. */
export interface WebgpuOptions extends Omit<BackendOptions, "backend" | "threads"> {
  /**
   * Loads an engine that runs what comes while the device is lost, and everything if it does not
   * come back. Without it, runs wait.
   */
  readonly substitute?: () => Promise<Engine>;
  /** How long is waited before each request for another device; for tests. */
  readonly recoveryDelaysMs?: readonly number[];
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
  const { substitute, recoveryDelaysMs = RECOVERY_DELAYS_MS } = options;
  const program = options.program ?? compileProgram(model);
  const gpu = await acquireGpu();
  try {
    const tuning = options.tuning ?? await chooseTuning(gpu, program, settings, options);
    const load: Load = (gpu, signal) =>
      loadResident(gpu, model, program, precision, tuning, signal);
    const placement = { gpu, resident: await load(gpu, signal) };
    const recovery = new Recovery(placement, load, recoveryDelaysMs);
    return new WebgpuEngine(program, precision, recovery, substitute);
  } catch (error) {
    const lost = !signal?.aborted && await gpu.wasLost();
    await releaseGpu();
    if (!lost) throw error;
    const reason = `the device was lost while the model was loaded (${gpu.lost()!.message})`;
    throw new BackendUnavailableError("backend-lost", "webgpu", reason, { cause: error });
  }
}

async function chooseTuning(
  gpu: Gpu,
  program: Program,
  { precision, tune, cacheDir }: Complete<typeof ENGINE_OPTIONS>,
  options: ProgressOptions & Pick<BackendOptions, "signal">,
): Promise<Tuning> {
  // Without a place to keep the choice, a trial at each load would cost more than it gains.
  if (tune === "off" || cacheDir === undefined) return defaultTuning(gpu.isFallback);
  return await gpu.exclusively(() => tuneTiles(gpu, program, precision, cacheDir, options));
}

class WebgpuEngine extends QueuedEngine {
  readonly precision: Precision;
  readonly #recovery: Recovery;
  readonly #loadSubstitute: (() => Promise<Engine>) | undefined;
  /** Loaded while the device is away. */
  #substitute: Engine | undefined;

  constructor(
    program: Program,
    precision: Precision,
    recovery: Recovery,
    loadSubstitute: (() => Promise<Engine>) | undefined,
  ) {
    super(program);
    this.precision = precision;
    this.#recovery = recovery;
    this.#loadSubstitute = loadSubstitute;
  }

  /** With a substitute runs never end: it answers. */
  get lost(): Promise<VggError> | undefined {
    return this.#loadSubstitute === undefined ? this.#recovery.lost : undefined;
  }

  get backend(): Backend {
    return this.#substitute?.backend ?? "webgpu";
  }

  get threads(): number {
    return this.#substitute?.threads ?? 1;
  }

  get device(): string {
    return this.#substitute?.device ?? this.#recovery.description;
  }

  get bytesResident(): number {
    const resident = this.#recovery.placement?.resident;
    return (resident?.bytes ?? 0) + (this.#substitute?.bytesResident ?? 0);
  }

  protected async runPart(
    batch: Batch,
    outputs: readonly LayerOutput[],
    signal: AbortSignal | undefined,
  ): Promise<Activations[]> {
    const placement = await this.#place(signal);
    if (placement === undefined) {
      const names = outputs.map(({ name }) => name);
      return await this.#substitute!.runLayers(batch, names, { signal });
    }
    const part = this.#partOf(placement, batch, outputs);
    return await namingLoss(placement, signal, () => this.#runOn(placement, part, outputs, signal));
  }

  protected async profileBatch(
    batch: Batch,
    signal: AbortSignal | undefined,
  ): Promise<LayerProfile[]> {
    const placement = await this.#place(signal);
    if (placement === undefined) return await this.#substitute!.profile(batch, { signal });
    const { gpu, resident } = placement;
    const outputs = [layerOutput(this.program)];
    const plan = planLayers(this.program, this.precision, batch, outputs);
    const part = this.#partOf(placement, batch, outputs);
    return await namingLoss(placement, signal, async () => {
      // Pipelines compile in the first run.
      await this.#runOn(placement, part, outputs, signal);
      return await gpu.exclusively(() => profileLayers(gpu, resident, plan, batch));
    });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    // What waits for the device would keep the queue.
    this.#recovery.end();
    await super[Symbol.asyncDispose]();
  }

  protected async free(): Promise<void> {
    try {
      await this.#dismissSubstitute();
      await this.#recovery.free();
    } finally {
      await releaseGpu();
    }
  }

  /** Where the model is: undefined if the substitute, which is then loaded, has to run. */
  async #place(signal?: AbortSignal): Promise<Placement | undefined> {
    const { placement } = this.#recovery;
    if (placement !== undefined) {
      await this.#dismissSubstitute();
      return placement;
    }
    if (this.#loadSubstitute === undefined) return await this.#recovery.wait(signal);
    this.#substitute ??= await this.#loadSubstitute();
    return undefined;
  }

  async #dismissSubstitute(): Promise<void> {
    const substitute = this.#substitute;
    this.#substitute = undefined;
    await substitute?.[Symbol.asyncDispose]();
  }

  /** As many images of a batch as the device can run at once. */
  #partOf({ gpu, resident }: Placement, batch: Batch, outputs: readonly LayerOutput[]): Batch {
    const one = planLayers(this.program, this.precision, { ...batch, count: 1 }, outputs);
    const { limits } = gpu.device;
    const most = imagesPerRun(one, this.precision, limits, resident.memoryKind);
    if (most >= 1) return imagesOf(batch, 0, Math.min(most, batch.count));
    throw new BackendUnavailableError(
      "backend-capacity",
      "webgpu",
      `an image of ${batch.height}x${batch.width} does not fit: its activations are larger than the device allows`,
    );
  }

  async #runOn(
    { gpu, resident }: Placement,
    part: Batch,
    outputs: readonly LayerOutput[],
    signal?: AbortSignal,
  ): Promise<Activations[]> {
    const plan = planLayers(this.program, this.precision, part, outputs);
    return await gpu.exclusively(() => resident.run(plan, part, signal));
  }
}

/** Whatever fails because the device was lost says so. The news of a loss may take a moment. */
async function namingLoss<T>(
  { gpu }: Placement,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted || !await gpu.wasLost()) throw error;
    const { reason, message } = gpu.lost()!;
    throw new BackendUnavailableError(
      "backend-lost",
      "webgpu",
      `the device was lost during the run (${reason}: ${message}). Run it again`,
      { cause: error },
    );
  }
}
