/**
 * The naive executor: `lib/engine/README.md` written as code, one output at a time, 64-bit products as
 * BigInt. Slow and obvious; the oracle of both engines.
 *
 * @module
 */

import type { Activations, Batch } from "../../lib/engine/engine.ts";
import { type Fixed, type Program, type ProgramLayer, toFixed } from "../../lib/engine/program.ts";

/** int8 weights of each layer, `[O, kernelHeight, kernelWidth, I]`. */
export type Weights = ReadonlyMap<string, Int8Array>;

/** What the reference knows about one layer of one image. */
export interface ReferenceLayer {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Exact sums, before any pool, `[height, width, channels]`. */
  readonly accumulators: Int32Array;
  /** Pre-activations before any pool. */
  readonly values: Int32Array;
  /** The real value of 1 in `values`. */
  readonly unit: number;
  /** The max-pool's output, where one follows. */
  readonly pooled?: { height: number; width: number; values: Int32Array };
  /** 7-bit activations handed to the next layer, `[…, channels]`; none after the last layer. */
  readonly quantized: Int32Array | undefined;
}

const mulhi = (a: number, b: number): number => Number((BigInt(a) * BigInt(b)) >> 32n);
const mulhiRound = (a: number, b: number): number =>
  Number((BigInt(a) * BigInt(b) + (1n << 31n)) >> 32n);
const normalize = (a: number): [number, number] => {
  const s = Math.clz32(a) - 1;
  return [a << s, s];
};

/** Runs all layers for one image, `[H, W, C]` bytes. */
export function runReference(
  program: Program,
  weights: Weights,
  image: Uint8Array,
  height: number,
  width: number,
): ReferenceLayer[] {
  let x: Int32Array = Int32Array.from(
    image,
    (byte, i) => program.table[(i % program.input.channels) * 256 + byte],
  );
  let reciprocal: Fixed = program.inputReciprocal;
  const results: ReferenceLayer[] = [];
  program.layers.forEach((layer, index) => {
    const isAverage = layer.kind === "average";
    const own = isAverage ? { ...layer, reciprocal: toFixed(height * width) } : layer;
    const { begin, multiplier, bias, shift } = beginLayer(own, reciprocal);
    const sums = isAverage
      ? { accumulators: sumPositions(x, layer.outChannels), height: 1, width: 1 }
      : convolve(layer, weights.get(layer.name)!, x, height, width);
    const values = sums.accumulators.map((acc, i) => {
      const o = i % layer.outChannels;
      const v = mulhiRound(acc << 2, multiplier[o]) + bias[o];
      if (Math.abs(acc) >= 2 ** 29 || v !== (v | 0)) {
        throw new RangeError(`${layer.name} leaves the program's bounds: acc ${acc}, v ${v}`);
      }
      return v;
    });
    const full = { height: sums.height, width: sums.width, values };
    const pooled = layer.pool === undefined ? undefined : maxPool(full, layer.outChannels);
    const out = pooled ?? full;
    ({ height, width } = out);
    let quantized: Int32Array | undefined;
    if (index < program.layers.length - 1) {
      ({ x, reciprocal } = endLayer(out.values, begin, shift));
      quantized = x;
    }
    results.push({
      name: layer.name,
      ...full,
      channels: layer.outChannels,
      accumulators: sums.accumulators,
      unit: 2 ** (shift - begin.exponent) / begin.mantissa,
      pooled,
      quantized,
    });
  });
  return results;
}

/** Steps 1 to 4. */
function beginLayer(
  layer: ProgramLayer,
  input: Fixed,
): { begin: Fixed; multiplier: Int32Array; bias: Int32Array; shift: number } {
  const [mantissa, s] = normalize(mulhi(input.mantissa, layer.reciprocal.mantissa));
  const exponent = input.exponent + layer.reciprocal.exponent + 32 - s;
  const n = layer.biasExponent + exponent + 32;
  const shift = Math.max(0, n - 1);
  const bias = layer.bias.map((b) => {
    const h = mulhiRound(b, mantissa);
    if (n >= 1) return h << 1;
    if (n === 0) return h;
    return n >= -30 ? (h + 2 ** (-n - 1)) >> -n : 0;
  });
  const multiplier = layer.multiplier.map((m) => m >> Math.min(shift, 31));
  return { begin: { mantissa, exponent }, multiplier, bias, shift };
}

/** Step 5. `x` is `[height, width, I]`. */
export function convolve(
  layer: Pick<ProgramLayer, "filterSize" | "padding" | "inChannels" | "outChannels">,
  filter: Int8Array,
  x: Int32Array,
  height: number,
  width: number,
): { accumulators: Int32Array; height: number; width: number } {
  const { filterSize: [kh, kw], padding, inChannels, outChannels } = layer;
  const outHeight = height + 2 * padding - kh + 1;
  const outWidth = width + 2 * padding - kw + 1;
  const accumulators = new Int32Array(outHeight * outWidth * outChannels);
  let i = 0;
  for (let oy = 0; oy < outHeight; oy++) {
    for (let ox = 0; ox < outWidth; ox++) {
      for (let o = 0; o < outChannels; o++) {
        let acc = 0;
        for (let ky = 0; ky < kh; ky++) {
          const y = oy + ky - padding;
          if (y < 0 || y >= height) continue;
          for (let kx = 0; kx < kw; kx++) {
            const xx = ox + kx - padding;
            if (xx < 0 || xx >= width) continue;
            const a = (y * width + xx) * inChannels;
            const w = ((o * kh + ky) * kw + kx) * inChannels;
            for (let c = 0; c < inChannels; c++) acc += x[a + c] * filter[w + c];
          }
        }
        accumulators[i++] = acc;
      }
    }
  }
  return { accumulators, height: outHeight, width: outWidth };
}

/** Step 5 of the average. `x` is `[height, width, C]`. */
function sumPositions(x: Int32Array, channels: number): Int32Array {
  const sums = new Int32Array(channels);
  x.forEach((value, i) => sums[i % channels] += value);
  return sums;
}

/** Step 7. */
function maxPool(
  x: { height: number; width: number; values: Int32Array },
  channels: number,
): { height: number; width: number; values: Int32Array } {
  const height = x.height >> 1, width = x.width >> 1;
  const values = new Int32Array(height * width * channels);
  const at = (y: number, xx: number, c: number): number =>
    x.values[(y * x.width + xx) * channels + c];
  for (let i = 0; i < values.length; i++) {
    const c = i % channels, px = Math.floor(i / channels) % width;
    const py = Math.floor(i / channels / width);
    values[i] = Math.max(
      at(2 * py, 2 * px, c),
      at(2 * py, 2 * px + 1, c),
      at(2 * py + 1, 2 * px, c),
      at(2 * py + 1, 2 * px + 1, c),
    );
  }
  return { height, width, values };
}

/** Steps 8 to 11. */
function endLayer(
  values: Int32Array,
  begin: Fixed,
  shift: number,
): { x: Int32Array; reciprocal: Fixed } {
  const vmax = values.reduce((max, v) => Math.max(max, v), 1);
  const z = Math.clz32(vmax) - 1;
  const r = Number((127n << 54n) / BigInt(vmax * 2 ** z));
  const x = values.map((v) => (mulhi(Math.max(v, 0) << z, r) + 2 ** 21) >> 22);
  const [mantissa, s] = normalize(mulhi(begin.mantissa, r));
  return { x, reciprocal: { mantissa, exponent: begin.exponent + z - 22 - s - shift } };
}

/** What an engine returns for `layer` (default: the last one), one image after the other. */
export function referenceActivations(
  program: Program,
  weights: Weights,
  batch: Batch,
  layer: string = program.layers.at(-1)!.pool ?? program.layers.at(-1)!.name,
): Activations {
  return referenceLayers(program, weights, batch, [layer])[0]!;
}

/** What an engine returns for each of several layers, all of one run. */
export function referenceLayers(
  program: Program,
  weights: Weights,
  batch: Batch,
  layers: readonly string[],
): Activations[] {
  const size = batch.data.length / batch.count;
  const images = Array.from({ length: batch.count }, (_, n) => {
    const image = batch.data.subarray(n * size, (n + 1) * size);
    return runReference(program, weights, image, batch.height, batch.width);
  });
  return layers.map((layer) => activationsOf(program, images, layer));
}

/** One layer of all images. */
function activationsOf(
  program: Program,
  images: readonly (readonly ReferenceLayer[])[],
  layer: string,
): Activations {
  const index = program.layers.findIndex((l) => l.name === layer || l.pool === layer);
  const { pool, relu } = program.layers[index];
  const found = images.map((results) => results[index]);
  const parts = found.map((result) => pool === layer ? result.pooled! : result);
  const [{ height, width, values: { length } }] = parts;
  const data = new Int32Array(parts.length * length);
  parts.forEach(({ values }, n) => {
    data.set(relu ? values.map((v) => Math.max(v, 0)) : values, n * length);
  });
  return {
    layer,
    shape: [parts.length, height, width, found[0].channels],
    data,
    scale: Float64Array.from(found, ({ unit }) => unit),
  };
}
