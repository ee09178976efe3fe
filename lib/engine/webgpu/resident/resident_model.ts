/** A model on the GPU: its tensors, and its runs. */

import type { Model, WeightPiece } from "../../../model/model.ts";
import type { Activations, Batch, Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import { checked, type Gpu } from "../device/device.ts";
import { Memory, vectorsOf } from "../device/memory.ts";
import { type MemoryKind, readWords, runStep, submitSteps, type Tensor } from "../device/tfjs.ts";
import { CHANNEL_MULTIPLE } from "../kernels/kernel.ts";
import { candidateOf, type Tuning } from "../tuning/tile.ts";
import {
  blockVectors,
  packConstants,
  packImages,
  packTable,
  packWeights,
  unpackActivations,
  weightVectors,
} from "./pack.ts";
import type { PlannedLayer } from "./plan.ts";
import { Portions } from "./portions.ts";
import { type Recording, recordRun, type Result, type Role, type RunContext } from "./record.ts";

/** Bytes handed to the queue before it is waited for, so that its copies do not pile up. */
const UPLOAD_WINDOW_BYTES = 16 * 2 ** 20;

/** A model on a device. Not for overlapping runs. */
export class ResidentModel {
  readonly #gpu: Gpu;
  readonly #memory: Memory;
  readonly #context: RunContext;
  readonly #shared = new Map<Role, Tensor>();
  readonly #portions = new Portions();

  constructor(
    gpu: Gpu,
    { parameters, preprocessing }: Pick<Model, "parameters" | "preprocessing">,
    program: Program,
    precision: Precision,
    tuning: Tuning,
  ) {
    this.#gpu = gpu;
    this.#memory = new Memory(gpu.backend);
    const fill = (words: Int32Array<ArrayBuffer>): Tensor => {
      const tensor = this.#memory.allocate(words.length / 4, tuning.memory);
      this.#memory.write(tensor, words);
      return tensor;
    };
    const weighted = program.layers.filter(({ kind }) => kind !== "average");
    this.#context = {
      program,
      precision,
      tuning,
      table: fill(packTable(precision, program, preprocessing)),
      weights: new Map(weighted.map((layer, index): [string, Tensor] => {
        const vectors = weightVectors(layer, index === 0);
        return [layer.name, this.#memory.allocate(vectors, tuning.memory)];
      })),
      constants: new Map(program.layers.map((layer): [string, Tensor] => {
        const own = parameters.find(({ name }) => name === layer.name);
        return [layer.name, fill(packConstants(precision, layer, own))];
      })),
      reserve: (role, vectors) => this.#reserve(role, vectors),
      allocateResult: (vectors) => this.#memory.allocate(vectors, "buffer"),
    };
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  /** Where its tensors lie. */
  get memoryKind(): MemoryKind {
    return this.#context.tuning.memory;
  }

  /** Names how a layer is computed. */
  candidate(planned: PlannedLayer): string {
    return candidateOf(this.#context.tuning, planned);
  }

  async upload(pieces: AsyncIterable<WeightPiece>): Promise<void> {
    const { queue } = this.#gpu.device;
    const { program, weights } = this.#context;
    let pending = 0;
    for await (const { layer: name, first, count, data } of pieces) {
      const layer = program.layers.find((layer) => layer.name === name)!;
      const isFirst = layer === program.layers[0];
      const words = packWeights(layer, isFirst, data, count);
      const offset = first / CHANNEL_MULTIPLE * blockVectors(layer, isFirst);
      this.#memory.write(weights.get(name)!, words, offset);
      pending += words.byteLength;
      if (pending >= UPLOAD_WINDOW_BYTES) {
        queue.submit([]);
        await queue.onSubmittedWorkDone();
        pending = 0;
      }
    }
  }

  /**
   * Runs all steps of a plan, and waits once: for what the layers give that are read. With a signal,
   * which may end the run between layers, it also waits in between, with the next layers under way.
   */
  async run(
    plan: readonly PlannedLayer[],
    batch: Batch,
    signal?: AbortSignal,
  ): Promise<Activations[]> {
    const { backend, device, lost, unlessLost } = this.#gpu;
    const unpack = async ({ planned, values, state }: Result): Promise<Activations> => {
      const read = (tensor: Tensor): Promise<Int32Array> => readWords(backend, tensor);
      const words = await Promise.all([read(values), state && read(state)]);
      return unpackActivations(planned, ...words);
    };
    const portions = signal === undefined ? [undefined] : this.#portions.cut(plan);
    let recording: Recording | undefined;
    let reads: Promise<Activations[]> | undefined;
    let before: Promise<void> | undefined;
    try {
      for (const [index, layers] of portions.entries()) {
        signal?.throwIfAborted();
        let submitted: Promise<void> | undefined;
        await checked(device, () => {
          const { steps, results } = recording ??= this.record(plan, batch);
          for (const step of steps) if (layers?.has(step.layer) ?? true) runStep(backend, step);
          if (index < portions.length - 1) submitted = this.#submit();
          else reads = Promise.all(results.map(unpack));
        });
        await (before && unlessLost(before));
        before = submitted;
      }
      const activations = await unlessLost(reads!);
      this.release(recording!);
      return activations;
    } catch (error) {
      await unlessLost(Promise.resolve(reads)).catch(() => {});
      // Between layers nothing has failed.
      if (error === signal?.reason) {
        if (recording !== undefined) this.release(recording);
      } else if (lost() === undefined) this.#forget(recording);
      throw error;
    }
  }

  #submit(): Promise<void> {
    const start = performance.now();
    const done = submitSteps(this.#gpu.backend)
      .then(() => this.#portions.took(performance.now() - start));
    // It may fail after what is waited for has.
    done.catch(() => {});
    return done;
  }

  /** Lists the steps of a run. {@linkcode ResidentModel.release} takes back what it gives. */
  record(plan: readonly PlannedLayer[], { data, count, height, width }: Batch): Recording {
    const recording = recordRun(this.#context, plan);
    const { channels } = this.#context.program.input;
    this.#memory.write(
      this.#shared.get("image")!,
      packImages(data, count * height, width, channels),
    );
    return recording;
  }

  /** Takes back what a run has given. What was on a lost device is gone. */
  release(recording: Recording): void {
    if (this.#gpu.lost() !== undefined) return;
    for (const tensor of tensorsOf(recording)) this.#memory.recycle(tensor);
  }

  /** Frees everything, unless it went with its device. */
  [Symbol.dispose](): void {
    if (this.#gpu.lost() === undefined) this.#memory[Symbol.dispose]();
  }

  /** Frees what runs share, and a run's results: after a failure nobody knows which are valid. */
  #forget(recording: Recording | undefined): void {
    const results = recording === undefined ? [] : tensorsOf(recording);
    for (const tensor of [...this.#shared.values(), ...results]) this.#memory.free(tensor);
    this.#shared.clear();
  }

  /** A tensor of this role with at least so many vectors; it only grows. */
  #reserve(role: Role, vectors: number): Tensor {
    const found = this.#shared.get(role);
    if (found !== undefined && vectorsOf(found) >= vectors) return found;
    if (found !== undefined) this.#memory.free(found);
    const tensor = this.#memory.allocate(vectors, this.#context.tuning.memory);
    this.#shared.set(role, tensor);
    return tensor;
  }
}

/** Each once: a layer that is read with and without its max-pool has one state. */
function tensorsOf({ results }: Recording): Set<Tensor> {
  const tensors = results.flatMap(({ values, state }) => [values, state]);
  return new Set(tensors.filter((tensor) => tensor !== undefined));
}
