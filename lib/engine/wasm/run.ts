/**
 * Runs batches through the network in WebAssembly memory.
 *
 * @module
 */

import type { Activations, Batch, LayerProfile, Precision } from "../engine.ts";
import type { LastLayer, Program } from "../program.ts";
import { QueuedEngine } from "../queued_engine.ts";
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
export class WasmEngine extends QueuedEngine {
  readonly backend = "wasm";
  readonly precision: Precision;
  readonly device: string;
  readonly #parts: Parts;
  /** What is allocated behind this belongs to the plan. */
  readonly #resident: number;
  #plan: Plan | undefined;

  constructor(parts: Parts) {
    super(parts.program);
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

  protected imagesPerPart(batch: Batch, last: LastLayer): number {
    return imagesAtOnce(this.#parts.network, keyOf(batch, last));
  }

  protected async runPart(
    part: Batch,
    last: LastLayer,
    signal: AbortSignal | undefined,
  ): Promise<Activations> {
    const key = keyOf(part, last);
    const plan = this.#planFor(key);
    this.#begin(plan, part.data);
    const { outChannels } = this.#parts.network.layers[key.last];
    const { rows, columns } = plan.output;
    const numbers = this.precision === "int8" ? Int32Array : Float32Array;
    const data = new numbers(key.count * rows * columns * outChannels);
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
      layer: last.name,
      shape: [key.count, rows, columns, outChannels],
      data,
      scale: this.#units(plan),
    };
  }

  protected async profileBatch(batch: Batch, last: LastLayer): Promise<LayerProfile[]> {
    const plan = this.#planFor(keyOf(batch, last));
    this.#begin(plan, batch.data);
    const profiles = new Map<string, LayerProfile>();
    for (let first = 0; first < batch.count; first += plan.group) {
      plan.select(first);
      for (const step of plan.convolutions) await this.#time(step, profiles);
    }
    for (const step of plan.dense) await this.#time(step, profiles);
    return [...profiles.values()];
  }

  protected async free(): Promise<void> {
    await this.#parts.executor.end();
    this.#parts.memory.release(0);
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

function keyOf({ count, height, width }: Batch, { index, pooled }: LastLayer): PlanKey {
  return { count, height, width, last: index, pooled };
}
