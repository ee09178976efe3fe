/** Keras' layers as operators of the graph, each with all that its configuration says. */

import { isRecord, jsonText } from "../../../model/json.ts";
import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";
import type { Operator, Padding } from "../graph.ts";
import type { Json } from "./description.ts";
import { batchNormalization, normalization, rescaling } from "./norms.ts";
import {
  elementwise,
  layoutOf,
  type Made,
  pairOf,
  type Shape,
  type Taken,
  Untranslatable,
} from "./values.ts";
import { quantizationOf } from "./weights.ts";

const VECTOR: Shape = { kind: "vector" };

/** Layers that do nothing to an image that is classified: those for training, but for those that crop. */
const FOR_TRAINING = new RegExp(
  "^(Identity|(|Spatial|Alpha|Gaussian)Dropout(1D|2D)?|GaussianNoise|ActivityRegularization" +
    "|Random(?!Crop$).*|RandAugment|AugMix|CutMix|MixUp|Solarization)$",
);

/** Words for what follows a layer. A soft-max of which the logarithm is taken orders the same. */
const ACTIVATIONS: Readonly<Record<string, Operator["kind"] & ("relu" | "softmax" | "sigmoid")>> = {
  relu: "relu",
  softmax: "softmax",
  softmax_v2: "softmax",
  log_softmax: "softmax",
  log_softmax_v2: "softmax",
  sigmoid: "sigmoid",
};

const LAYERS: Readonly<Record<string, (taken: Taken) => Made>> = {
  Conv2D: convolution,
  Convolution2D: convolution,
  Dense: dense,
  Activation: (taken) => activated(elementwise(taken), taken.config.activation),
  ReLU: relu,
  LeakyReLU: ({ config, ...taken }) =>
    relu({ ...taken, config: { negative_slope: config.negative_slope ?? config.alpha ?? 0.3 } }),
  Softmax: softmax,
  MaxPooling2D: pool("maxPool"),
  MaxPool2D: pool("maxPool"),
  AveragePooling2D: pool("averagePool"),
  AvgPool2D: pool("averagePool"),
  GlobalAveragePooling2D: globalAverage,
  GlobalAvgPool2D: globalAverage,
  AdaptiveAveragePooling2D: ({ config, shape }) => ({
    operators: [{ kind: "adaptiveAverage", size: pairOf(config.output_size, "output_size") }],
    shape: { kind: layoutOf(config, shape) },
  }),
  Flatten: flatten,
  // As an operation of Keras 3 it has the images' axis, too.
  Reshape: ({ config: { target_shape, newshape }, shape }) =>
    reshape(target_shape ?? [newshape].flat().slice(1), shape),
  Permute: ({ config, shape }) => {
    const dims = Array.isArray(config.dims) ? config.dims : [];
    return transpose([0, ...dims], shape);
  },
  ZeroPadding2D: zeroPadding,
  BatchNormalization: batchNormalization,
  Rescaling: rescaling,
  Normalization: normalization,
  Resizing: (taken) => resize(taken, [taken.config.height, taken.config.width]),
  CenterCrop: (taken) => resize(taken, [taken.config.height, taken.config.width]),
  RandomCrop: (taken) => resize(taken, [taken.config.height, taken.config.width]),
};

/**
 * Translates a layer.
 *
 * @returns `undefined` if it is none that is known.
 * @throws {Untranslatable} If it is known, and not as a graph has it.
 */
export function makeLayer(taken: Taken): Made | undefined {
  const { className } = taken.layer;
  if (FOR_TRAINING.test(className)) return elementwise(taken, { kind: "identity" });
  return Object.hasOwn(LAYERS, className) ? LAYERS[className]!(taken) : undefined;
}

/** What follows a layer: a word, a layer, or a function by its name. */
export function activated({ operators, shape }: Made, activation: unknown): Made {
  const word = isRecord(activation) && activation.class_name === "function"
    ? activation.config
    : activation;
  if (word === undefined || word === null || word === "linear") return { operators, shape };
  if (isRecord(word) && typeof word.class_name === "string") {
    const made = layerAsActivation(word.class_name, word.config, shape);
    return { operators: [...operators, ...made.operators], shape: made.shape };
  }
  const kind = typeof word === "string" && Object.hasOwn(ACTIVATIONS, word)
    ? ACTIVATIONS[word]
    : undefined;
  if (kind === undefined) {
    throw new Untranslatable("another activation than a VGG has", textOf(word));
  }
  if (kind === "softmax") expectLastAxis(shape);
  return { operators: [...operators, { kind }], shape };
}

function layerAsActivation(className: string, written: unknown, shape: Shape): Made {
  const config = isRecord(written) ? written : {};
  const layer = { className, name: "", config, calls: [] };
  const weight = (): never => {
    throw new Untranslatable("it has weights of its own");
  };
  try {
    if (isRecord(config.activation)) throw new Untranslatable("it has an activation itself");
    const made = makeLayer({ layer, config, shape, weight });
    if (made !== undefined) return made;
    throw new Untranslatable("no layer of a VGG");
  } catch (error) {
    if (!(error instanceof Untranslatable)) throw error;
    throw new Untranslatable(error.message, error.type ?? className);
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : jsonText(value);
}

function convolution({ config, layer, weight, shape }: Taken): Made {
  const kernel = weight("kernel");
  const layout = layoutOf(config, shape);
  const { padding } = config;
  if (padding !== "same" && padding !== "valid") {
    throw new Untranslatable(`its padding is ${textOf(padding)}`);
  }
  const quantization = quantizationOf(config);
  if (quantization !== undefined) throw new Untranslatable(`it is quantized as ${quantization}`);
  const operator: Operator = {
    kind: "conv",
    weight: kernel,
    bias: config.use_bias === false ? undefined : weight("bias"),
    stride: pairOf(config.strides ?? 1, "strides"),
    padding,
    dilation: pairOf(config.dilation_rate ?? 1, "dilation_rate"),
    groups: typeof config.groups === "number" ? config.groups : 1,
    layout,
  };
  expectSizes(layer.config.filters, kernel);
  return activated({ operators: [operator], shape: { kind: layout } }, config.activation);
}

/** A dense layer takes the last axis, whatever is before it: of a map, it is a convolution of one pixel. */
function dense({ config, shape, layer, weight }: Taken): Made {
  const kernel = dequantized(weight("kernel"), config, weight);
  const bias = config.use_bias === false ? undefined : weight("bias");
  expectSizes(layer.config.units, kernel);
  if (shape.kind === "NCHW") throw new Untranslatable("it takes the last axis of a map, its width");
  const operator: Operator = shape.kind !== "NHWC" ? { kind: "dense", weight: kernel, bias } : {
    kind: "conv",
    weight: { ...kernel, shape: [1, 1, ...kernel.shape] },
    bias,
    stride: [1, 1],
    padding: "valid",
    dilation: [1, 1],
    groups: 1,
    layout: "NHWC",
  };
  return activated({ operators: [operator], shape }, config.activation);
}

/** Whether a kernel is that of the layer, as far as its outputs tell. */
function expectSizes(outputs: unknown, { name, shape, layout }: CheckpointTensor): void {
  const found = layout.outputs === "first" ? shape[0] : shape.at(-1);
  if (outputs === undefined || outputs === found) return;
  throw new Untranslatable(
    `it has ${jsonText(outputs)} outputs, and its weights ${name} have ${found}`,
  );
}

/** Keras 3's int8: the kernel times a scale for each output. */
function dequantized(kernel: CheckpointTensor, config: Json, weight: Taken["weight"]) {
  const mode = quantizationOf(config);
  if (mode === undefined) return kernel;
  if (mode !== "int8") throw new Untranslatable(`it is quantized as ${mode}`);
  const scale = weight("kernel_scale");
  const outputs = sizeOf(scale.shape);
  expectSizes(outputs, kernel);
  let scales: Float32Array | undefined;
  const read: CheckpointTensor["read"] = async (runs, into) => {
    scales ??= await readAll(scale);
    await kernel.read(runs, into);
    const { start, length, stride } = runs;
    for (let i = 0; i < into.length; i++) {
      into[i]! /= scales[(start + Math.floor(i / length) * stride + i % length) % outputs]!;
    }
  };
  return { ...kernel, read };
}

function relu(taken: Taken): Made {
  const { max_value, negative_slope, threshold } = taken.config;
  for (const [word, value] of Object.entries({ negative_slope, threshold })) {
    if ((value ?? 0) !== 0) throw new Untranslatable(`its ${word} is ${jsonText(value)}`);
  }
  if ((max_value ?? undefined) !== undefined) {
    throw new Untranslatable(`it is capped at ${jsonText(max_value)}`);
  }
  return elementwise(taken, { kind: "relu" });
}

function softmax(taken: Taken): Made {
  const { axis = -1 } = taken.config;
  const [only, ...others] = Array.isArray(axis) ? axis : [axis];
  const last = taken.shape.kind === "vector" ? 1 : 3;
  if (others.length > 0 || (only !== -1 && only !== last)) {
    throw new Untranslatable("its axis is not the last one");
  }
  expectLastAxis(taken.shape);
  return elementwise(taken, { kind: "softmax" });
}

function expectLastAxis({ kind }: Shape): void {
  if (kind === "NCHW") {
    throw new Untranslatable("it is that of a map's last axis, its width", "softmax");
  }
}

function pool(kind: "maxPool" | "averagePool"): (taken: Taken) => Made {
  return ({ config, shape }) => {
    const window = pairOf(config.pool_size ?? 2, "pool_size");
    const layout = layoutOf(config, shape);
    const { padding = "valid" } = config;
    if (padding !== "same" && padding !== "valid") {
      throw new Untranslatable(`its padding is ${textOf(padding)}`);
    }
    const operator: Operator = {
      kind,
      window,
      stride: pairOf(config.strides ?? window, "strides"),
      padding,
      roundsUp: padding === "same",
      layout,
    };
    return { operators: [operator], shape: { kind: layout } };
  };
}

function globalAverage({ config, shape }: Taken): Made {
  const layout = layoutOf(config, shape);
  if (shape.kind !== undefined && shape.kind !== layout) {
    throw new Untranslatable(`it is that of maps in the order ${layout}, and takes ${shape.kind}`);
  }
  const operators: Operator[] = [{ kind: "globalAverage" }];
  return { operators, shape: config.keepdims === true ? { kind: layout } : VECTOR };
}

/** Of maps with their channels first it puts them last, before it flattens. */
function flatten({ config, shape }: Taken): Made {
  const isTurned = config.data_format === "channels_first" && shape.kind !== "vector";
  if (isTurned && shape.kind === "NHWC") {
    throw new Untranslatable("its data_format is channels_first, and it takes a map NHWC");
  }
  return {
    operators: [{ kind: "flatten", order: isTurned ? "NHWC" : undefined }],
    shape: VECTOR,
  };
}

/** To a vector, or from one to a map of one position. */
export function reshape(target: unknown, { kind }: Shape): Made {
  const sizes = Array.isArray(target) ? target : [];
  if (sizes.length === 1) return { operators: [{ kind: "flatten" }], shape: VECTOR };
  const isPoint = sizes.length === 3 && sizes[0] === 1 && sizes[1] === 1;
  if (isPoint && kind === "vector") {
    return { operators: [{ kind: "identity" }], shape: { kind: "NHWC" } };
  }
  throw new Untranslatable("it makes other axes than those of a vector");
}

/** @param order The axis that becomes each one, the images' included. */
export function transpose(order: readonly unknown[], { kind, size }: Shape): Made {
  if (order.length !== 4 || !order.every((axis) => Number.isInteger(axis))) {
    throw new Untranslatable("it changes the order of other axes than a map has");
  }
  const turned = String(order);
  const after = turned === "0,1,2,3"
    ? kind
    : turned === "0,3,1,2" && kind === "NHWC"
    ? "NCHW"
    : turned === "0,2,3,1" && kind === "NCHW"
    ? "NHWC"
    : undefined;
  return {
    operators: [{ kind: "transpose", order: order as number[] }],
    shape: { kind: after, size: after && size },
  };
}

/** One number for all sides, two for the directions, or two for each of them; in Keras 1 by names, too. */
function zeroPadding({ config, shape }: Taken): Made {
  const { padding = 1 } = config;
  const layout = layoutOf(config, shape);
  return {
    operators: [{ kind: "pad", padding: paddingOf(padding), layout }],
    shape: { kind: layout },
  };
}

function paddingOf(padding: unknown): Padding {
  if (isRecord(padding)) {
    const { top_pad = 0, bottom_pad = 0, left_pad = 0, right_pad = 0 } = padding;
    return paddingOf([[top_pad, bottom_pad], [left_pad, right_pad]]);
  }
  const list = Array.isArray(padding) ? padding : [padding, padding];
  const [top, left, bottom, right] = list.length === 4
    ? [list[0], list[2], list[1], list[3]]
    : [list[0], list[1]].map((side) => pairOf(side, "padding")).reduce<number[]>(
      (sides, [before, after], axis) => {
        [sides[axis], sides[axis + 2]] = [before, after];
        return sides;
      },
      [],
    );
  const sides = [top, left, bottom, right];
  if (!sides.every((side) => Number.isInteger(side) && side >= 0)) {
    throw new Untranslatable("its padding must be whole numbers");
  }
  return sides as [number, number, number, number];
}

/** Images that have their size already stay as they are. */
export function resize(taken: Taken, to: readonly unknown[]): Made {
  const { size } = taken.shape;
  if (size !== undefined && to.length === 2 && size.every((side, axis) => side === to[axis])) {
    return elementwise(taken, { kind: "identity" });
  }
  const from = size === undefined ? "images of any size" : `images of ${size.join("x")} pixels`;
  throw new Untranslatable(`it makes images of ${to.map(jsonText).join("x")} pixels of ${from}`);
}
