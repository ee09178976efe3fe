/**
 * One convolution layer on the GPU, by any of its kernels, and by definition: what the kernels are
 * held to shape by shape.
 *
 * @module
 */

import type { Precision } from "../../lib/engine/engine.ts";
import { checked, type Gpu } from "../../lib/engine/webgpu/device/device.ts";
import { Memory } from "../../lib/engine/webgpu/device/memory.ts";
import { readWords, runStep, type Tensor } from "../../lib/engine/webgpu/device/tfjs.ts";
import {
  convolutionSteps,
  scratchOf,
  workgroupsPerImage,
} from "../../lib/engine/webgpu/kernels/convolution.ts";
import {
  elements,
  padChannels,
  STATE_HEADER,
  stateVectors,
} from "../../lib/engine/webgpu/kernels/kernel.ts";
import { packWeights, weightVectors } from "../../lib/engine/webgpu/resident/pack.ts";
import type { Candidate } from "../../lib/engine/webgpu/tuning/tile.ts";
import { convolveNaively } from "./naive_convolution.ts";
import { random } from "./random_model.ts";

/**
 * A convolution whose outputs are as many as its inputs: with zeros around, if its filters are 3x3.
 */
export interface Problem {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Rows and columns of a filter. */
  readonly filter: 1 | 3;
  readonly pool: boolean;
}

/** Its numbers: activations `[N, H, W, I]` and filters `[O, filter, filter, I]`. */
export interface Operands {
  readonly x: Float32Array;
  readonly filters: Int8Array;
}

/** Activations, about half of them 0 as after a ReLU, and filters; with int8, integers in 0…127. */
export function randomOperands(problem: Problem, precision: Precision): Operands {
  const { images, height, width, inChannels, outChannels, filter } = problem;
  const next = random(0x9e3779b9 ^ (images + 10 * height + 100 * width + inChannels + outChannels));
  const top = precision === "int8" ? 127 : 1;
  const x = Float32Array.from({ length: images * height * width * inChannels }, () => {
    const value = Math.max(0, 2 * next() - 1) * top;
    return precision === "int8" ? Math.round(value) : value;
  });
  const length = outChannels * filter ** 2 * inChannels;
  const filters = Int8Array.from({ length }, () => Math.floor(next() * 255) - 127);
  return { x, filters };
}

/**
 * Sums of products in float64, which are exact for integers: `[N, H, W, O]`, after the max-pool.
 */
export function convolveByDefinition(
  { images, height, width, inChannels, outChannels, filter, pool }: Problem,
  { x, filters }: Operands,
): Float64Array {
  const border = filter >> 1;
  const at = (n: number, y: number, column: number, o: number): number => {
    let sum = 0;
    for (let tap = 0; tap < filter ** 2; tap++) {
      const row = y + Math.floor(tap / filter) - border, c = column + tap % filter - border;
      if (row < 0 || c < 0 || row >= height || c >= width) continue;
      const pixel = ((n * height + row) * width + c) * inChannels;
      const weights = (o * filter ** 2 + tap) * inChannels;
      for (let i = 0; i < inChannels; i++) sum += x[pixel + i] * filters[weights + i];
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

/**
 * What a kernel gives: sums as above, and with int8 the largest of each image as its workgroups saw
 * it (the naive one's do not).
 */
export interface Sums {
  readonly sums: Int32Array | Float32Array;
  readonly maxima: readonly number[];
}

/**
 * Computes the layer by one of its kernels, or by the naive one, with constants that give the sums
 * themselves. Nobody else may be using the device.
 */
export async function convolveOnGpu(
  gpu: Gpu,
  problem: Problem,
  operands: Operands,
  precision: Precision,
  candidate: Candidate | "naive",
): Promise<Sums> {
  const { images, height, width, filter, pool } = problem;
  const integer = precision === "int8";
  const zeros = filter >> 1, border = integer ? 2 * zeros : 0, shift = pool ? 1 : 0;
  const common = {
    precision,
    filterSize: [filter, filter] as const,
    padding: integer || zeros === 0 ? 0 as const : 1 as const,
    relu: false,
    pool,
    input: {
      images,
      height: height + border,
      width: width + border,
      channels: padChannels(problem.inChannels),
    },
    output: {
      images,
      height: height >> shift,
      width: width >> shift,
      channels: padChannels(problem.outChannels),
    },
  };
  const memory = new Memory(gpu.backend);
  const kind = candidate === "naive" ? "buffer" : candidate.memory;
  const upload = (words: Int32Array<ArrayBuffer>): Tensor => {
    const tensor = memory.allocate(words.length / 4, kind);
    memory.write(tensor, words);
    return tensor;
  };
  try {
    const convolution = candidate === "naive" ? undefined : { ...common, tile: candidate.tile };
    const workgroups = convolution ? workgroupsPerImage(convolution) : 0;
    const gives = memory.allocate(elements(common.output) / 4 + workgroups * images, "buffer");
    await checked(gpu.device, () => {
      const x = upload(activationWords(problem, operands, precision));
      const weights = upload(weightWords(problem, operands));
      const scales = upload(unitScales(images, common.output.channels, precision));
      const steps = convolution
        ? convolutionSteps(
          { x, weights, scales },
          convolution,
          (role) => memory.allocate(scratchOf(convolution)[role], kind),
          gives,
        )
        : [convolveNaively({ x, weights }, common, gives)];
      steps.forEach((step) => runStep(gpu.backend, step));
    });
    const words = await readWords(gpu.backend, gives);
    return {
      sums: valuesOf(problem, words, precision),
      maxima: maximaOf(words, workgroups, images),
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
  { inChannels, outChannels, filter }: Problem,
  { filters }: Operands,
): Int32Array<ArrayBuffer> {
  const layer = {
    name: "conv1_1" as const,
    kind: "convolution" as const,
    filterSize: [filter, filter] as const,
    padding: filter === 3 ? 1 as const : 0 as const,
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
  { images, height, width, inChannels, filter }: Problem,
  { x }: Operands,
  precision: Precision,
): Int32Array<ArrayBuffer> {
  const channels = padChannels(inChannels);
  const border = precision === "int8" ? filter >> 1 : 0;
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
  { images, height, width, outChannels, pool }: Problem,
  words: Int32Array,
  precision: Precision,
): Int32Array | Float32Array {
  const shift = pool ? 1 : 0;
  const channels = padChannels(outChannels);
  const pixels = images * (height >> shift) * (width >> shift);
  const all = precision === "int8" ? words : new Float32Array(words.buffer, words.byteOffset);
  return all.subarray(0, pixels * channels).filter((_, i) => i % channels < outChannels);
}

function maximaOf(words: Int32Array, workgroups: number, images: number): number[] {
  const perImage = workgroups * 4, first = words.length - perImage * images;
  return Array.from({ length: images }, (_, n) => {
    const own = words.subarray(first + n * perImage, first + (n + 1) * perImage);
    return own.reduce((largest, value) => Math.max(largest, value), -Infinity);
  });
}
