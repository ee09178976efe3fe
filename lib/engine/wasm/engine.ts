/** The WebAssembly executor of the integer program. */

import { takeTurn } from "../../threads/turn.ts";
import { BackendUnavailableError } from "../../errors.ts";
import { provided } from "../../provided.ts";
import type { Model } from "../../model/model.ts";
import { completeOptions, ENGINE_OPTIONS } from "../../options.ts";
import type {
  Activations,
  BackendOptions,
  Batch,
  Engine,
  LayerProfile,
  Precision,
} from "../engine.ts";
import { type LayerOutput, layerOutput, networkOperations } from "../geometry.ts";
import { compileProgram, type Program } from "../program.ts";
import { QueuedEngine } from "../queued_engine.ts";
import { chooser, isWorthTrying, tryAlgorithms } from "./choose.ts";
import { bestVariant, type CompiledKernels, compileKernels, type Variant } from "./kernels.ts";
import { Memory, placesIn } from "./memory.ts";
import {
  type Choose,
  IMAGE_BYTES,
  imagesAtOnce,
  makePlan,
  type Plan,
  type PlannedStep,
  type PlanSize,
  type Segment,
  STEP_BYTES,
  type Values,
} from "./plan.ts";
import { Executor, threadsFor } from "./executor.ts";
import { type Algorithm, area, type Stage } from "./stage.ts";
import { Image } from "./structs.ts";
import { loadNetwork, type PackedNetwork, residentBytes } from "./weights.ts";

/** Options of {@linkcode createWasmEngine}. */
export interface WasmEngineOptions extends Omit<BackendOptions, "backend" | "cacheDir"> {
  /** Which algorithm 3x3 convolutions take; by default the faster one. */
  readonly algorithm?: Algorithm;
  /** Which kernels: by default relaxed SIMD where the runtime has it, plain SIMD elsewhere. */
  readonly variant?: Variant;
  /** Whether threads share the memory; by default they do where the runtime permits it. */
  readonly shared?: boolean;
  /** Constants to use instead of those that the Model compiles to. For tests. */
  readonly program?: Program;
  /** Multiplications and additions from which on it is prepared for more; 0: at load. For tests. */
  readonly prepareFrom?: number;
}

/** Bytes for a plan of small pictures, so that memory does not grow in the first run. */
const PLAN_BYTES = 1 << 20;
/** Bytes behind the weights that an engine keeps from one run to the next. */
const MOST_KEPT = 256 * 2 ** 20;
/**
 * Multiplications and additions from which on it pays to try algorithms and to start threads: before,
 * an answer is there sooner without. One thread does so many in some 100 ms.
 */
const PREPARE_FROM = 2e10;

/**
 * Loads a Model into WebAssembly memory.
 *
 * @throws {RangeError} If the model does not fit the integer program's bounds, or an option is not one
 *   of its values.
 */
export async function createWasmEngine(
  model: Model,
  options: WasmEngineOptions = {},
): Promise<Engine> {
  const { precision, threads, tune, signal } = completeOptions(ENGINE_OPTIONS, options);
  const { variant = bestVariant(), algorithm, prepareFrom = PREPARE_FROM } = options;
  signal?.throwIfAborted();
  const program = options.program ?? compileProgram(model);
  // Kernels that the program has compiled are for a memory that is not.
  const shared = options.shared ?? (provided.module === undefined ? undefined : false);
  const memory = new Memory(residentBytes(program, precision) + PLAN_BYTES, shared);
  const compiled = await compileKernels(variant, memory);
  const network = await loadNetwork(memory, compiled.kernels, program, model, precision, signal);
  const count = threadsFor(program, memory, threads);
  const executorOn = (compiled: CompiledKernels, memory: Memory): Executor =>
    new Executor(compiled, memory, STEP_BYTES, count);
  const engine = new WasmEngine(program, variant, prepareFrom, {
    ...{
      memory,
      network,
      choose: chooser(precision, algorithm),
      executor: executorOn(compiled, memory),
    },
    tries: tune === "auto" && !algorithm && isWorthTrying(program, precision),
    another: async (memory) => executorOn(await compileKernels(variant, memory), memory),
  });
  if (prepareFrom === 0) await engine.prepare();
  return engine;
}

/** What an engine holds until it is disposed. */
interface Loaded {
  readonly memory: Memory;
  readonly network: PackedNetwork;
  readonly executor: Executor;
  /** Makes an executor on another memory. */
  readonly another: (memory: Memory) => Promise<Executor>;
  choose: Choose;
  /** Whether algorithms are still to be tried. */
  tries: boolean;
  /** What one size of input needs. */
  plan?: Plan;
}

const IMAGE = placesIn(Image);

class WasmEngine extends QueuedEngine {
  readonly backend = "wasm";
  readonly precision: Precision;
  readonly device: string;
  /** What is allocated behind this belongs to the plan. */
  readonly #residentBytes: number;
  /** Multiplications and additions that are still done before it is prepared for more. */
  #untilPrepared: number;
  #loaded: Loaded | undefined;

  constructor(program: Program, variant: Variant, prepareFrom: number, loaded: Loaded) {
    super(program);
    this.#untilPrepared = prepareFrom;
    this.#loaded = loaded;
    this.#residentBytes = loaded.memory.top;
    this.precision = loaded.network.precision;
    this.device = `WebAssembly, ${variant} SIMD`;
  }

  get threads(): number {
    return this.#loaded?.executor.threads ?? 1;
  }

  get bytesResident(): number {
    return this.#loaded?.memory.byteLength ?? 0;
  }

  protected async runPart(
    batch: Batch,
    outputs: readonly LayerOutput[],
    signal: AbortSignal | undefined,
  ): Promise<Activations[]> {
    return await this.#movingAfterwards(async () => {
      await this.#prepareFor(batch, outputs);
      const plan = this.#planFor(batch, outputs);
      this.#begin(plan, batch);
      const found = new Map<Values, Activations>();
      for (const { read } of [...plan.convolutions, ...plan.dense]) {
        if (read !== undefined) found.set(read, this.#roomFor(read.stage, plan.count));
      }
      const run = async (segments: readonly Segment[], first: number): Promise<void> => {
        for (const { steps, read } of segments) {
          await this.#execute(steps, signal);
          if (read !== undefined) this.#copyOut(plan, read, found.get(read)!, first);
        }
      };
      for (let first = 0; first < plan.count; first += plan.together) {
        plan.select(first);
        await run(plan.convolutions, first);
      }
      await run(plan.dense, 0);
      return [...found.values()];
    });
  }

  protected async profileBatch(
    batch: Batch,
    signal: AbortSignal | undefined,
  ): Promise<LayerProfile[]> {
    return await this.#movingAfterwards(async () => {
      await this.prepare();
      const plan = this.#planWhole(batch, [layerOutput(this.program)]);
      this.#begin(plan, batch);
      const profiles = new Map<string, LayerProfile>();
      const time = async (segments: readonly Segment[]): Promise<void> => {
        for (const { steps } of segments) {
          for (const step of steps) await this.#time(step, profiles);
        }
      };
      for (let first = 0; first < batch.count; first += plan.together) {
        plan.select(first);
        await time(plan.convolutions);
        await takeTurn(signal); // or no one could abort
      }
      await time(plan.dense);
      return [...profiles.values()];
    });
  }

  protected async free(): Promise<void> {
    const { executor } = this.#loaded!;
    this.#loaded = undefined;
    await executor.end();
  }

  /** Takes the faster algorithms, and waits for threads. */
  async prepare(): Promise<void> {
    await this.#tryAlgorithms();
    await this.#loaded!.executor.start();
  }

  /** Once it pays, takes the faster algorithms and starts threads, for which nobody waits. */
  async #prepareFor(batch: Batch, outputs: readonly LayerOutput[]): Promise<void> {
    if (this.#untilPrepared > 0) {
      this.#untilPrepared -= batch.count * networkOperations(this.program, batch, outputs);
    }
    if (this.#untilPrepared > 0) return;
    await this.#tryAlgorithms();
    this.#loaded!.executor.start();
  }

  async #tryAlgorithms(): Promise<void> {
    const loaded = this.#loaded!, { memory, network, executor } = loaded;
    if (!loaded.tries) return;
    memory.release(this.#residentBytes);
    loaded.plan = undefined;
    loaded.choose = chooser(
      this.precision,
      undefined,
      await tryAlgorithms(memory, this.program, network, executor),
    );
    loaded.tries = false;
  }

  /** Works, and then moves the weights if the memory has become too large or a thread has died. */
  async #movingAfterwards<T>(work: () => Promise<T>): Promise<T> {
    let isBroken = false;
    try {
      return await work();
    } catch (error) {
      isBroken = error instanceof BackendUnavailableError;
      throw error;
    } finally {
      const held = this.#loaded!.memory.byteLength;
      if (isBroken || held > this.#residentBytes + MOST_KEPT) await this.#move();
    }
  }

  /**
   * Moves the weights to another memory with threads of its own: a WebAssembly memory cannot shrink, and
   * one that a dead thread leaves is of no use.
   */
  async #move(): Promise<void> {
    const { memory, executor: old, another, ...rest } = this.#loaded!;
    try {
      const other = memory.copy(this.#residentBytes, PLAN_BYTES);
      const executor = await another(other);
      this.#loaded = { ...rest, memory: other, another, executor, plan: undefined };
    } catch {
      return; // There is no room for both.
    }
    await old.end();
  }

  /** A plan for as many of a batch's images as it should handle. */
  #planFor(batch: Batch, outputs: readonly LayerOutput[]): Plan {
    const { plan, network } = this.#loaded!;
    if (plan !== undefined && isFor(plan, batch, outputs)) return plan;
    const count = Math.min(batch.count, imagesAtOnce(network, batch, outputs));
    return this.#planWhole({ ...batch, count }, outputs);
  }

  /** The last plan, or another one if it was not for this. */
  #planWhole(size: PlanSize, outputs: readonly LayerOutput[]): Plan {
    const loaded = this.#loaded!, { memory, network, choose } = loaded;
    if (loaded.plan === undefined || !isFor(loaded.plan, size, outputs)) {
      memory.release(this.#residentBytes);
      loaded.plan = undefined; // should the next line fail
      loaded.plan = makePlan(memory, network, size, outputs, this.threads, choose);
    }
    return loaded.plan;
  }

  /** Writes the images of a plan, and the scale with which all of them begin. */
  #begin(plan: Plan, { data, count }: Batch): void {
    const { memory } = this.#loaded!;
    const bytes = data.subarray(0, data.length / count * plan.count);
    memory.bytes(plan.input, bytes.length).set(bytes);
    const { mantissa, exponent } = this.program.inputReciprocal;
    for (let n = 0; n < plan.count; n++) {
      const image = (plan.images + n * IMAGE_BYTES) / 4;
      memory.words[image + IMAGE.mantissa] = mantissa;
      memory.words[image + IMAGE.exponent] = exponent;
    }
  }

  async #execute(steps: readonly PlannedStep[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const [from, to] = [steps[0].address, steps.at(-1)!.address + STEP_BYTES];
    await this.#loaded!.executor.execute(from, to, signal);
  }

  async #time(step: PlannedStep, profiles: Map<string, LayerProfile>): Promise<void> {
    const start = performance.now();
    await this.#execute([step]);
    const { layer, algorithm: candidate } = step;
    const { ms, operations } = profiles.get(layer) ?? { ms: 0, operations: 0 };
    profiles.set(layer, {
      layer,
      candidate,
      ms: ms + performance.now() - start,
      operations: operations + step.operations,
    });
  }

  /** What a layer will have given for so many images. */
  #roomFor(
    { read, out: { height, width }, layer: { outChannels } }: Stage,
    count: number,
  ): Activations {
    const numbers = this.precision === "int8" ? Int32Array : Float32Array;
    return {
      layer: read!,
      shape: [count, height, width, outChannels],
      data: new numbers(count * height * width * outChannels),
      scale: new Float64Array(count).fill(1),
    };
  }

  /** Copies the values of a layer that has just run, for images from `first` on. */
  #copyOut(
    plan: Plan,
    { stage: { layer, out, images }, address }: Values,
    { data, scale }: Activations,
    first: number,
  ): void {
    const { outChannels, padded, relu } = layer;
    const { words } = this.#loaded!.memory;
    const values = this.precision === "int8" ? words : new Float32Array(words.buffer);
    let i = first * area(out) * outChannels;
    for (let pixel = 0; pixel < images * area(out); pixel++) {
      const from = address / 4 + pixel * padded;
      for (let o = from; o < from + outChannels; o++) {
        data[i++] = relu ? Math.max(values[o], 0) : values[o];
      }
    }
    if (this.precision === "float") return;
    for (let n = first; n < first + images; n++) scale[n] = this.#unit(plan, n);
  }

  /** `2^(E - Ue) / Um` of an image. */
  #unit({ images }: Plan, n: number): number {
    const { words } = this.#loaded!.memory, image = (images + n * IMAGE_BYTES) / 4;
    const exponent = words[image + IMAGE.shift] - words[image + IMAGE.unitExponent];
    return 2 ** exponent / words[image + IMAGE.unitMantissa];
  }
}

function isFor(
  plan: Plan,
  { count, height, width }: PlanSize,
  outputs: readonly LayerOutput[],
): boolean {
  const names = (of: readonly LayerOutput[]): string => of.map(({ name }) => name).join();
  return plan.count === count && plan.height === height && plan.width === width &&
    names(plan.outputs) === names(outputs);
}
