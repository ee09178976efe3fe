/**
 * The WebAssembly executor of the integer program.
 *
 * @module
 */

import type { Model } from "../../vgg/model.ts";
import type { Activations, Batch, Engine, LayerProfile, Precision, RunOptions } from "../engine.ts";
import { compileProgram, type Program } from "../program.ts";
import { PLAIN, RELAXED } from "./binary.ts";
import { Memory } from "./memory.ts";
import { makePlan, type Network, type Plan, type PlanKey, type PlannedStep } from "./plan.ts";
import { type Executor, OwnThread, Pool } from "./pool.ts";
import { tune as tuneKernels } from "./tune.ts";
import { type Kernel, type Stage, STEP_BYTES } from "./steps.ts";
import { type Kernels, loadWeights, placeLayers, placeTable, residentBytes } from "./weights.ts";

/** Options of {@linkcode createWasmEngine}. */
export interface WasmEngineOptions {
  /** Default `"int8"`. */
  readonly precision?: Precision;
  /** How many threads compute; `"auto"`, the default, asks the machine and the size of the model. */
  readonly threads?: "auto" | number;
  /** Stops the loading. */
  readonly signal?: AbortSignal;
  /** Which kernels: by default relaxed SIMD where the runtime has it, plain SIMD elsewhere. */
  readonly variant?: "relaxed" | "plain";
  /** Which algorithm 3x3 convolutions take; by default the faster one. No result depends on it. */
  readonly kernel?: Kernel;
  /** `"auto"` tries the kernels of large models for some 50 ms; `"off"` goes by a rule of thumb. */
  readonly tune?: "auto" | "off";
  /** Constants to use instead of those that the Model compiles to. For tests. */
  readonly program?: Program;
}

/**
 * Loads a Model into WebAssembly memory.
 *
 * @throws {RangeError} If the model does not fit the integer program's bounds, or `threads` is not a
 *   positive integer.
 */
export async function createWasmEngine(
  model: Model,
  options: WasmEngineOptions = {},
): Promise<Engine> {
  const { signal } = options;
  signal?.throwIfAborted();
  const program = options.program ?? compileProgram(model);
  const threads = threadsFor(program, options.threads ?? "auto");
  const variant = options.variant ?? pickVariant();
  const module = await WebAssembly.compile(
    Uint8Array.fromBase64({ relaxed: RELAXED, plain: PLAIN }[variant]),
  );
  const precision = options.precision ?? "int8";
  const memory = new Memory(residentBytes(program, precision) + (1 << 20));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
  const kernels = exports as unknown as Kernels; // what kernels/main.ts exports
  const layers = placeLayers(memory, program, model.parameters, precision);
  const table = placeTable(memory, program, model.preprocessing, precision);
  await loadWeights(memory, kernels, layers, model, precision, signal);
  const network = { layers, table, precision };
  const alone = new OwnThread(kernels, memory.memory, STEP_BYTES);
  const choose = await chooser(program, memory, network, alone, options);
  const executor = await startPool(module, memory, threads) ?? alone;
  return new WasmEngine(program, network, memory, executor, choose, variant);
}

/** Below this many multiplications and additions an image is done before workers have started. */
const THREADS_FROM = 2e9;
/** Below this many an inference is shorter than the trial. */
const TUNE_FROM = 2e9;
const MAX_THREADS = 64;

function threadsFor(program: Program, threads: "auto" | number): number {
  if (threads === "auto") {
    if (operationsOf(program) < THREADS_FROM) return 1;
    return Math.min(MAX_THREADS, globalThis.navigator?.hardwareConcurrency ?? 1);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new RangeError(
      `Expected "auto" or a whole number of threads from 1 to ${MAX_THREADS}: found ${threads}`,
    );
  }
  return threads;
}

/** Multiplications and additions for one image of the training size. */
function operationsOf({ input, layers }: Program): number {
  let { height, width } = input;
  let operations = 0;
  for (const { kernel, padding, inChannels, outChannels, pool } of layers) {
    height += 2 * padding - kernel[0] + 1;
    width += 2 * padding - kernel[1] + 1;
    operations += 2 * height * width * kernel[0] * kernel[1] * inChannels * outChannels;
    if (pool) [height, width] = [height >> 1, width >> 1];
  }
  return operations;
}

/** A pool; none where one thread is enough, or where workers are missing or not permitted. */
async function startPool(
  module: WebAssembly.Module,
  memory: Memory,
  threads: number,
): Promise<Executor | undefined> {
  if (threads === 1) return undefined;
  try {
    return await Pool.start(module, memory.memory, threads);
  } catch {
    return undefined; // One thread gives the same results.
  }
}

/** The smallest module with an instruction of relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[65, 1, 253, 15, 65, 2, 253, 15, 253, 146, 2, 11],
]);

function pickVariant(): "relaxed" | "plain" {
  return WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "plain";
}

class WasmEngine implements Engine {
  readonly backend = "wasm";
  readonly precision: Precision;
  readonly device: string;
  #program: Program;
  #network: Network;
  #memory: Memory;
  #executor: Executor;
  #choose: (stage: Stage) => Kernel;
  #resident: number;
  #plan: Plan | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    program: Program,
    network: Network,
    memory: Memory,
    executor: Executor,
    choose: (stage: Stage) => Kernel,
    variant: string,
  ) {
    this.#program = program;
    this.#network = network;
    this.precision = network.precision;
    this.#memory = memory;
    this.#executor = executor;
    this.#choose = choose;
    this.#resident = memory.top;
    this.device = `WebAssembly, ${variant} SIMD`;
  }

  get threads(): number {
    return this.#executor.threads;
  }

  get bytesResident(): number {
    return this.#memory.top;
  }

  run(batch: Batch, options: RunOptions = {}): Promise<Activations> {
    const result = this.#queue.then(() => this.#run(batch, options));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #run(batch: Batch, { layer, signal }: RunOptions): Promise<Activations> {
    signal?.throwIfAborted();
    const plan = this.#planFor(keyOf(this.#program, batch, layer));
    this.#memory.bytes(plan.input, batch.data.length).set(batch.data);
    this.#resetImages(plan);
    const last = this.#network.layers[plan.key.last];
    const { rows, columns } = plan.output;
    const numbers = this.precision === "int8" ? Int32Array : Float32Array;
    const data = new numbers(batch.count * rows * columns * last.outChannels);
    for (let first = 0; first < batch.count; first += plan.group) {
      plan.select(first);
      await this.#execute(plan.convolutions, signal);
      if (plan.dense.length === 0) this.#copyOut(plan, data, first, plan.group);
    }
    if (plan.dense.length > 0) {
      await this.#execute(plan.dense, signal);
      this.#copyOut(plan, data, 0, batch.count);
    }
    return {
      layer: layer ?? last.pool ?? last.name,
      shape: [batch.count, rows, columns, last.outChannels],
      data,
      scale: this.#units(plan),
    };
  }

  #planFor(key: PlanKey): Plan {
    const old = this.#plan?.key;
    if (
      !old || (Object.keys(key) as (keyof PlanKey)[]).some((field) => key[field] !== old[field])
    ) {
      this.#memory.release(this.#resident);
      this.#plan = makePlan(this.#memory, this.#network, key, this.threads, this.#choose);
    }
    return this.#plan!;
  }

  async profile(batch: Batch): Promise<LayerProfile[]> {
    await this.run(batch);
    const profiles = new Map<string, LayerProfile>();
    const plan = this.#plan!;
    this.#memory.bytes(plan.input, batch.data.length).set(batch.data);
    this.#resetImages(plan);
    const measure = async (steps: readonly PlannedStep[]): Promise<void> => {
      for (const step of steps) {
        const start = performance.now();
        await this.#execute([step]);
        const { layer, operations, kernel } = step;
        const old = profiles.get(layer) ?? { layer, ms: 0, operations: 0, candidate: kernel };
        profiles.set(layer, {
          ...old,
          ms: old.ms + performance.now() - start,
          operations: old.operations + operations,
        });
      }
    };
    for (let first = 0; first < batch.count; first += plan.group) {
      plan.select(first);
      await measure(plan.convolutions);
    }
    await measure(plan.dense);
    return [...profiles.values()];
  }

  async #execute(steps: readonly PlannedStep[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const [from, last] = [steps[0], steps.at(-1)!];
    await this.#executor.execute(from.address, last.address + STEP_BYTES, signal);
  }

  #resetImages(plan: Plan): void {
    const { mantissa, exponent } = this.#program.inputReciprocal;
    for (let n = 0; n < plan.key.count; n++) {
      this.#memory.words.set([mantissa, exponent], (plan.images >> 2) + n * 8);
    }
  }

  /** `2^(E - Ue) / Um` of each image. */
  #units(plan: Plan): Float64Array {
    if (this.precision === "float") return new Float64Array(plan.key.count).fill(1);
    return Float64Array.from({ length: plan.key.count }, (_, n) => {
      const at = (plan.images >> 2) + n * 8;
      const [mantissa, exponent, shift] = this.#memory.words.subarray(at + 2, at + 5);
      return 2 ** (shift - exponent) / mantissa;
    });
  }

  #copyOut(plan: Plan, to: Int32Array | Float32Array, first: number, count: number): void {
    const { address, rows, columns, padded } = plan.output;
    const { outChannels, relu } = this.#network.layers[plan.key.last];
    const { words } = this.#memory;
    const values = this.precision === "int8" ? words : new Float32Array(words.buffer);
    let i = first * rows * columns * outChannels;
    for (let pixel = 0; pixel < count * rows * columns; pixel++) {
      const from = (address >> 2) + pixel * padded;
      for (let o = from; o < from + outChannels; o++) {
        to[i++] = relu ? Math.max(values[o], 0) : values[o];
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    this.#plan = undefined;
    await this.#executor.end();
  }
}

/** Output pixels from which on Winograd's algorithm is taken where nothing was tried. */
const WINOGRAD_FROM = 64;

/** Decides which kernel a layer takes: as told, as tried, or by a rule of thumb. */
async function chooser(
  program: Program,
  memory: Memory,
  network: Network,
  executor: Executor,
  { kernel, tune = "auto" }: WasmEngineOptions,
): Promise<(stage: Stage) => Kernel> {
  const hasChoice = ({ layer, first }: Stage): boolean => layer.padding === 1 && !first;
  const { height, width } = program.input;
  const last = network.layers.length - 1;
  const tried = tune === "auto" && !kernel && operationsOf(program) >= TUNE_FROM
    ? await tuneKernels(
      memory,
      network,
      executor,
      { count: 1, height, width, last, pooled: true },
      hasChoice,
    )
    : undefined;
  return (stage) => {
    if (!hasChoice(stage)) return "direct";
    const pixels = stage.full.rows * stage.full.columns * stage.images;
    return kernel ?? tried?.get(stage.layer.name) ??
      (pixels >= WINOGRAD_FROM ? "winograd" : "direct");
  };
}

/** Checks a batch and finds the layer. */
function keyOf(program: Program, batch: Batch, layer: string | undefined): PlanKey {
  const { input, layers } = program;
  const { data, count, height, width } = batch;
  if (!(count >= 1) || data.length !== count * height * width * input.channels) {
    throw new RangeError(
      `Expected ${count} images of ${height}x${width}x${input.channels} bytes: found ${data.length} bytes`,
    );
  }
  if (height < input.height || width < input.width) {
    throw new RangeError(
      `Expected an image of at least ${input.height}x${input.width}: found ${height}x${width}`,
    );
  }
  const last = layer === undefined
    ? layers.length - 1
    : layers.findIndex(({ name, pool }) => name === layer || pool === layer);
  if (last < 0) {
    const names = layers.flatMap(({ name, pool }) => pool ? [name, pool] : [name]);
    throw new RangeError(`Unknown layer "${layer}": expected one of ${names.join(", ")}`);
  }
  return { count, height, width, last, pooled: layer === undefined || layers[last].pool === layer };
}
