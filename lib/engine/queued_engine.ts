/**
 * What both executors do around their kernels: checks, the queue, the parts of a batch, disposal.
 */

import { DisposedError } from "../errors.ts";
import type {
  Activations,
  Backend,
  Batch,
  Engine,
  LayerProfile,
  Precision,
  RunLayersOptions,
  RunOptions,
} from "./engine.ts";
import { type LayerOutput, layerOutput, layerOutputs } from "./geometry.ts";
import type { Program } from "./program.ts";

/** An engine that is told only how to run a part of a batch, one at a time. */
export abstract class QueuedEngine implements Engine {
  abstract readonly backend: Backend;
  abstract readonly precision: Precision;
  abstract readonly threads: number;
  abstract readonly device: string;
  abstract readonly bytesResident: number;
  protected readonly program: Program;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(program: Program) {
    this.program = program;
  }

  /**
   * Runs as many of a batch's images as fit at once, from the first on, and gives each of the outputs.
   * May end early if `signal` is aborted; it is looked at before each part.
   */
  protected abstract runPart(
    batch: Batch,
    outputs: readonly LayerOutput[],
    signal: AbortSignal | undefined,
  ): Promise<Activations[]>;
  /** Times the layers of a whole batch. May end early if `signal` is aborted. */
  protected abstract profileBatch(
    batch: Batch,
    signal: AbortSignal | undefined,
  ): Promise<LayerProfile[]>;
  /** Frees what the engine holds, once nothing runs any more. */
  protected abstract free(): Promise<void>;

  async run(batch: Batch, { layer, signal }: RunOptions = {}): Promise<Activations> {
    const layers = [layer ?? layerOutput(this.program).name];
    const [activations] = await this.runLayers(batch, layers, { signal });
    return activations!;
  }

  async runLayers(
    batch: Batch,
    layers: readonly string[],
    { signal }: RunLayersOptions = {},
  ): Promise<Activations[]> {
    this.#check(batch);
    const outputs = layerOutputs(this.program, layers);
    return await this.#enqueue(async () => {
      const parts: Activations[][] = [];
      for (let first = 0; first < batch.count; first += parts.at(-1)![0]!.shape[0]) {
        signal?.throwIfAborted();
        const rest = imagesOf(batch, first, batch.count - first);
        parts.push(await this.runPart(rest, outputs, signal));
      }
      const found = outputs.map((_, i) => concatenate(parts.map((part) => part[i]!)));
      return layers.map((name) => found.find(({ layer }) => layer === name)!);
    });
  }

  async profile(batch: Batch, { signal }: RunLayersOptions = {}): Promise<LayerProfile[]> {
    this.#check(batch);
    return await this.#enqueue(() => {
      signal?.throwIfAborted();
      return this.profileBatch(batch, signal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wasDisposed = this.#disposed;
    this.#disposed = true;
    this.#queue = this.#queue.then(() => wasDisposed ? undefined : this.free());
    await this.#queue;
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  #check({ data, count, height, width }: Batch): void {
    if (this.#disposed) throw new DisposedError("engine");
    const { input } = this.program;
    if (!(height >= input.height && width >= input.width)) {
      throw new RangeError(
        `Expected images of at least ${input.height}x${input.width}: found ${height}x${width}`,
      );
    }
    const bytes = count * height * width * input.channels;
    if (!(Number.isInteger(count) && count >= 1) || data.length !== bytes) {
      throw new RangeError(
        `Expected at least 1 image of ${height}x${width}x${input.channels} bytes: found ${data.length} bytes for ${count}`,
      );
    }
  }
}

/** Some of a batch's images. */
export function imagesOf(batch: Batch, first: number, count: number): Batch {
  const size = batch.data.length / batch.count;
  return { ...batch, count, data: batch.data.subarray(first * size, (first + count) * size) };
}

/** Puts the activations of parts of a batch together, of one at least. */
export function concatenate(parts: readonly Activations[]): Activations {
  const first = parts[0]!;
  if (parts.length === 1) return first;
  const length = parts.reduce((sum, { data }) => sum + data.length, 0);
  const data = first.data instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  const [, height, width, channels] = first.shape;
  const count = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const scale = Float64Array.from(parts.flatMap((part) => [...part.scale]));
  return { layer: first.layer, shape: [count, height, width, channels], data, scale };
}
