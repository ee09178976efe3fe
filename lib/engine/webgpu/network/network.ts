/**
 * A model's tensors on the GPU.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { WeightPiece } from "../../../model/model.ts";
import type { Batch, Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import { constantWords, imageWords, tableWords } from "./constants.ts";
import { CHANNEL_STEP, padChannels } from "../kernels/layout.ts";
import { Memory, type MemoryKind } from "../device/memory.ts";
import type { LayerPlan } from "./plan.ts";
import {
  type LayerTensors,
  type Recording,
  recordRun,
  type Role,
  type RunContext,
  tileOf,
} from "./record.ts";
import { candidateName, denseName, denseTile, type Tuning } from "../tuning/tile.ts";
import { blockVectors, packWeights, weightVectors } from "./weights.ts";

/** Bytes handed to the queue before it is waited for, so that its copies do not pile up. */
const UPLOAD_WINDOW_BYTES = 16 * 2 ** 20;

/** A network on a device. Not for overlapping runs. */
export class Network {
  readonly #backend: WebGPUBackend;
  readonly #program: Program;
  readonly #precision: Precision;
  readonly #tuning: Tuning;
  readonly #memory: Memory;
  readonly #table: TensorInfo;
  readonly #layers = new Map<string, LayerTensors>();
  readonly #shared = new Map<Role, TensorInfo>();

  constructor(backend: WebGPUBackend, program: Program, precision: Precision, tuning: Tuning) {
    this.#backend = backend;
    this.#program = program;
    this.#precision = precision;
    this.#tuning = tuning;
    this.#memory = new Memory(backend);
    this.#table = this.#fill(256, tableWords(precision, program));
    program.layers.forEach((layer, index) => {
      this.#layers.set(layer.name, {
        weights: this.#memory.allocate(weightVectors(layer, index === 0), tuning.memory),
        constants: this.#fill(
          padChannels(layer.outChannels) / 2,
          constantWords(precision, layer),
        ),
      });
    });
  }

  /** Bytes of all its tensors. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** Where its tensors lie. */
  get memoryKind(): MemoryKind {
    return this.#tuning.memory;
  }

  /** Names the kernel that computes a layer. */
  candidate(step: LayerPlan): string {
    const { memory } = this.#tuning;
    if (step.kernel === "convolution") {
      return candidateName({ memory, tile: tileOf(this.#tuning, step) });
    }
    if (step.kernel === "first") return `${memory} first`;
    return denseName({ memory, tile: denseTile(this.#tuning, step.output.images) });
  }

  /** Uploads the weights, piece by piece. */
  async upload(pieces: AsyncIterable<WeightPiece>): Promise<void> {
    const { queue } = this.#backend;
    let pending = 0;
    for await (const { layer: name, first, count, data } of pieces) {
      const index = this.#program.layers.findIndex((layer) => layer.name === name);
      const layer = this.#program.layers[index];
      const words = packWeights(layer, index === 0, data, count);
      const offset = first / CHANNEL_STEP * blockVectors(layer, index === 0);
      this.#memory.write(this.#layers.get(name)!.weights, words, offset);
      pending += words.byteLength;
      if (pending >= UPLOAD_WINDOW_BYTES) {
        queue.submit([]);
        await queue.onSubmittedWorkDone();
        pending = 0;
      }
    }
  }

  /** Lists the passes of a run. What it gives must be given to {@linkcode Network.release} when it was read. */
  record(plan: readonly LayerPlan[], batch: Batch): Recording {
    const context: RunContext = {
      backend: this.#backend,
      program: this.#program,
      precision: this.#precision,
      tuning: this.#tuning,
      table: this.#table,
      layers: this.#layers,
      reserve: (role, vectors) => this.#reserve(role, vectors),
      allocateResult: (vectors) => this.#memory.allocate(vectors, "buffer"),
    };
    return recordRun(context, plan, (vectors) => {
      const image = this.#reserve("image", vectors);
      const { data, count, height, width } = batch;
      const { channels } = this.#program.input;
      this.#memory.write(image, imageWords(data, count * height, width, channels));
      return image;
    });
  }

  /** Takes back what a run has given. */
  release({ values, state }: Recording): void {
    this.#memory.recycle(values);
    if (state !== undefined) this.#memory.recycle(state);
  }

  /** Frees what runs share, and a run's results: after one that failed, nobody knows which of them are valid. */
  forget(recording: Recording | undefined): void {
    const { values, state } = recording ?? {};
    for (const tensor of [...this.#shared.values(), values, state]) {
      if (tensor !== undefined) this.#memory.free(tensor);
    }
    this.#shared.clear();
  }

  /** Frees everything. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }

  /** A tensor of this role with at least so many vectors; it only grows. */
  #reserve(role: Role, vectors: number): TensorInfo {
    const found = this.#shared.get(role);
    if (found !== undefined && found.shape[0] >= vectors * 4) return found;
    if (found !== undefined) this.#memory.free(found);
    const tensor = this.#memory.allocate(vectors, this.#tuning.memory);
    this.#shared.set(role, tensor);
    return tensor;
  }

  #fill(vectors: number, words: Int32Array<ArrayBuffer>): TensorInfo {
    const tensor = this.#memory.allocate(vectors, this.#tuning.memory);
    this.#memory.write(tensor, words);
    return tensor;
  }
}
