/**
 * The last block of a network in float32, as fine-tuning changes it: convolutions with a ReLU each, and the
 * max-pool behind them.
 */

import {
  balanceErrors,
  type QuantizedFilter,
  quantizeFilter,
} from "../convert/quantize/channels.ts";
import { type Architecture, type LayerName, layersOf } from "../model/architecture.ts";
import type { LayerParameters, Model, WeightPiece } from "../model/model.ts";
import { turn } from "./convolution.ts";
import type { TrainingKernels } from "./kernels.ts";

/** A convolution that is trained. */
export interface BlockLayer {
  readonly name: LayerName;
  readonly inputs: number;
  readonly outputs: number;
  /** `[3, 3, inputs, outputs]` */
  readonly filter: Float32Array;
  /** `[outputs]` */
  readonly bias: Float32Array;
}

/** The size of a batch of maps. */
export interface MapSize {
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

const isOfBlock = (name: LayerName): boolean => name.startsWith("conv5_");

/** Values of a batch before and after the block. */
export interface Pass {
  /** What the max-pool gives, `[N, H / 2, W / 2, outputs]`. */
  readonly pooled: Float32Array;
  /**
   * The loss's derivatives by each layer's filter and bias, laid out as these are.
   *
   * @param slope The derivative by `pooled`, in the kernels' memory.
   */
  backward(slope: Float32Array): Pick<BlockLayer, "filter" | "bias">[];
}

/**
 * Computes the block. All arrays lie in the kernels' memory until its next reset.
 *
 * @param x `[N, H, W, inputs]`, in the kernels' memory.
 */
export function passBlock(
  kernels: TrainingKernels,
  layers: readonly BlockLayer[],
  x: Float32Array,
  size: MapSize,
): Pass {
  const positions = size.count * size.height * size.width;
  const padded = (channels: number): Float32Array =>
    kernels.take(size.count * (size.height + 2) * (size.width + 2) * channels);
  const pooledPositions = size.count * (size.height >> 1) * (size.width >> 1);
  let out = x;
  const passed = layers.map(({ inputs, outputs, filter, bias }, n) => {
    const pool = Number(n === layers.length - 1);
    const own = {
      ...{ y: kernels.take(positions * outputs), padded: padded(inputs), pool },
      scale: kernels.place(new Float32Array(outputs).fill(1)),
      shift: kernels.place(Float32Array.from(bias)),
    };
    const { y, scale, shift } = own;
    kernels.run("convolve", {
      ...{ ...size, inputs, outputs, x: out, filter: kernels.place(filter), y, sums: 0 },
      padded: own.padded,
    });
    out = kernels.take((pool ? pooledPositions : positions) * outputs);
    kernels.run("activate", { ...size, outputs, y, scale, shift, out, pool });
    return own;
  });
  return {
    pooled: out,
    backward: (slope) => {
      const gradients: Pick<BlockLayer, "filter" | "bias">[] = [];
      let dout = slope;
      for (const [n, { inputs, outputs, filter }] of [...layers.entries()].reverse()) {
        const { padded: x, ...own } = passed[n]!;
        const dz = kernels.take(positions * outputs), sums = kernels.take(size.count * 2 * outputs);
        kernels.run("deactivate", { ...size, outputs, ...own, dout, dz, sums });
        const df = kernels.take(filter.length);
        kernels.run("filterGradient", { ...size, inputs, outputs, padded: x, dy: dz, filter: df });
        gradients.unshift({ filter: df, bias: biasGradient(sums, size.count, outputs) });
        if (n === 0) break; // Nobody asks for the derivative by the maps.
        dout = kernels.take(positions * inputs);
        kernels.run("convolve", {
          ...{ ...size, inputs: outputs, outputs: inputs, x: dz, y: dout, sums: 0 },
          ...{ filter: kernels.place(turn(filter, inputs, outputs)), padded: padded(outputs) },
        });
      }
      return gradients;
    },
  };
}

/** Each image's sums of derivatives, `[count, 2, outputs]`, the first of two, added up. */
function biasGradient(sums: Float32Array, count: number, outputs: number): Float32Array {
  const bias = new Float32Array(outputs);
  for (let n = 0; n < count; n++) {
    for (let o = 0; o < outputs; o++) bias[o]! += sums[2 * n * outputs + o]!;
  }
  return bias;
}

/** Reads the block of a model. */
export async function readBlock(model: Model, signal?: AbortSignal): Promise<BlockLayer[]> {
  const layers = layersOf(model.architecture).filter(({ name }) => isOfBlock(name))
    .map(({ name, inChannels: inputs, outChannels: outputs }): BlockLayer => {
      const { bias } = model.parameters.find((own) => own.name === name)!;
      const filter = new Float32Array(9 * inputs * outputs);
      return { name, inputs, outputs, filter, bias: Float32Array.from(bias) };
    });
  for await (const { layer, first, count, data } of model.weights({ signal })) {
    const own = layers.find(({ name }) => name === layer);
    if (own === undefined) continue;
    const { scale } = model.parameters.find(({ name }) => name === layer)!;
    const inner = 9 * own.inputs;
    for (let o = 0; o < count; o++) {
      for (let k = 0; k < inner; k++) {
        own.filter[k * own.outputs + first + o] = data[o * inner + k]! * scale[first + o]!;
      }
    }
  }
  return layers;
}

/** Output channels of a piece of weights. */
const PIECE = 64;

/** A model with another last block, in int8 as a conversion makes it. */
export function withBlock(model: Model, block: readonly BlockLayer[]): Model {
  const quantized = new Map(block.map((layer) => [layer.name, quantized8(layer)]));
  // What is known of its file does not hold any more.
  return {
    ...model,
    sha256: undefined,
    parameters: model.parameters.map((own) => quantized.get(own.name)?.parameters ?? own),
    async *weights(options) {
      const sent = new Set<LayerName>();
      for await (const piece of model.weights(options)) {
        const own = quantized.get(piece.layer);
        if (own === undefined) yield piece;
        else if (!sent.has(piece.layer)) {
          sent.add(piece.layer);
          yield* piecesOf(piece.layer, own.data, own.parameters.bias.length);
        }
      }
    },
  };
}

function* piecesOf(layer: LayerName, data: Int8Array, outputs: number): Generator<WeightPiece> {
  const inner = data.length / outputs;
  for (let first = 0; first < outputs; first += PIECE) {
    const count = Math.min(PIECE, outputs - first);
    const part = data.subarray(first * inner, (first + count) * inner);
    yield { layer, first, count, data: part };
  }
}

function quantized8(
  { name, inputs, outputs, filter, bias }: BlockLayer,
): { parameters: LayerParameters; data: Int8Array } {
  const inner = 9 * inputs,
    data = new Int8Array(outputs * inner),
    scale = new Float32Array(outputs);
  const own = new Float32Array(inner);
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  for (let o = 0; o < outputs; o++) {
    for (let k = 0; k < inner; k++) own[k] = filter[k * outputs + o]!;
    const row = data.subarray(o * inner, (o + 1) * inner);
    quantizeFilter(own, row, found);
    balanceErrors(own, row, inputs, found);
    scale[o] = found.scale;
  }
  return { parameters: { name, scale, bias: Float32Array.from(bias) }, data };
}

/** Why the last block of a network cannot be trained, in words; undefined if it can. */
export function blockProblem(architecture: Architecture): string | undefined {
  const layers = layersOf(architecture).filter(({ name }) => isOfBlock(name));
  const isOdd = layers.some(({ filterSize: [h, w], inChannels, outChannels }) =>
    h * w !== 9 || inChannels % 4 !== 0 || outChannels % 4 !== 0
  );
  return isOdd
    ? "it has convolutions that are not 3x3, or channels that are no multiple of 4"
    : undefined;
}
