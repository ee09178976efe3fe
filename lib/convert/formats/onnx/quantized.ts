/**
 * Operators of integers that stand for floats. A graph is told as if they were the floats: quantizing and
 * dequantizing are left out, but for what they cut off.
 */

import type { CheckpointTensor } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import type { Call, Meaning, Quantization, Translator } from "./call.ts";
import { INTEGER_RANGES, type Scales } from "./constants.ts";
import { mappedTensor } from "../tensors.ts";
import { convolution, dense, matrixOf } from "./layers.ts";
import { pool } from "./pools.ts";
import { NotUnderstood } from "./not_understood.ts";
import { onnxType } from "./tensor.ts";

export const quantizeLinear: Translator = async (call) => {
  call.expectFloats();
  const { node: { inputs: [, scale, zero] } } = call;
  const scales = await call.constants.scales(scale, zero);
  const type = zero ? scales.type : onnxType(call.integer("output_dtype", 2)) ?? "U8";
  return quantized(call.moved([], call.axes), { ...scales, type });
};

export const dequantizeLinear: Translator = async (call) => {
  const { node: { inputs: [, scale, zero] } } = call;
  const operators = await floatsOf(call, scale, zero);
  const isSame = operators.length === 0;
  const meaning = call.moved(isSame ? [{ kind: "identity" }] : operators, call.axes);
  return { ...meaning, quantization: undefined, isNonNegative: isSame && meaning.isNonNegative };
};

/** Its scale is 1 here and its zero point 0, as its integers are taken for the floats. */
export const dynamicQuantizeLinear: Translator = (call) => {
  call.expectFloats();
  const [, scale, zero] = call.node.outputs;
  const one = { shape: [], values: [1] }, none = { shape: [], values: [0] };
  if (scale) call.constants.define(scale, { shape: [], type: "F32", numbers: one });
  if (zero) call.constants.define(zero, { shape: [], type: "U8", numbers: none });
  const quantization = { scale: 1, zeroPoint: 0 };
  return { ...call.moved([{ kind: "identity" }], call.axes), quantization };
};

export const qLinearConv: Translator = async (call) => {
  const { inputs: [, xScale, xZero, , wScale, wZero, yScale, yZero] } = call.node;
  const scales = await call.constants.scales(wScale, wZero);
  const weight = call.constants.dequantized(call.constant(3, "its weight"), scales, 0);
  const layout = call.integer("channels_last", 0) !== 0 ? "NHWC" : "NCHW";
  const bias = await integerBias(call, 8, xScale, scales);
  const before = await floatsOf(call, xScale, xZero);
  const { operator, axes } = convolution(call, weight, bias, layout);
  const output = await call.constants.scales(yScale, yZero);
  return quantized({ operators: [...before, operator], axes }, output);
};

export const qGemm: Translator = async (call) => {
  const { inputs: [, aScale, aZero, , bScale, bZero, , yScale, yZero] } = call.node;
  if (call.integer("transA", 0) !== 0) throw new NotUnderstood("it turns its input round (transA)");
  const isTurned = call.integer("transB", 0) !== 0, alpha = call.float("alpha", 1);
  const scales = await call.constants.scales(bScale, bZero);
  const axis = isTurned ? 0 : 1;
  const weight = call.constants.dequantized(matrixOf(call, 3), scales, axis);
  const before = await floatsOf(call, aScale, aZero);
  const { operator, axes } = dense(call, weight, isTurned);
  const bias = await integerBias(call, 6, aScale, scales);
  const operators: Operator[] = [...before, { ...operator, bias }];
  if (alpha !== 1) operators.push({ kind: "affine", scale: alpha });
  if (!yScale) return { operators, axes };
  return quantized({ operators, axes }, await call.constants.scales(yScale, yZero));
};

export const qLinearMatMul: Translator = async (call) => {
  const { inputs: [, aScale, aZero, , bScale, bZero, yScale, yZero] } = call.node;
  const scales = await call.constants.scales(bScale, bZero);
  const weight = call.constants.dequantized(matrixOf(call, 3), scales, -1);
  const before = await floatsOf(call, aScale, aZero);
  const { operator, axes } = dense(call, weight, false);
  const output = await call.constants.scales(yScale, yZero);
  return quantized({ operators: [...before, operator], axes }, output);
};

/** `QLinearAdd` and `QLinearMul` of a value and a constant. */
export function qLinear(key: "shift" | "scale"): Translator {
  return async (call) => {
    const { inputs } = call.node, x = inputs[0] === call.source ? 0 : 3;
    const other = 3 - x;
    const scales = await call.constants.scales(inputs[other + 1], inputs[other + 2]);
    const integers = call.constant(other, "the other of its inputs");
    const constant = call.constants.plain(call.constants.dequantized(integers, scales, -1), "");
    if (constant === undefined) throw new NotUnderstood("the other of its inputs is no constant");
    const before = await floatsOf(call, inputs[x + 1], inputs[x + 2]);
    const operators: Operator[] = [...before, { kind: "affine", [key]: constant }];
    const output = await call.constants.scales(inputs[6], inputs[7]);
    return quantized({ operators, axes: call.axes }, output);
  };
}

/** What onnxruntime has for integers and ONNX for floats: `x`, its scale and zero point, and the result's. */
export function qLinearOf(translate: Translator<Meaning>): Translator {
  return async (call) => {
    const { inputs: [x = "", scale, zero, yScale, yZero] } = call.node;
    const before = await floatsOf(call, scale, zero);
    const floats = { ...call.value, quantization: undefined };
    const meaning = await translate(call.withValue(x, floats));
    const operators = [...before, ...meaning.operators];
    const output = await call.constants.scales(yScale, yZero);
    return quantized({ ...meaning, operators }, output);
  };
}

export const averagePool: Translator = (call) => {
  const layout = call.integer("channels_last", 0) !== 0 ? "NHWC" : "NCHW";
  return qLinearOf(pool("averagePool", layout))(call);
};

export const convInteger: Translator = async (call) => {
  const before = await integersOf(call, call.node.inputs[2]);
  const weight = await integerWeight(call, 0);
  const { operator, axes } = convolution(call, weight, undefined);
  return { operators: [...before, operator, ...integersAgain(call)], axes };
};

export const matMulInteger: Translator = async (call) => {
  const before = await integersOf(call, call.node.inputs[2]);
  const weight = await integerWeight(call, -1);
  const { operator, axes } = dense(call, weight, false);
  return { operators: [...before, operator, ...integersAgain(call)], axes };
};

/** onnxruntime's product of integers whose result is dequantized, and of floats that it quantizes itself. */
export function matMulToFloat(inputs: {
  readonly aScale?: number;
  readonly aZero?: number;
  readonly bScale: number;
  readonly bZero: number;
  readonly bias: number;
}): Translator {
  return async (call) => {
    const name = (index: number | undefined): string | undefined =>
      index === undefined ? undefined : call.node.inputs[index];
    const zero = name(inputs.bZero);
    const found = await call.constants.scales(name(inputs.bScale), zero);
    const scales = spread(found);
    const weight = call.constants.dequantized(matrixOf(call, 1), scales, -1);
    const aScale = name(inputs.aScale);
    if (aScale === undefined) call.expectFloats();
    const before = aScale === undefined ? [] : await floatsOf(call, aScale, name(inputs.aZero));
    const { operator, axes } = dense(call, weight, false);
    const bias = call.optional(inputs.bias, "its bias");
    return { operators: [...before, { ...operator, bias }], axes };
  };
}

/** One zero point for all scales. */
function spread({ scale, zeroPoint, type }: Scales): Scales {
  const all = zeroPoint.length === 1
    ? new Float32Array(scale.length).fill(zeroPoint[0]!)
    : zeroPoint;
  return { scale, zeroPoint: all, type };
}

/** Integers of a weight less their zero point; what scales them stands behind. */
async function integerWeight(call: Call, axis: number) {
  const zero = call.node.inputs[3];
  const zeroPoint = zero
    ? await call.constants.floats(zero, "its weight's zero point")
    : new Float32Array(1);
  const scales = {
    scale: new Float32Array(zeroPoint.length).fill(1),
    zeroPoint,
    type: "U8" as const,
  };
  return call.constants.dequantized(call.constant(1, "its weight"), scales, axis);
}

/** Makes floats of the value that a node takes, which it is already if it was quantized in the same way. */
async function floatsOf(
  call: Call,
  scaleName: string | undefined,
  zeroName: string | undefined,
): Promise<Operator[]> {
  const { scale, zeroPoint } = single(await call.constants.scales(scaleName, zeroName));
  const { quantization } = call.value;
  if (quantization === undefined) {
    // The image's bytes, as they come.
    return [{ kind: "affine", scale, shift: -zeroPoint * scale }];
  }
  if (scale === quantization.scale && zeroPoint === quantization.zeroPoint) return [];
  throw new NotUnderstood(
    `it takes its integers as (q - ${zeroPoint}) * ${scale}: they were made as (q - ${quantization.zeroPoint}) * ${quantization.scale}`,
  );
}

/** What is subtracted of integers before they are multiplied. */
async function integersOf(call: Call, zeroName: string | undefined): Promise<Operator[]> {
  const [zeroPoint = 0] = zeroName ? (await call.constants.numbers(zeroName))?.values ?? [] : [0];
  const { quantization } = call.value;
  if (typeof zeroPoint !== "number") throw new NotUnderstood("its zero point is no constant");
  if (quantization === undefined) {
    return zeroPoint === 0 ? [] : [{ kind: "affine", shift: -zeroPoint }];
  }
  if (zeroPoint === quantization.zeroPoint) return [];
  throw new NotUnderstood(
    `its zero point is ${zeroPoint}: that of its integers is ${quantization.zeroPoint}`,
  );
}

/** A product of floats as that of the integers: what follows multiplies with the scale. */
function integersAgain(call: Call): Operator[] {
  const scale = call.value.quantization?.scale ?? 1;
  return scale === 1 ? [] : [{ kind: "affine", scale: 1 / scale }];
}

function single({ scale, zeroPoint }: Scales): Quantization {
  const [first] = scale, [zero] = zeroPoint;
  if (first === undefined || zero === undefined || scale.length > 1) {
    throw new NotUnderstood(`its value has ${scale.length} scales: expected one`);
  }
  return { scale: first, zeroPoint: zero };
}

/**
 * A result that is rounded to integers. Where their smallest one stands for 0, what is below is cut off: so a
 * quantizer leaves a ReLU out.
 */
function quantized(meaning: Meaning, scales: Scales): Meaning {
  const quantization = single(scales);
  const cuts = INTEGER_RANGES[scales.type]?.[0] === quantization.zeroPoint;
  const relu: Operator[] = cuts && !meaning.isNonNegative && !meaning.isImage
    ? [{ kind: "relu" }]
    : [];
  const all = [...meaning.operators, ...relu];
  return {
    ...meaning,
    operators: all.length === 0 ? [{ kind: "identity" }] : all,
    isNonNegative: meaning.isNonNegative || relu.length > 0,
    quantization,
  };
}

/** A bias of int32, whose scale is the product of those of value and weight. */
async function integerBias(
  call: Call,
  input: number,
  xScale: string | undefined,
  { scale }: Scales,
): Promise<CheckpointTensor | undefined> {
  const bias = call.optional(input, "its bias");
  if (bias === undefined) return undefined;
  const [x] = (await call.constants.scales(xScale, undefined)).scale;
  if (x === undefined) throw new NotUnderstood("its value has no scale");
  return mappedTensor(bias, (value, index) => value * x * scale[scale.length === 1 ? 0 : index]!);
}
