/**
 * 3x3 convolutions and their derivatives on float arrays, as matrix products in WebAssembly: tfjs's CPU
 * backend takes a thousand times as long for them.
 *
 * @module
 */

import { decodeBase64 } from "@std/encoding";
import { KERNELS } from "./binary.ts";

/** Sizes of a convolution: input `[count, height, width, inputs]`, output `[…, outputs]`. */
export interface ConvolutionSize {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  /** A multiple of 4. */
  readonly outputs: number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  multiply(a: number, b: number, y: number, m: number, k: number, n: number): void;
  multiplyTransposed(a: number, b: number, y: number, m: number, k: number, n: number): void;
  neighbourhoods(
    x: number,
    rows: number,
    count: number,
    height: number,
    width: number,
    c: number,
    row: number,
  ): void;
}

/** The kernels have a little data of their own at the beginning of the memory. */
const FIRST = 4096;

const upTo4 = (value: number): number => (value + 3) & ~3;

/** The kernels, with a memory of their own. */
export class TrainingKernels {
  readonly #exports: Exports;
  #top = 0;

  /** Compiles them: 1.5 KiB. */
  constructor() {
    const module = new WebAssembly.Module(decodeBase64(KERNELS));
    const instance = new WebAssembly.Instance(module, { env: { abort: (): void => {} } });
    this.#exports = instance.exports as unknown as Exports; // What kernels/main.ts exports.
  }

  /** `x` convolved with `filter`, `[3, 3, inputs, outputs]`, same padding, stride 1. */
  convolve(x: Float32Array, filter: Float32Array, size: ConvolutionSize): Float32Array {
    this.#top = 0;
    const { outputs } = size, m = size.count * size.height * size.width;
    const { rows, k } = this.#neighbourhoods(x, size, size.inputs);
    const weights = this.#put(filter, k * outputs);
    const y = this.#take(upTo4(m) * outputs);
    this.#exports.multiply(rows, weights, y, upTo4(m), k, outputs);
    return this.#read(y, m * outputs);
  }

  /** The derivative by the filter: `x` and `dy` are the input and the output's derivative. */
  filterGradient(x: Float32Array, dy: Float32Array, size: ConvolutionSize): Float32Array {
    this.#top = 0;
    const { inputs, outputs } = size, m = size.count * size.height * size.width;
    const { rows, k } = this.#neighbourhoods(x, size, inputs);
    const derivatives = this.#put(dy, m * outputs);
    const filter = this.#take(k * outputs);
    this.#exports.multiplyTransposed(rows, derivatives, filter, m, k, outputs);
    return this.#read(filter, 9 * inputs * outputs);
  }

  /**
   * The derivative by the input: the convolution of `dy` with the filter turned by 180 degrees.
   *
   * @param size `inputs` a multiple of 4.
   */
  inputGradient(dy: Float32Array, filter: Float32Array, size: ConvolutionSize): Float32Array {
    const { inputs, outputs } = size;
    const turned = new Float32Array(filter.length);
    for (let at = 0; at < 9; at++) {
      for (let c = 0; c < inputs; c++) {
        for (let o = 0; o < outputs; o++) {
          turned[((8 - at) * outputs + o) * inputs + c] = filter[(at * inputs + c) * outputs + o];
        }
      }
    }
    return this.convolve(dy, turned, { ...size, inputs: outputs, outputs: inputs });
  }

  #neighbourhoods(
    x: Float32Array,
    { count, height, width }: ConvolutionSize,
    channels: number,
  ): { rows: number; k: number } {
    const k = upTo4(9 * channels), m = count * height * width;
    const input = this.#put(x, x.length);
    const rows = this.#take(upTo4(m) * k);
    this.#exports.neighbourhoods(input, rows, count, height, width, channels, k);
    return { rows, k };
  }

  /** Takes room for `length` values, which hold whatever was there. */
  #take(length: number): number {
    const at = (Math.max(this.#top, FIRST) + 15) & ~15;
    this.#top = at + 4 * length;
    const missing = this.#top - this.#exports.memory.buffer.byteLength;
    if (missing > 0) this.#exports.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  /** Copies values in; the rest of `length` is zeros. */
  #put(values: Float32Array, length: number): number {
    const at = this.#take(length);
    const room = new Float32Array(this.#exports.memory.buffer, at, length);
    room.set(values);
    room.fill(0, values.length);
    return at;
  }

  #read(at: number, length: number): Float32Array {
    return new Float32Array(this.#exports.memory.buffer, at, length).slice();
  }
}
