/** Convolutions, dense layers and batch normalization. */

import { type CheckpointTensor, OUTPUTS_FIRST, OUTPUTS_LAST, sizeOf } from "../checkpoint.ts";
import type { Layout, Operator } from "../graph.ts";
import type { Axes, Axis } from "./axes.ts";
import { isNoCap } from "./activations.ts";
import type { Call, Meaning, Translator } from "./call.ts";
import { geometryOf } from "./geometry.ts";
import type { OnnxConstant } from "./constants.ts";
import { NotUnderstood } from "./not_understood.ts";
import { mappedTensor } from "../tensors.ts";

/** `Conv`, also with the activation that onnxruntime puts into it. */
export const conv: Translator<Meaning> = (call) => {
  const bias = call.optional(2, "its bias");
  if (call.node.inputs[3]) throw new NotUnderstood("it adds another value to its result");
  const { operator, axes } = convolution(call, call.constant(1, "its weight"), bias);
  return activated(call, { operators: [operator], axes });
};

/** A convolution of the map that a node takes. */
export function convolution(
  call: Call,
  constant: OnnxConstant,
  bias: CheckpointTensor | undefined,
  layout: Layout = "NCHW",
): { operator: Operator & { kind: "conv" }; axes: Axes } {
  const { shape } = constant;
  if (shape.length !== 4) {
    throw new NotUnderstood(`its weight has ${shape.length} axes: expected a convolution of maps`);
  }
  const window = shape.slice(2) as [number, number];
  const said = call.integers("kernel_shape");
  if (said !== undefined && String(said) !== String(window)) {
    throw new NotUnderstood(`its weight has the shape [${shape}], its window [${said}]`);
  }
  const geometry = geometryOf(call, window, layout);
  const channels: Axis = { of: "channels", size: shape[0] };
  const [images, places] = [call.mapAxes[0]!, geometry.places(false)];
  const { stride, padding, dilation } = geometry;
  return {
    operator: {
      kind: "conv",
      weight: filterOf(call, constant),
      bias,
      ...{ stride, padding, dilation, layout },
      groups: call.integer("group", 1),
    },
    axes: layout === "NCHW" ? [images, channels, ...places] : [images, ...places, channels],
  };
}

/** A weight as it lies: exporters from TensorFlow turn its `[H, W, I, O]` to `[O, I, H, W]`. */
function filterOf(call: Call, constant: OnnxConstant): CheckpointTensor {
  const { tensor, order } = constant;
  if (tensor !== undefined && String(order) === "3,2,0,1") {
    return { ...tensor, layout: OUTPUTS_LAST };
  }
  return plainTensor(call, constant);
}

function plainTensor(call: Call, constant: OnnxConstant): CheckpointTensor {
  const tensor = call.constants.plain(constant, call.node.name);
  if (tensor === undefined) throw new NotUnderstood("its weight is computed");
  return { ...tensor };
}

/** `Gemm`, also with the activation that onnxruntime puts into it: `alpha * x * B + beta * C`. */
export const gemm: Translator<Meaning> = (call) => {
  call.expectFloats();
  if (call.integer("transA", 0) !== 0) throw new NotUnderstood("it turns its input round (transA)");
  const isTurned = call.integer("transB", 0) !== 0;
  const { operator, axes } = dense(call, matrixOf(call, 1), isTurned);
  const alpha = call.float("alpha", 1), beta = call.float("beta", 1);
  const offset = call.optional(2, "its bias");
  const outputs = axes.at(-1)!.size;
  if (offset === undefined || beta === 0) {
    return activated(call, { operators: [operator, ...scaled(alpha)], axes });
  }
  const bias = beta === 1 ? offset : mappedTensor(offset, (value) => value * beta);
  if (sizeOf(bias.shape) === outputs && bias.shape.at(-1) === outputs) {
    const flat = { ...bias, shape: [outputs] };
    if (alpha === 1) return activated(call, { operators: [{ ...operator, bias: flat }], axes });
    const operators: Operator[] = [operator, ...scaled(alpha), { kind: "affine", shift: flat }];
    return activated(call, { operators, axes });
  }
  if (sizeOf(bias.shape) !== 1) throw new NotUnderstood(`its bias has the shape [${bias.shape}]`);
  const operators: Operator[] = [operator, ...scaled(alpha), { kind: "affine", shift: bias }];
  return activated(call, { operators, axes });
};

function scaled(alpha: number): Operator[] {
  return alpha === 1 ? [] : [{ kind: "affine", scale: alpha }];
}

/** `MatMul`, and onnxruntime's that turns its weight round and scales the result. */
export const matMul: Translator<Meaning> = (call) => {
  call.expectFloats();
  if (call.integer("transA", 0) !== 0) throw new NotUnderstood("it turns its input round (transA)");
  const isTurned = call.integer("transB", 0) !== 0;
  const { operator, axes } = dense(call, matrixOf(call, 1), isTurned);
  return { operators: [operator, ...scaled(call.float("alpha", 1))], axes };
};

/** The weight of a product, whose first input is the value. */
export function matrixOf(call: Call, input: number): OnnxConstant {
  if (call.node.inputs[input] === call.source) {
    throw new NotUnderstood("its first input is the weight, its second one the value");
  }
  return call.constant(input, "its weight");
}

/**
 * A dense layer: `x * weight`.
 *
 * @param isTurned Whether the weight is `[O, I]`, not `[I, O]`.
 */
export function dense(
  call: Call,
  constant: OnnxConstant,
  isTurned: boolean,
): { operator: Operator & { kind: "dense" }; axes: Axes } {
  const { shape, tensor, order } = constant;
  const { axes } = call, last = axes.at(-1);
  if (shape.length !== 2) throw new NotUnderstood(`its weight has ${shape.length} axes, not two`);
  const isVector = axes.slice(0, -1).every(({ of, size }) => of === "images" || size === 1);
  if (last?.of !== "channels" || !isVector) {
    throw new NotUnderstood("it multiplies each position of a map");
  }
  // A matrix that is only turned round is read as it lies.
  const isStored = tensor !== undefined && String(order) === "1,0";
  const weight = isStored ? { ...tensor } : plainTensor(call, constant);
  const layout = isTurned !== isStored ? OUTPUTS_FIRST : OUTPUTS_LAST;
  const outputs: Axis = { of: "channels", size: isTurned ? shape[0] : shape[1] };
  return {
    operator: { kind: "dense", weight: { ...weight, layout } },
    axes: [...axes.slice(0, -1), outputs],
  };
}

/** Adds what onnxruntime's fused operators do last. */
function activated(call: Call, meaning: Meaning): Meaning {
  const activation = call.text("activation", "");
  if (activation === "") return meaning;
  const [low, high] = call.node.attributes.get("activation_params")?.floats ?? [];
  const isRelu = activation === "Relu" || (activation === "Clip" && low === 0 && isNoCap(high));
  if (!isRelu) throw new NotUnderstood(`its activation is ${activation}`);
  const operators: Operator[] = [...meaning.operators, { kind: "relu" }];
  return { ...meaning, operators, isNonNegative: true };
}

/** `BatchNormalization` with the averages that training left. */
export const batchNorm: Translator<Meaning> = (call) => {
  call.expectFloats();
  const outputs = call.node.outputs.filter((name) => name !== "");
  const trains = call.opset >= 14
    ? call.integer("training_mode", 0) !== 0
    : call.opset >= 7 && outputs.length > 1;
  if (trains) throw new NotUnderstood("it normalizes by what it is given: export for inference");
  if (call.integer("spatial", 1) === 0) {
    throw new NotUnderstood("it normalizes each position of a map by itself");
  }
  return {
    operators: [{
      kind: "batchNorm",
      gamma: call.tensor(1, "its scale"),
      beta: call.tensor(2, "its bias"),
      mean: call.tensor(3, "its mean"),
      variance: call.tensor(4, "its variance"),
      epsilon: call.float("epsilon", 1e-5),
    }],
    axes: call.axes,
    isImage: call.value.isImage,
  };
};
