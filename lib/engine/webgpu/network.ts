/**
 * A model's weights on the GPU, and the passes of a run over them.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { WeightPiece } from "../../vgg/model.ts";
import type { Activations, Batch } from "../engine.ts";
import type { Program, ProgramLayer } from "../program.ts";
import { convolve } from "./convolution.ts";
import { convolveFirst } from "./first_convolution.ts";
import { elements, padChannels, stateWords } from "./layout.ts";
import { type LayerPlan, planLayers } from "./plan.ts";
import { requantize } from "./requantize.ts";
import { beginFirst, endAndBegin } from "./scale.ts";
import { allocate, destroy, writeWords } from "./tensors.ts";
import { packWeights, weightWords, wordsPerChannel } from "./weights.ts";

interface LayerTensors {
  readonly weights: TensorInfo;
  /** `[O, 2]`: multiplier and bias. */
  readonly constants: TensorInfo;
}

/** Bytes handed to the queue before it is waited for, so that its copies do not pile up. */
const UPLOAD_WINDOW_BYTES = 16 * 2 ** 20;

/** A loaded network. Not for overlapping calls. */
export class Network {
  readonly #backend: WebGPUBackend;
  readonly #program: Program;
  readonly #table: TensorInfo;
  readonly #layers = new Map<string, LayerTensors>();

  constructor(backend: WebGPUBackend, program: Program) {
    this.#backend = backend;
    this.#program = program;
    this.#table = allocate(backend, program.table.length);
    writeWords(backend, this.#table, Int32Array.from(program.table));
    program.layers.forEach((layer, index) => {
      const tensors = {
        weights: allocate(backend, weightWords(layer, index === 0)),
        constants: allocate(backend, padChannels(layer.outChannels) * 2),
      };
      writeWords(backend, tensors.constants, constantWords(layer));
      this.#layers.set(layer.name, tensors);
    });
  }

  /** Uploads the weights, piece by piece. */
  async upload(weights: AsyncIterable<WeightPiece>): Promise<void> {
    let pending = 0;
    for await (const { layer: name, first, count, data } of weights) {
      const index = this.#program.layers.findIndex((layer) => layer.name === name);
      const layer = this.#program.layers[index];
      const words = packWeights(layer, index === 0, data, count);
      const offset = first * wordsPerChannel(layer, index === 0) * 4;
      writeWords(this.#backend, this.#layers.get(name)!.weights, words, offset);
      pending += words.byteLength;
      if (pending >= UPLOAD_WINDOW_BYTES) {
        this.#backend.queue.submit([]);
        await this.#backend.queue.onSubmittedWorkDone();
        pending = 0;
      }
    }
  }

  /** Runs the layers up to one, for a whole batch at once, and reads the result back. */
  async run(batch: Batch, last?: string): Promise<Activations> {
    const plan = planLayers(this.#program, batch, last);
    const used: TensorInfo[] = [];
    const keep = (tensor: TensorInfo): TensorInfo => {
      used.push(tensor);
      return tensor;
    };
    try {
      const { values, state } = this.#record(plan, batch, keep);
      const [valueWords, states] = await Promise.all([
        this.#backend.read(values.dataId) as Promise<Int32Array>,
        this.#backend.read(state.dataId) as Promise<Int32Array>,
      ]);
      const { layer, output, pool } = plan.at(-1)!;
      return {
        layer: pool ? layer.pool! : layer.name,
        shape: [output.images, output.height, output.width, layer.outChannels],
        data: dropPadding(valueWords.subarray(0, elements(output)), layer.outChannels),
        scale: units(states, output.images, output.channels),
      };
    } finally {
      destroy(this.#backend, used);
    }
  }

  /** Frees everything. */
  [Symbol.dispose](): void {
    destroy(this.#backend, [this.#table]);
    for (const { weights, constants } of this.#layers.values()) {
      destroy(this.#backend, [weights, constants]);
    }
    this.#layers.clear();
  }

  #record(
    plan: readonly LayerPlan[],
    batch: Batch,
    keep: (tensor: TensorInfo) => TensorInfo,
  ): { values: TensorInfo; state: TensorInfo } {
    const backend = this.#backend;
    const image = keep(allocate(backend, Math.ceil(batch.data.length / 4)));
    writeWords(backend, image, wholeWords(batch.data));
    let state = keep(beginFirst(backend, this.#layers.get(plan[0].layer.name)!, {
      ...beginAttributes(plan[0]),
      input: this.#program.inputReciprocal,
    }));
    let values = keep(convolveFirst(
      backend,
      { image, table: this.#table, weights: this.#layers.get(plan[0].layer.name)!.weights, state },
      { ...plan[0], relu: plan[0].layer.relu, outChannels: plan[0].output.channels },
    ));
    for (const step of plan.slice(1)) {
      const previous = plan[step.index - 1];
      const { weights, constants } = this.#layers.get(step.layer.name)!;
      const maximaOffset = elements(previous.output);
      const maxima = values.shape[0] - maximaOffset;
      state = keep(endAndBegin(backend, { constants, values, state }, {
        ...beginAttributes(step),
        endedChannels: previous.output.channels,
        maximaOffset,
        maximaPerImage: maxima / previous.output.images,
      }));
      const x = keep(requantize(backend, { values, state }, {
        size: previous.output,
        padding: step.layer.padding,
        nextChannels: step.output.channels,
      }));
      values = keep(convolve(backend, { x, weights, state }, {
        ...step,
        kernel: step.layer.kernel,
        relu: step.layer.relu,
        outChannels: step.output.channels,
      }));
    }
    return { values, state };
  }
}

function beginAttributes(
  { layer, output }: LayerPlan,
): {
  images: number;
  channels: number;
  reciprocal: ProgramLayer["reciprocal"];
  biasExponent: number;
} {
  return {
    images: output.images,
    channels: output.channels,
    reciprocal: layer.reciprocal,
    biasExponent: layer.biasExponent,
  };
}

function constantWords({ multiplier, bias, outChannels }: ProgramLayer): Int32Array<ArrayBuffer> {
  const words = new Int32Array(padChannels(outChannels) * 2);
  for (let o = 0; o < outChannels; o++) {
    words[2 * o] = multiplier[o];
    words[2 * o + 1] = bias[o];
  }
  return words;
}

/** Bytes as words; the last one is filled up with zeros. */
function wholeWords(bytes: Uint8Array): Int32Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return new Int32Array(padded.buffer);
}

function dropPadding(values: Int32Array, channels: number): Int32Array {
  const padded = padChannels(channels);
  if (padded === channels) return values;
  const out = new Int32Array(values.length / padded * channels);
  for (let from = 0, to = 0; from < values.length; from += padded, to += channels) {
    out.set(values.subarray(from, from + channels), to);
  }
  return out;
}

/** `2^(E - Ue) / Um` of each image. */
function units(states: Int32Array, images: number, channels: number): Float64Array {
  return Float64Array.from({ length: images }, (_, image) => {
    const [mantissa, exponent, shift] = states.subarray(image * stateWords(channels));
    return 2 ** (shift - exponent) / mantissa;
  });
}
