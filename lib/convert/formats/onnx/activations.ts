/** Activations, and arithmetic with constants. */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import type { Call, Meaning, Translator } from "./call.ts";
import { mappedConstant } from "../tensors.ts";
import { NotUnderstood } from "./not_understood.ts";
import { fromFront } from "./numbers.ts";

/** The largest number of float16. */
const MAX_FLOAT16 = 65504;

/** Whether a maximum lets all values through that a half-precision network can have. */
export function isNoCap(high: number | undefined): boolean {
  return high === undefined || high >= MAX_FLOAT16;
}

export const relu: Translator<Meaning> = (call) => {
  call.expectFloats();
  return { operators: [{ kind: "relu" }], axes: call.axes, isNonNegative: true };
};

/** A leaky ReLU that does not leak. */
export const leakyRelu: Translator<Meaning> = (call) => {
  const alpha = call.float("alpha", 0.01);
  if (alpha !== 0) throw new NotUnderstood(`it keeps ${alpha} of what is negative`);
  return relu(call);
};

/** `Clip` from 0 on is a ReLU. */
export const clip: Translator<Meaning> = async (call) => {
  const low = await call.number("min", 1, "its minimum") ?? -Infinity;
  const high = await call.number("max", 2, "its maximum") ?? Infinity;
  if (!isNoCap(high)) throw new NotUnderstood(`it caps its values at ${high}`);
  if (low <= -MAX_FLOAT16) return call.moved([{ kind: "identity" }], call.axes);
  if (low !== 0) throw new NotUnderstood(`it cuts its values off below ${low}`);
  return relu(call);
};

/** `Max` of a value and 0. */
export const max: Translator<Meaning> = async (call) => {
  if (call.node.inputs.length === 1) return call.moved([{ kind: "identity" }], call.axes);
  const other = call.node.inputs.indexOf(call.source) === 0 ? 1 : 0;
  const values = await call.elements(other, "the other of its inputs") ?? [];
  if (call.node.inputs.length > 2) {
    throw new NotUnderstood("it takes the maximum of several values");
  }
  const floor = [...values].find((value) => value !== 0);
  if (floor !== undefined || values.length === 0) {
    throw new NotUnderstood(`it takes the maximum of its value and ${floor}`);
  }
  return relu(call);
};

/** `Softmax`, and `LogSoftmax`, whose exponentials are its scores. */
export const softmax: Translator<Meaning> = (call) => {
  const { axes } = call;
  const isOld = call.opset < 13,
    axis = fromFront(call.integer("axis", isOld ? 1 : -1), axes.length);
  // Before version 13 it was taken over all axes from this one on.
  const over = isOld ? axes.slice(axis) : [axes[axis]];
  const others = isOld ? axes.slice(0, axis) : axes.toSpliced(axis, 1);
  const isClasses = over.some((axis) => axis?.of === "channels") &&
    [...over, ...others].every((axis) => axis?.of !== "places" || axis.size === 1) &&
    over.every((axis) => axis?.of !== "images" || axis.size === 1);
  if (!isClasses) throw new NotUnderstood(`it is taken over axis ${axis}, not over the classes`);
  return call.beforeTurn({ kind: "softmax" }, { operators: [], axes, isNonNegative: true });
};

export const sigmoid: Translator<Meaning> = (call) => {
  call.expectFloats();
  return { operators: [{ kind: "sigmoid" }], axes: call.axes, isNonNegative: true };
};

/** `Add` and `Sum`. */
export const add: Translator<Meaning> = (call) => {
  const { inputs } = call.node;
  if (inputs.length !== 2) throw new NotUnderstood(`it takes ${inputs.length} values`);
  return affine(call, (constant) => ({ kind: "affine", shift: constant }));
};

export const multiply: Translator<Meaning> = (call) =>
  affine(call, (constant) => ({ kind: "affine", scale: constant }));

/** `x - c`, or `c - x`. */
export const subtract: Translator<Meaning> = (call) =>
  call.node.inputs[0] === call.source
    ? affine(call, (constant) => ({ kind: "affine", shift: mappedConstant(constant, (c) => -c) }))
    : affine(call, (constant) => ({ kind: "affine", scale: -1, shift: constant }));

/** `x / c`. */
export const divide: Translator<Meaning> = (call) => {
  if (call.node.inputs[0] !== call.source) throw new NotUnderstood("it divides by its value");
  return affine(
    call,
    (constant) => ({ kind: "affine", scale: mappedConstant(constant, (c) => 1 / c) }),
  );
};

export const negate: Translator<Meaning> = (call) => scaledBy(call, -1);

/** The first power. */
export const power: Translator<Meaning> = async (call) => {
  const [exponent, ...others] = await call.elements(1, "its exponent") ?? [];
  if (exponent !== 1 || others.length > 0) throw new NotUnderstood(`its exponent is ${exponent}`);
  return scaledBy(call, 1);
};

/** `ImageScaler` of the first versions: one factor, and an offset for each color. */
export const imageScaler: Translator<Meaning> = (call) => {
  const bias = call.node.attributes.get("bias")?.floats ?? [];
  const values = Float32Array.from(bias);
  const shift: CheckpointTensor = {
    ...call.constants.plain(
      {
        shape: [bias.length, 1, 1],
        type: "F32",
        numbers: { shape: [bias.length, 1, 1], values: Array.from(values) },
      },
      `${call.node.name}.bias`,
    )!,
  };
  const operators: Operator[] = [{ kind: "affine", scale: call.float("scale", 1), shift }];
  return { operators, axes: call.mapAxes, isImage: call.value.isImage };
};

function scaledBy(call: Call, scale: number): Meaning {
  call.expectFloats();
  const operators: Operator[] = [{ kind: "affine", scale }];
  return { operators, axes: call.axes, isImage: call.value.isImage };
}

/** What is done to each element with a constant. */
async function affine(
  call: Call,
  toOperator: (constant: number | CheckpointTensor) => Operator,
): Promise<Meaning> {
  call.expectFloats();
  const constant = await operand(call, call.node.inputs[0] === call.source ? 1 : 0);
  return { operators: [toOperator(constant)], axes: call.axes, isImage: call.value.isImage };
}

/** A constant that is spread over a value, and makes no more of it than there was. */
async function operand(call: Call, input: number): Promise<number | CheckpointTensor> {
  const { axes } = call;
  const tensor = call.tensor(input, "the other of its inputs");
  if (sizeOf(tensor.shape) === 1 && tensor.shape.length <= axes.length) {
    return (await call.elements(input, ""))![0] as number;
  }
  // Before version 7 the constant began at an axis that was named.
  const axis = call.integer("axis", NaN);
  const after = Number.isInteger(axis)
    ? Math.max(axes.length - fromFront(axis, axes.length) - tensor.shape.length, 0)
    : 0;
  const shape = [...tensor.shape, ...new Array<number>(after).fill(1)];
  const offset = axes.length - shape.length;
  const fits = offset >= 0 && shape.every((size, index) => {
    const axis = axes[offset + index]!;
    return size === 1 || (axis.of !== "images" && size === (axis.size ?? size));
  });
  if (!fits) throw new NotUnderstood(`its constant has the shape [${tensor.shape}]`);
  return { ...tensor, shape };
}
