/**
 * Compiles a Model into the constants of the integer program that `README.md` beside this file
 * defines.
 */

import { type Layer, layersOf } from "../model/architecture.ts";
import type { LayerParameters, Model, Preprocessing } from "../model/model.ts";
import type { Geometry } from "./geometry.ts";

/** The number `mantissa * 2^exponent`, mantissa in `[2^30, 2^31)`. */
export interface Fixed {
  readonly mantissa: number;
  readonly exponent: number;
}

/** The constants of one layer. */
export interface ProgramLayer extends Layer {
  /** `round(s / smax * 2^30)`, `[O]`. */
  readonly multiplier: Int32Array;
  /** `round(b / 2^biasExponent)`, `[O]`, below 2^30 in magnitude. */
  readonly bias: Int32Array;
  readonly biasExponent: number;
  /** `1 / smax`; {@linkcode reciprocalOf} knows that of the average. */
  readonly reciprocal: Fixed;
}

/** Everything but the int8 weights. */
export interface Program {
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  /** The 16-bit value of each byte, `[channels, 256]`. */
  readonly table: Int16Array;
  /** `1 / S0`: what 1.0 is in `table`. */
  readonly inputReciprocal: Fixed;
  /** Those with weights, and the average where the model has it. */
  readonly layers: readonly ProgramLayer[];
}

/** Most inputs of an output of the first layer: `|acc| < 2^29`, see "Bounds" in README.md. */
const MAX_INNER_FIRST = Math.floor((2 ** 29 - 1) / (32767 * 127));
const NO_BIAS_EXPONENT = -4096;

/**
 * Compiles a Model.
 *
 * @throws {RangeError} If a layer's inner dimension is too large for exact int32 sums, or scales and
 *   biases are not finite or not one per output channel.
 */
export function compileProgram(
  model: Pick<Model, "architecture" | "preprocessing" | "parameters">,
): Program {
  const { input, convolutions, pooling } = model.architecture;
  const layers = layersOf(model.architecture).map((layer, index) =>
    compileLayer(layer, model.parameters[index], index === 0 ? MAX_INNER_FIRST : Infinity)
  );
  if (pooling === "average") {
    layers.splice(convolutions.length, 0, averageOf(convolutions.at(-1)!));
  }
  return { input, ...compileInput(model.preprocessing, input.channels), layers };
}

function compileInput(
  preprocessing: Preprocessing,
  channels: number,
): Pick<Program, "table" | "inputReciprocal"> {
  const { scale, mean, std } = preprocessing;
  const normalized = (channel: number, byte: number): number =>
    (byte * scale - (mean[channel] ?? NaN)) / (std[channel] ?? NaN);
  let max = 0;
  for (let c = 0; c < channels; c++) {
    max = Math.max(max, Math.abs(normalized(c, 0)), Math.abs(normalized(c, 255)));
  }
  if (!(max > 0 && max < Infinity)) {
    throw new RangeError(
      `Cannot normalize the input: expected mean and std for ${channels} channels that give finite values, found ${
        JSON.stringify(preprocessing)
      }`,
    );
  }
  const unit = max / 32767;
  const table = new Int16Array(channels * 256);
  for (let i = 0; i < table.length; i++) {
    table[i] = Math.round(normalized(i >> 8, i & 255) / unit);
  }
  return { table, inputReciprocal: toFixed(1 / unit) };
}

function compileLayer(
  layer: Layer,
  parameters: LayerParameters | undefined,
  maxInner: number,
): ProgramLayer {
  const { name, filterSize, inChannels, outChannels } = layer;
  const inner = filterSize[0] * filterSize[1] * inChannels;
  if (inner > maxInner) {
    throw new RangeError(
      `Layer ${name} has an inner dimension of ${inner}: at most ${maxInner} can be summed exactly in int32`,
    );
  }
  if (parameters === undefined) throw new RangeError(`Layer ${name} has no scales and biases`);
  const { scale, bias } = parameters;
  const largestScale = largest(scale, name, "scale", outChannels);
  const largestBias = largest(bias, name, "bias", outChannels);
  if (!scale.every((s) => s > 0)) {
    throw new RangeError(`Layer ${name} has a scale that is not greater than 0`);
  }
  // The smallest for which all are below 2^30: float32 has 24 bits, so that none is rounded up to it.
  const biasExponent = largestBias === 0 ? NO_BIAS_EXPONENT : exponentOf(largestBias) - 29;
  return {
    ...layer,
    multiplier: roundEach(scale, (s) => s / largestScale * 2 ** 30),
    bias: roundEach(bias, (b) => b === 0 ? 0 : b / 2 ** biasExponent),
    biasExponent,
    reciprocal: toFixed(1 / largestScale),
  };
}

function roundEach(values: Float32Array, change: (value: number) => number): Int32Array {
  const rounded = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) rounded[i] = Math.round(change(values[i]!));
  return rounded;
}

/** The average of all positions: a layer without weights, whose sums are its values. */
function averageOf(channels: number): ProgramLayer {
  return {
    name: "average",
    kind: "average",
    filterSize: [0, 0], // No filter takes any memory.
    padding: 0,
    inChannels: channels,
    outChannels: channels,
    relu: true,
    pool: undefined,
    multiplier: new Int32Array(channels).fill(2 ** 30),
    bias: new Int32Array(channels),
    biasExponent: NO_BIAS_EXPONENT,
    reciprocal: toFixed(1), // Of one position.
  };
}

/** `1 / smax` of a layer for a size of its input: the scale of an average is 1 by its positions. */
export function reciprocalOf(
  { layer, input }: Pick<Geometry<ProgramLayer>, "layer" | "input">,
): Fixed {
  return layer.kind === "average" ? toFixed(input.height * input.width) : layer.reciprocal;
}

function largest(values: Float32Array, layer: string, what: string, length: number): number {
  let max = 0;
  for (const value of values) max = Math.max(max, Math.abs(value));
  if (values.length !== length || !Number.isFinite(max)) {
    throw new RangeError(
      `Layer ${layer} needs ${length} finite values as ${what}: found ${values.length}, the largest ${max}`,
    );
  }
  return max;
}

/** Writes `x > 0` as `mantissa * 2^exponent`, rounded to 31 bits. */
export function toFixed(x: number): Fixed {
  const exponent = exponentOf(x) - 30;
  const mantissa = Math.round(x / 2 ** exponent);
  return mantissa === 2 ** 31
    ? { mantissa: 2 ** 30, exponent: exponent + 1 }
    : { mantissa, exponent };
}

/** `floor(log2(x))` of a normal float64 `x > 0`, exact: it is in the number's bits. */
function exponentOf(x: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, x);
  return ((bits.getUint16(0) >> 4) & 0x7ff) - 1023;
}
