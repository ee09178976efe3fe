/**
 * The WebAssembly executor of the integer program.
 *
 * @module
 */

import type { Model } from "../../model/model.ts";
import type { Engine, Precision } from "../engine.ts";
import { compileProgram, type Program } from "../program.ts";
import { PLAIN, RELAXED } from "./binary.ts";
import { Memory } from "./memory.ts";
import type { Network } from "./plan.ts";
import { type Executor, OwnThread, Pool } from "./pool.ts";
import { WasmEngine } from "./run.ts";
import type { Kernel, Stage } from "./stage.ts";
import { STEP_BYTES } from "./steps.ts";
import { tune as tuneKernels } from "./tune.ts";
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
  /** Whether threads share the memory; by default they do where the runtime permits it. */
  readonly shared?: boolean;
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
  const precision = options.precision ?? "int8";
  const memory = new Memory(residentBytes(program, precision) + (1 << 20), options.shared ?? true);
  const module = await WebAssembly.compile(binaryFor(variant, memory));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
  const kernels = exports as unknown as Kernels; // what kernels/main.ts exports
  const layers = placeLayers(memory, program, model.parameters, precision);
  const table = placeTable(memory, program, model.preprocessing, precision);
  await loadWeights(memory, kernels, layers, model, precision, signal);
  const network = { layers, table, precision };
  const alone = new OwnThread(kernels, memory.memory, STEP_BYTES);
  const choose = await chooser(program, memory, network, alone, options);
  const executor = await startPool(module, memory, threads) ?? alone;
  const device = `WebAssembly, ${variant} SIMD`;
  return new WasmEngine({ program, network, memory, executor, choose, device });
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
  if (threads === 1 || !memory.shared) return undefined;
  try {
    return await Pool.start(module, memory.memory, threads);
  } catch {
    return undefined; // One thread gives the same results.
  }
}

/** The import of the memory, up to its limits: flags that say "shared, with a maximum". */
const SHARED_IMPORT = "\x03env\x06memory\x02\x03";

/** The kernels, for a memory that is shared or not: their import has to say the same. */
function binaryFor(variant: "relaxed" | "plain", memory: Memory): Uint8Array<ArrayBuffer> {
  const binary = atob({ relaxed: RELAXED, plain: PLAIN }[variant]);
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  if (!memory.shared) bytes[binary.indexOf(SHARED_IMPORT) + SHARED_IMPORT.length - 1] = 1;
  return bytes;
}

/** The smallest module with an instruction of relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[65, 1, 253, 15, 65, 2, 253, 15, 253, 146, 2, 11],
]);

function pickVariant(): "relaxed" | "plain" {
  return WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "plain";
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
