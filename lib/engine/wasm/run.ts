/**
 * Runs batches through the network in WebAssembly memory.
 *
 * @module
 */

import { BackendUnavailableError } from "../../errors.ts";
import type { Activations, Batch, Engine, LayerProfile, Precision, RunOptions } from "../engine.ts";
import type { Program } from "../program.ts";
import type { Memory } from "./memory.ts";
import {
  IMAGE_WORDS,
  imagesAtOnce,
  makePlan,
  type Network,
  type Plan,
  type PlanKey,
  type PlannedStep,
} from "./plan.ts";
import type { Executor } from "./pool.ts";
import type { Kernel, Stage } from "./stage.ts";
import { STEP_BYTES } from "./steps.ts";

/** Everything that a {@linkcode WasmEngine} is made of. */
export interface Parts {
  readonly program: Program;
  readonly network: Network;
  readonly memory: Memory;
  readonly executor: Executor;
  /** Which kernel a layer takes. */
  readonly choose: (stage: Stage) => Kernel;
  readonly device: string;
}

/** The engine, once everything is loaded. */
export class WasmEngine implements Engine {
  readonly backend = "wasm";
  readonly precision: Precision;
  readonly device: string;
  readonly #parts: Parts;
  /** What is allocated behind this belongs to the plan. */
  readonly #resident: number;
  #plan: Plan | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#resident = parts.memory.top;
    this.precision = parts.network.precision;
    this.device = parts.device;
  }

  get threads(): number {
    return this.#parts.executor.threads;
  }

  get bytesResident(): number {
    return this.#parts.memory.top;
  }

  run(batch: Batch, options: RunOptions = {}): Promise<Activations> {
    return this.#enqueue(() => this.#run(batch, options));
  }

  profile(batch: Batch): Promise<LayerProfile[]> {
    return this.#enqueue(() => this.#profile(batch));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#queue;
    await this.#parts.executor.end();
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#disposed) {
      return Promise.reject(new BackendUnavailableError("wasm", "the engine has been disposed"));
    }
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #run(batch: Batch, { layer, signal }: RunOptions): Promise<Activations> {
    signal?.throwIfAborted();
    const { program, network } = this.#parts;
    const key = keyOf(program, batch, layer);
    const most = imagesAtOnce(network, key);
    const parts: Activations[] = [];
    for (let first = 0; first < batch.count; first += most) {
      const count = Math.min(most, batch.count - first);
      const data = batch.data.subarray(
        first * imageBytes(batch),
        (first + count) * imageBytes(batch),
      );
      parts.push(await this.#runPart({ ...key, count }, data, signal));
    }
    return { ...joined(parts), layer: layer ?? parts[0].layer };
  }

  async #runPart(key: PlanKey, bytes: Uint8Array, signal?: AbortSignal): Promise<Activations> {
    const plan = this.#planFor(key);
    this.#begin(plan, bytes);
    const last = this.#parts.network.layers[key.last];
    const { rows, columns } = plan.output;
    const numbers = this.precision === "int8" ? Int32Array : Float32Array;
    const data = new numbers(key.count * rows * columns * last.outChannels);
    for (let first = 0; first < key.count; first += plan.group) {
      plan.select(first);
      await this.#execute(plan.convolutions, signal);
      if (plan.dense.length === 0) this.#copyOut(plan, data, first, plan.group);
    }
    if (plan.dense.length > 0) {
      await this.#execute(plan.dense, signal);
      this.#copyOut(plan, data, 0, key.count);
    }
    return {
      layer: last.pool ?? last.name,
      shape: [key.count, rows, columns, last.outChannels],
      data,
      scale: this.#units(plan),
    };
  }

  async #profile(batch: Batch): Promise<LayerProfile[]> {
    const plan = this.#planFor(keyOf(this.#parts.program, batch, undefined));
    this.#begin(plan, batch.data);
    const profiles = new Map<string, LayerProfile>();
    for (let first = 0; first < batch.count; first += plan.group) {
      plan.select(first);
      for (const step of plan.convolutions) await this.#time(step, profiles);
    }
    for (const step of plan.dense) await this.#time(step, profiles);
    return [...profiles.values()];
  }

  async #time(step: PlannedStep, profiles: Map<string, LayerProfile>): Promise<void> {
    const start = performance.now();
    await this.#execute([step]);
    const { layer, kernel: candidate } = step;
    const { ms, operations } = profiles.get(layer) ?? { ms: 0, operations: 0 };
    profiles.set(layer, {
      layer,
      candidate,
      ms: ms + performance.now() - start,
      operations: operations + step.operations,
    });
  }

  #planFor(key: PlanKey): Plan {
    const old = this.#plan?.key;
    const fields = Object.keys(key) as (keyof PlanKey)[];
    if (!old || fields.some((field) => key[field] !== old[field])) {
      const { memory, network, choose } = this.#parts;
      memory.release(this.#resident);
      this.#plan = undefined; // should the next line fail
      this.#plan = makePlan(memory, network, key, this.threads, choose);
    }
    return this.#plan!;
  }

  /** Writes the images, and the scale that all of them have. */
  #begin(plan: Plan, bytes: Uint8Array): void {
    const { memory, program } = this.#parts;
    memory.bytes(plan.input, bytes.length).set(bytes);
    const { mantissa, exponent } = program.inputReciprocal;
    for (let n = 0; n < plan.key.count; n++) {
      memory.words.set([mantissa, exponent], (plan.images >> 2) + n * IMAGE_WORDS);
    }
  }

  async #execute(steps: readonly PlannedStep[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const [from, to] = [steps[0].address, steps.at(-1)!.address + STEP_BYTES];
    await this.#parts.executor.execute(from, to, signal);
  }

  /** `2^(E - Ue) / Um` of each image. */
  #units(plan: Plan): Float64Array {
    if (this.precision === "float") return new Float64Array(plan.key.count).fill(1);
    return Float64Array.from({ length: plan.key.count }, (_, n) => {
      const at = (plan.images >> 2) + n * IMAGE_WORDS;
      const [mantissa, exponent, shift] = this.#parts.memory.words.subarray(at + 2, at + 5);
      return 2 ** (shift - exponent) / mantissa;
    });
  }

  #copyOut(plan: Plan, to: Int32Array | Float32Array, first: number, count: number): void {
    const { address, rows, columns, padded } = plan.output;
    const { outChannels, relu } = this.#parts.network.layers[plan.key.last];
    const { words } = this.#parts.memory;
    const values = this.precision === "int8" ? words : new Float32Array(words.buffer);
    let i = first * rows * columns * outChannels;
    for (let pixel = 0; pixel < count * rows * columns; pixel++) {
      const from = (address >> 2) + pixel * padded;
      for (let o = from; o < from + outChannels; o++) {
        to[i++] = relu ? Math.max(values[o], 0) : values[o];
      }
    }
  }
}

const imageBytes = ({ data, count }: Batch): number => data.length / count;

/** Puts the parts of a batch together. */
function joined(parts: readonly Activations[]): Activations {
  if (parts.length === 1) return parts[0];
  const [{ layer, shape: [, rows, columns, channels], data: { constructor } }] = parts;
  const count = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const length = count * rows * columns * channels;
  const data = constructor === Int32Array ? new Int32Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  const scale = Float64Array.from(parts.flatMap((part) => [...part.scale]));
  return { layer, shape: [count, rows, columns, channels], data, scale };
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
