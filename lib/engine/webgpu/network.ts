/**
 * A model's tensors on the GPU, and the passes of a run over them.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { WeightPiece } from "../../vgg/model.ts";
import type { Batch, Precision } from "../engine.ts";
import type { Program } from "../program.ts";
import { constantWords, imageWords, tableWords } from "./constants.ts";
import { type ConvolutionTile, convolutionWorkgroups, convolve } from "./convolution.ts";
import { multiplyDense } from "./dense.ts";
import { convolveFirst, firstConvolutionWorkgroups } from "./first_convolution.ts";
import { CHANNEL_STEP, elements, padChannels, stateVectors } from "./layout.ts";
import { Memory, type MemoryKind } from "./memory.ts";
import { type LayerPlan, runVectors } from "./plan.ts";
import { requantize } from "./requantize.ts";
import { beginFirst, endAndBegin } from "./scale.ts";
import { candidateName, defaultTile, denseTile, type Tuning } from "./tile.ts";
import { blockVectors, packWeights, weightVectors } from "./weights.ts";

/** One dispatch of a run. */
export interface Pass {
  readonly layer: string;
  /** What it computes: `"convolution"`, `"scale"`, `"requantize"`, …. */
  readonly kernel: string;
  /** Records it. */
  run(): void;
}

/** Everything that a run consists of, and where its results will be. */
export interface Recording {
  readonly passes: readonly Pass[];
  /** What the last layer gives. */
  readonly values: TensorInfo;
  /** The last layer's state; none with float. */
  readonly state: TensorInfo | undefined;
}

/** What the tensors of a run are for. They are shared by all layers, and by all runs. */
type Role = "image" | "values" | "state0" | "state1" | "activations0" | "activations1";

interface LayerTensors {
  readonly weights: TensorInfo;
  readonly constants: TensorInfo;
}

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
  candidate({ kernel, layer: { name }, output }: LayerPlan): string {
    const { memory } = this.#tuning;
    if (kernel === "convolution") return candidateName({ memory, tile: this.#tile(name) });
    if (kernel === "first") return `${memory} first`;
    const { images, channelLanes, innerLanes } = denseTile(this.#tuning, output.images);
    return `${memory} dense ${images}x4 ${channelLanes}x${innerLanes}`;
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
    const { image } = runVectors(plan, this.#precision, (step) => this.#maxima(step));
    const images = this.#reserve("image", image);
    this.#memory.write(
      images,
      imageWords(batch.data, batch.count * batch.height, batch.width, plan[0].input.channels),
    );
    return this.#precision === "int8"
      ? this.#integerPasses(plan, images)
      : this.#floatPasses(plan, images);
  }

  /** Takes back what a run has given. */
  release({ values, state }: Recording): void {
    this.#memory.recycle(values);
    if (state !== undefined) this.#memory.recycle(state);
  }

  /** Frees everything. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }

  #integerPasses(plan: readonly LayerPlan[], image: TensorInfo): Recording {
    const needs = runVectors(plan, "int8", (step) => this.#maxima(step));
    const values = needs.values > 0 ? this.#reserve("values", needs.values) : undefined;
    const x = needs.activations > 0 ? this.#reserve("activations0", needs.activations) : undefined;
    const passes: Pass[] = [];
    // Two states, as the end of a layer reads one and writes the other; the results are apart.
    const states = Math.max(
      ...plan.map(({ output }) => output.images * stateVectors(output.channels)),
    );
    let state = image;
    let given = image;
    plan.forEach((step, index) => {
      const isLast = index === plan.length - 1;
      const begun = isLast
        ? this.#memory.allocate(step.output.images * stateVectors(step.output.channels), "buffer")
        : this.#reserve(index % 2 === 0 ? "state0" : "state1", states);
      const gives = isLast ? this.#result(step) : values!;
      passes.push(this.#begin(plan, index, given, state, begun));
      if (index > 0) passes.push(this.#requantize(plan, index, given, begun, x!));
      passes.push(this.#multiply(step, index === 0 ? image : x!, begun, gives));
      state = begun;
      given = gives;
    });
    return { passes, values: given, state };
  }

  #floatPasses(plan: readonly LayerPlan[], image: TensorInfo): Recording {
    const { activations } = runVectors(plan, "float", () => 0);
    let x = image;
    const passes = plan.map((step, index) => {
      const gives = index === plan.length - 1
        ? this.#result(step)
        : this.#reserve(index % 2 === 0 ? "activations0" : "activations1", activations);
      const { constants } = this.#layers.get(step.layer.name)!;
      const pass = this.#multiply(step, x, constants, gives);
      x = gives;
      return pass;
    });
    return { passes, values: x, state: undefined };
  }

  /** What the last layer gives: read back, so in a buffer. */
  #result(step: LayerPlan): TensorInfo {
    return this.#memory.allocate(elements(step.output) / 4 + this.#maxima(step), "buffer");
  }

  #begin(
    plan: readonly LayerPlan[],
    index: number,
    values: TensorInfo,
    state: TensorInfo,
    begun: TensorInfo,
  ): Pass {
    const { layer, output } = plan[index];
    const { constants } = this.#layers.get(layer.name)!;
    const begin = {
      images: output.images,
      channels: output.channels,
      reciprocal: layer.reciprocal,
      biasExponent: layer.biasExponent,
    };
    if (index === 0) {
      const input = this.#program.inputReciprocal;
      return {
        layer: layer.name,
        kernel: "scale",
        run: () => beginFirst(this.#backend, { constants }, { ...begin, input }, begun),
      };
    }
    const ended = plan[index - 1];
    const attributes = { ...begin, endedChannels: ended.output.channels, ...this.#maximaOf(ended) };
    return {
      layer: layer.name,
      kernel: "scale",
      run: () => endAndBegin(this.#backend, { constants, values, state }, attributes, begun),
    };
  }

  #requantize(
    plan: readonly LayerPlan[],
    index: number,
    values: TensorInfo,
    state: TensorInfo,
    x: TensorInfo,
  ): Pass {
    const attributes = {
      size: plan[index - 1].output,
      padding: plan[index].layer.padding,
      nextChannels: plan[index].output.channels,
    };
    return {
      layer: plan[index].layer.name,
      kernel: "requantize",
      run: () => requantize(this.#backend, { values, state }, attributes, x),
    };
  }

  #multiply(step: LayerPlan, x: TensorInfo, scales: TensorInfo, gives: TensorInfo): Pass {
    const backend = this.#backend;
    const { weights } = this.#layers.get(step.layer.name)!;
    const { input, output, pool, padding, layer: { name, kernel, relu } } = step;
    const precision = this.#precision;
    const common = { precision, relu, pool, input, output };
    const run = {
      first: () =>
        convolveFirst(backend, { image: x, table: this.#table, weights, scales }, common, gives),
      convolution: () => {
        const tile = this.#tile(name);
        convolve(backend, { x, weights, scales }, { ...common, kernel, padding, tile }, gives);
      },
      dense: () => {
        const tile = denseTile(this.#tuning, output.images);
        const groups = weightVectors(step.layer, false) / output.channels;
        multiplyDense(backend, { x, weights, scales }, { ...common, groups, tile }, gives);
      },
    };
    return { layer: name, kernel: step.kernel, run: run[step.kernel] };
  }

  #tile(layer: string): ConvolutionTile {
    return this.#tuning.convolutions[layer] ?? defaultTile(this.#tuning);
  }

  /** Vectors after a layer's values: a maximum of each workgroup. */
  #maxima(step: LayerPlan): number {
    const { maxima, maximaPerImage } = this.#maximaOf(step);
    return maxima === 0 || this.#precision === "float" ? 0 : maximaPerImage * step.output.images;
  }

  /** Where the maxima of a layer are. A dense layer stores none: its values are few. */
  #maximaOf(step: LayerPlan): { maxima: number; maximaPerImage: number } {
    if (step.kernel === "dense") return { maxima: 0, maximaPerImage: step.output.channels / 4 };
    const [x, y] = step.kernel === "first"
      ? firstConvolutionWorkgroups(step)
      : convolutionWorkgroups({ ...step, tile: this.#tile(step.layer.name) });
    return { maxima: elements(step.output) / 4, maximaPerImage: x * y };
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
