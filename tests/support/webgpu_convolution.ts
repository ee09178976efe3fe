/**
 * One convolution layer on the GPU, by any of its kernels, and by definition: what the kernels are held to shape by shape.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Precision } from "../../lib/engine/engine.ts";
import {
  convolutionSteps,
  maximaGroups,
  scratchOf,
} from "../../lib/engine/webgpu/kernels/convolution_steps.ts";
import type { Gpu } from "../../lib/engine/webgpu/device/device.ts";
import { checked } from "../../lib/engine/webgpu/device/errors.ts";
import {
  elements,
  padChannels,
  STATE_HEADER,
  stateVectors,
} from "../../lib/engine/webgpu/kernels/layout.ts";
import { Memory } from "../../lib/engine/webgpu/device/memory.ts";
import type { Candidate } from "../../lib/engine/webgpu/tuning/tile.ts";
import { packWeights, weightVectors } from "../../lib/engine/webgpu/network/weights.ts";
import { random } from "./random_model.ts";

/** A 3x3 convolution with zeros around. */
export interface Convolution {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly pool: boolean;
}

/** Its numbers: activations `[N, H, W, I]` and filters `[O, 3, 3, I]`. */
export interface Operands {
  readonly x: Float32Array;
  readonly filters: Int8Array;
}

/** Activations, about half of them 0 as after a ReLU, and filters; with int8, integers in 0…127. */
export function randomOperands(convolution: Convolution, precision: Precision): Operands {
  const { images, height, width, inChannels, outChannels } = convolution;
  const next = random(0x9e3779b9 ^ (images + 10 * height + 100 * width + inChannels + outChannels));
  const top = precision === "int8" ? 127 : 1;
  const x = Float32Array.from({ length: images * height * width * inChannels }, () => {
    const value = Math.max(0, 2 * next() - 1) * top;
    return precision === "int8" ? Math.round(value) : value;
  });
  const length = outChannels * 9 * inChannels;
  const filters = Int8Array.from({ length }, () => Math.floor(next() * 255) - 127);
  return { x, filters };
}

/** Sums of products in float64, which are exact for integers: `[N, H, W, O]`, after the max-pool. */
export function convolveByDefinition(
  { images, height, width, inChannels, outChannels, pool }: Convolution,
  { x, filters }: Operands,
): Float64Array {
  const at = (n: number, y: number, column: number, o: number): number => {
    let sum = 0;
    for (let tap = 0; tap < 9; tap++) {
      const row = y + Math.floor(tap / 3) - 1, c = column + tap % 3 - 1;
      if (row < 0 || c < 0 || row >= height || c >= width) continue;
      const pixel = ((n * height + row) * width + c) * inChannels;
      const filter = (o * 9 + tap) * inChannels;
      for (let i = 0; i < inChannels; i++) sum += x[pixel + i] * filters[filter + i];
    }
    return sum;
  };
  const step = pool ? 2 : 1;
  const rows = Math.floor(height / step), columns = Math.floor(width / step);
  return Float64Array.from({ length: images * rows * columns * outChannels }, (_, index) => {
    const o = index % outChannels, column = Math.floor(index / outChannels) % columns * step;
    const row = Math.floor(index / outChannels / columns);
    const n = Math.floor(row / rows), y = row % rows * step;
    if (!pool) return at(n, y, column, o);
    return Math.max(
      at(n, y, column, o),
      at(n, y, column + 1, o),
      at(n, y + 1, column, o),
      at(n, y + 1, column + 1, o),
    );
  });
}

/** What a kernel gives: sums as above, and with int8 the largest of each image as its workgroups saw it. */
export interface Sums {
  readonly sums: Int32Array | Float32Array;
  readonly maxima: readonly number[];
}

/** Computes the layer with constants that give the sums themselves. Nobody else may be using the device. */
export async function convolveOnGpu(
  gpu: Gpu,
  convolution: Convolution,
  operands: Operands,
  precision: Precision,
  { memory: kind, tile }: Candidate,
): Promise<Sums> {
  const { images, height, width, pool } = convolution;
  const integer = precision === "int8";
  const border = integer ? 2 : 0, shift = pool ? 1 : 0;
  const channels = padChannels(convolution.inChannels);
  const step = {
    precision,
    kernel: [3, 3] as const,
    padding: integer ? 0 as const : 1 as const,
    relu: false,
    pool,
    input: { images, height: height + border, width: width + border, channels },
    output: {
      images,
      height: height >> shift,
      width: width >> shift,
      channels: padChannels(convolution.outChannels),
    },
    tile,
  };
  const memory = new Memory(gpu.backend);
  const upload = (words: Int32Array<ArrayBuffer>): TensorInfo => {
    const tensor = memory.allocate(words.length / 4, kind);
    memory.write(tensor, words);
    return tensor;
  };
  try {
    const groups = maximaGroups(step);
    const scratch = scratchOf(step);
    const gives = memory.allocate(elements(step.output) / 4 + groups * images, "buffer");
    await checked(gpu.device, () => {
      const tensors = {
        x: upload(activationWords(convolution, operands, precision)),
        weights: upload(weightWords(convolution, operands)),
        scales: upload(unitScales(images, step.output.channels, precision)),
      };
      convolutionSteps(
        gpu.backend,
        tensors,
        step,
        (role) => memory.allocate(scratch[role], kind),
        gives,
      ).forEach(({ run }) => run());
    });
    const words = await gpu.backend.read(gives.dataId) as Int32Array;
    return {
      sums: valuesOf(convolution, words, precision),
      maxima: maximaOf(words, groups, images),
    };
  } finally {
    memory[Symbol.dispose]();
  }
}

/** How far sums are from what they should be. */
export interface SumErrors {
  /** The largest error, relative to the largest sum. */
  readonly max: number;
  /** The root of the mean squared error, relative to that of the sums. */
  readonly rms: number;
}

/** Compares sums with exact ones. */
export function errorsOf(sums: ArrayLike<number>, exact: Float64Array): SumErrors {
  let [largest, error, squares, errors] = [0, 0, 0, 0];
  exact.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs(sums[i] - value));
    squares += value ** 2;
    errors += (sums[i] - value) ** 2;
  });
  return { max: error / largest, rms: Math.sqrt(errors / squares) };
}

function weightWords(
  { inChannels, outChannels }: Convolution,
  { filters }: Operands,
): Int32Array<ArrayBuffer> {
  const layer = {
    name: "conv",
    kernel: [3, 3] as const,
    padding: 1 as const,
    inChannels,
    outChannels,
    relu: false,
    pool: undefined,
  };
  const words = packWeights(layer, false, filters, outChannels);
  if (words.length !== weightVectors(layer, false) * 4) throw new Error("weights do not fit");
  return words;
}

function activationWords(
  { images, height, width, inChannels }: Convolution,
  { x }: Operands,
  precision: Precision,
): Int32Array<ArrayBuffer> {
  const channels = padChannels(inChannels);
  const border = precision === "int8" ? 1 : 0;
  const [rows, columns] = [height + 2 * border, width + 2 * border];
  const length = images * rows * columns * channels;
  const stored = precision === "int8" ? new Int8Array(length) : new Float32Array(length);
  for (let pixel = 0; pixel < images * height * width; pixel++) {
    const n = Math.floor(pixel / (height * width));
    const y = Math.floor(pixel / width) % height + border, column = pixel % width + border;
    const to = ((n * rows + y) * columns + column) * channels;
    for (let c = 0; c < inChannels; c++) stored[to + c] = x[pixel * inChannels + c];
  }
  return new Int32Array(stored.buffer);
}

/** Multipliers of 1 and biases of 0: the value is then the accumulator. */
function unitScales(
  images: number,
  channels: number,
  precision: Precision,
): Int32Array<ArrayBuffer> {
  if (precision === "float") {
    const scales = new Float32Array(channels * 2);
    for (let i = 0; i < scales.length; i++) scales[i] = i % 8 < 4 ? 1 : 0;
    return new Int32Array(scales.buffer);
  }
  const stride = stateVectors(channels) * 4;
  return Int32Array.from({ length: images * stride }, (_, i) => {
    const at = i % stride - STATE_HEADER * 4;
    return at >= 0 && at % 8 < 4 ? 2 ** 30 : 0;
  });
}

function valuesOf(
  { images, height, width, outChannels, pool }: Convolution,
  words: Int32Array,
  precision: Precision,
): Int32Array | Float32Array {
  const shift = pool ? 1 : 0;
  const channels = padChannels(outChannels);
  const pixels = images * (height >> shift) * (width >> shift);
  const all = precision === "int8" ? words : new Float32Array(words.buffer, words.byteOffset);
  return all.subarray(0, pixels * channels).filter((_, i) => i % channels < outChannels);
}

function maximaOf(words: Int32Array, groups: number, images: number): number[] {
  const perImage = groups * 4, first = words.length - perImage * images;
  return Array.from({ length: images }, (_, n) => {
    const own = words.subarray(first + n * perImage, first + (n + 1) * perImage);
    return own.reduce((largest, value) => Math.max(largest, value), -Infinity);
  });
}
