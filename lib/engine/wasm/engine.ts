/** The WebAssembly executor of the integer program. */

import { BackendUnavailableError } from "../../errors.ts";
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
import { type LastLayer, networkOperations } from "../geometry.ts";
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
  STEP_BYTES,
} from "./plan.ts";
import { Executor, threadsFor } from "./executor.ts";
import type { Algorithm } from "./stage.ts";
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
  const memory = new Memory(residentBytes(program, precision) + PLAN_BYTES, options.shared ?? true);
  const compiled = await compileKernels(variant, memory);
  const network = await loadNetwork(memory, compiled.kernels, program, model, precision, signal);
  const count = threadsFor(program, memory, threads);
  const executorOn = (compiled: CompiledKernels, memory: Memory): Executor =>
    new Executor(compiled, memory, STEP_BYTES, count);
  const engine = new WasmEngine(program, variant, prepareFrom, {
    ...{ memory, network, choose: chooser(algorithm), executor: executorOn(compiled, memory) },
    tries: tune === "auto" && !algorithm && isWorthTrying(program),
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
    last: LastLayer,
    signal: AbortSignal | undefined,
  ): Promise<Activations> {
    return await this.#movingAfterwards(async () => {
      await this.#prepareFor(batch, last);
      const plan = this.#planFor(batch, last);
      this.#begin(plan, batch);
      const { count, together, output: { height, width } } = plan;
      const { outChannels } = this.program.layers[last.index];
      const numbers = this.precision === "int8" ? Int32Array : Float32Array;
      const data = new numbers(count * height * width * outChannels);
      for (let first = 0; first < count; first += together) {
        plan.select(first);
        await this.#execute(plan.convolutions, signal);
        if (plan.dense.length === 0) this.#copyOut(plan, data, first, together);
      }
      if (plan.dense.length > 0) {
        await this.#execute(plan.dense, signal);
        this.#copyOut(plan, data, 0, count);
      }
      const shape = [count, height, width, outChannels] as const;
      return { layer: last.name, shape, data, scale: this.#units(plan) };
    });
  }

  protected async profileBatch(
    batch: Batch,
    last: LastLayer,
    signal: AbortSignal | undefined,
  ): Promise<LayerProfile[]> {
    return await this.#movingAfterwards(async () => {
      await this.prepare();
      const plan = this.#planWhole(batch, last);
      this.#begin(plan, batch);
      const profiles = new Map<string, LayerProfile>();
      for (let first = 0; first < batch.count; first += plan.together) {
        plan.select(first);
        for (const step of plan.convolutions) await this.#time(step, profiles);
        await new Promise((resolve) => setImmediate(resolve)); // or no one could abort
        signal?.throwIfAborted();
      }
      for (const step of plan.dense) await this.#time(step, profiles);
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
  async #prepareFor(batch: Batch, last: LastLayer): Promise<void> {
    if (this.#untilPrepared > 0) {
      this.#untilPrepared -= batch.count * networkOperations(this.program, batch, last);
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
  #planFor(batch: Batch, last: LastLayer): Plan {
    const { plan, network } = this.#loaded!;
    if (plan !== undefined && isFor(plan, batch, last)) return plan;
    const count = Math.min(batch.count, imagesAtOnce(network, batch, last));
    return this.#planWhole({ ...batch, count }, last);
  }

  /** The last plan, or another one if it was not for this. */
  #planWhole(size: PlanSize, last: LastLayer): Plan {
    const loaded = this.#loaded!, { memory, network, choose } = loaded;
    if (loaded.plan === undefined || !isFor(loaded.plan, size, last)) {
      memory.release(this.#residentBytes);
      loaded.plan = undefined; // should the next line fail
      loaded.plan = makePlan(memory, network, size, last, this.threads, choose);
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

  /** `2^(E - Ue) / Um` of each image. */
  #units({ images, count }: Plan): Float64Array {
    if (this.precision === "float") return new Float64Array(count).fill(1);
    const { words } = this.#loaded!.memory;
    return Float64Array.from({ length: count }, (_, n) => {
      const image = (images + n * IMAGE_BYTES) / 4;
      const exponent = words[image + IMAGE.shift] - words[image + IMAGE.unitExponent];
      return 2 ** exponent / words[image + IMAGE.unitMantissa];
    });
  }

  /** Copies the last layer's values of some images, without the padding of their channels. */
  #copyOut(plan: Plan, to: Int32Array | Float32Array, first: number, count: number): void {
    const { address, height, width, padded } = plan.output;
    const { outChannels, relu } = this.program.layers[plan.last.index];
    const { words } = this.#loaded!.memory;
    const values = this.precision === "int8" ? words : new Float32Array(words.buffer);
    let i = first * height * width * outChannels;
    for (let pixel = 0; pixel < count * height * width; pixel++) {
      const from = address / 4 + pixel * padded;
      for (let o = from; o < from + outChannels; o++) {
        to[i++] = relu ? Math.max(values[o], 0) : values[o];
      }
    }
  }
}

function isFor(plan: Plan, { count, height, width }: PlanSize, { name }: LastLayer): boolean {
  return plan.count === count && plan.height === height && plan.width === width &&
    plan.last.name === name;
}
