/** Layers: convolutions, dense layers, batch normalization, pools, padding. */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import type { Layout, Padding, Pair } from "../graph.ts";
import { alongChannels, singleNumber } from "./arithmetic.ts";
import { numbersOf } from "./constants.ts";
import { integersOf, knownIntegers } from "./shapes.ts";
import type { Sizes } from "./tensor_proto.ts";
import { type Activation, attribute, type Place, type Translation, type Value } from "./values.ts";

/** The axes of height and width of a list of four in the order of a layout. */
function spatial<T>(list: readonly T[], layout: Layout): [vertical: T, horizontal: T] {
  return layout === "NCHW" ? [list[2]!, list[3]!] : [list[1]!, list[2]!];
}

/** Height and width of a list of eight: what is before and behind each axis. */
function spatialPadding(list: readonly number[], layout: Layout): [number, number, number, number] {
  const [vertical, horizontal] = spatial([0, 2, 4, 6], layout);
  return [list[vertical]!, list[horizontal]!, list[vertical + 1]!, list[horizontal + 1]!];
}

function layoutOf(place: Place): Layout {
  return attribute(place, "data_format").text === "NCHW" ? "NCHW" : "NHWC";
}

/** Height and width of a list attribute; what is left out is 1. */
function pairOf(place: Place, name: string): Pair {
  const { ints } = attribute(place, name);
  return ints.length === 4 ? spatial(ints, layoutOf(place)) : [1, 1];
}

/** @returns `undefined` of padding that is none of the three kinds. */
function paddingOf(place: Place): Padding | undefined {
  switch (attribute(place, "padding").text) {
    case "SAME":
      return "same";
    case "VALID":
      return "valid";
    case "EXPLICIT": {
      const { ints } = attribute(place, "explicit_paddings");
      return ints.length === 8 ? spatialPadding(ints, layoutOf(place)) : undefined;
    }
  }
}

/** The shape that a window makes of a map. */
function windowed(
  shape: Sizes | undefined,
  layout: Layout,
  channels: number | undefined,
  { window, stride, dilation = [1, 1], padding }: {
    window: Pair;
    stride: Pair;
    dilation?: Pair;
    padding: Padding;
  },
): Sizes | undefined {
  if (shape?.length !== 4) return undefined;
  const sizes = spatial(shape, layout).map((size, i): number | undefined => {
    if (size === undefined) return undefined;
    if (padding === "same") return Math.ceil(size / stride[i]!);
    const around = padding === "valid" ? 0 : padding[i]! + padding[i + 2]!;
    return Math.floor((size + around - (window[i]! - 1) * dilation[i]! - 1) / stride[i]!) + 1;
  });
  return layout === "NCHW" ? [shape[0], channels, ...sizes] : [shape[0], ...sizes, channels];
}

/** Translates `Conv2D`. */
export async function conv(to: Translation, place: Place): Promise<Value> {
  const [value, weight] = [await to.input(place, 0), to.constant(await to.input(place, 1))];
  const padding = paddingOf(place);
  if (value.kind !== "activation" || weight?.shape.length !== 4 || padding === undefined) {
    return await to.unsupported(place);
  }
  const layout = layoutOf(place);
  const [stride, dilation] = [pairOf(place, "strides"), pairOf(place, "dilations")];
  // TensorFlow Lite has the outputs first.
  const sizes = weight.layout.outputs === "last"
    ? weight.shape
    : [...weight.shape.slice(1), weight.shape[0]];
  const [height, width, perGroup, outputs] = sizes as [number, number, number, number];
  const channels = value.shape?.[layout === "NCHW" ? 1 : 3];
  const groups = (channels ?? perGroup) / perGroup;
  const geometry = { window: [height, width], stride, dilation, padding } as const;
  const shape = windowed(value.shape, layout, outputs, geometry);
  const operator = { kind: "conv", weight, stride, padding, dilation, groups, layout } as const;
  const output = { ...to.emit(place, operator, [value], shape, layout), shape };
  return await fused(to, place, output);
}

/** Translates `MatMul` with weights. */
export async function matMul(to: Translation, place: Place): Promise<Value> {
  const [value, weight] = [await to.input(place, 0), to.constant(await to.input(place, 1))];
  const turns = (a: string, b: string) =>
    attribute(place, a).int === 1 || attribute(place, b).int === 1;
  if (value.kind !== "activation" || weight?.shape.length !== 2 || turns("transpose_a", "adj_x")) {
    return await to.unsupported(place);
  }
  if (value.shape !== undefined && value.shape.length !== 2) {
    return await to.unsupported(place, "it takes no vector");
  }
  const isFirst = turns("transpose_b", "adj_y");
  const layout = { ...weight.layout, outputs: isFirst ? "first" : "last" } as const;
  const shape = [value.shape?.[0], weight.shape[isFirst ? 0 : 1]];
  const operator = { kind: "dense", weight: { ...weight, layout } } as const;
  return await fused(to, place, to.emit(place, operator, [value], shape));
}

/** What an optimizer has drawn into a layer: its bias, batch normalization, ReLU or sigmoid. */
async function fused(to: Translation, place: Place, value: Activation): Promise<Value> {
  const { op } = place.node;
  if (!op.startsWith("_Fused")) return value;
  let next = 2;
  const take = async (): Promise<CheckpointTensor | undefined> =>
    to.constant(await to.input(place, next++));
  for (const step of attribute(place, "fused_ops").texts) {
    if (step === "Relu") value = to.emit(place, { kind: "relu" }, [value]);
    else if (step === "Sigmoid") value = to.emit(place, { kind: "sigmoid" }, [value]);
    else if (step === "BiasAdd") {
      const bias = await take();
      if (bias === undefined) return await to.unsupported(place);
      const isFirst = op === "_FusedConv2D" && layoutOf(place) === "NCHW";
      value = to.emit(place, { kind: "affine", shift: alongChannels(bias, isFirst) }, [value]);
    } else if (step === "FusedBatchNorm") {
      const [gamma, beta, mean, variance] = [
        await take(),
        await take(),
        await take(),
        await take(),
      ];
      if (mean === undefined || variance === undefined) return await to.unsupported(place);
      const epsilon = attribute(place, "epsilon").float ?? 1e-4;
      const operator = { kind: "batchNorm", gamma, beta, mean, variance, epsilon } as const;
      value = to.emit(place, operator, [value]);
    } else return await to.unsupported(place, `it does ${step}, too`);
  }
  return value;
}

/** Translates `FusedBatchNorm` of all versions, with what an optimizer has drawn into it. */
export async function batchNorm(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const tensors: (CheckpointTensor | undefined)[] = [];
  for (const index of [1, 2, 3, 4]) tensors.push(to.constant(await to.input(place, index)));
  const [gamma, beta, mean, variance] = tensors;
  if (value.kind !== "activation" || mean === undefined || variance === undefined) {
    return await to.unsupported(place);
  }
  if (gamma === undefined || beta === undefined) return await to.unsupported(place);
  if (attribute(place, "is_training").int !== 0) {
    return await to.unsupported(place, "it takes the mean of the images, as in training");
  }
  const epsilon = attribute(place, "epsilon").float ?? 1e-4;
  const normalized = to.emit(
    place,
    { kind: "batchNorm", gamma, beta, mean, variance, epsilon },
    [value],
  );
  const { text: then = "Identity" } = attribute(place, "activation_mode");
  if ((attribute(place, "num_side_inputs").int ?? 0) !== 0) return await to.unsupported(place);
  if (then === "Identity") return normalized;
  return then === "Relu"
    ? to.emit(place, { kind: "relu" }, [normalized])
    : await to.unsupported(place, `it does ${then}, too`);
}

/** Of the first versions: value, mean, variance, beta, gamma. */
export async function oldBatchNorm(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const tensors: (CheckpointTensor | undefined)[] = [];
  for (const index of [1, 2, 3, 4]) tensors.push(to.constant(await to.input(place, index)));
  const [mean, variance, beta, scale] = tensors;
  if (value.kind !== "activation" || mean === undefined || variance === undefined) {
    return await to.unsupported(place);
  }
  const gamma = attribute(place, "scale_after_normalization").int === 1 ? scale : undefined;
  const epsilon = attribute(place, "variance_epsilon").float ?? 0;
  return to.emit(place, { kind: "batchNorm", gamma, beta, mean, variance, epsilon }, [value]);
}

/** Translates `MaxPool` and `AvgPool`. */
export async function pool(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const padding = paddingOf(place);
  if (value.kind !== "activation" || padding === undefined) return await to.unsupported(place);
  const layout = layoutOf(place);
  const [window, stride] = [pairOf(place, "ksize"), pairOf(place, "strides")];
  const channels = value.shape?.[layout === "NCHW" ? 1 : 3];
  const shape = windowed(value.shape, layout, channels, { window, stride, padding });
  const kind = place.node.op === "MaxPool" ? "maxPool" : "averagePool";
  const operator = { kind, window, stride, padding, roundsUp: false, layout } as const;
  return { ...to.emit(place, operator, [value], shape, layout), shape };
}

/** Translates `Mean` over height and width. */
export async function mean(to: Translation, place: Place): Promise<Value> {
  const [value, named] = [await to.input(place, 0), await knownIntegers(to, place, 1)];
  if (value.kind !== "activation" || named === undefined) return await to.unsupported(place);
  const rank = value.shape?.length ?? 4;
  const axes = named.map((axis) => (axis + rank) % rank).sort().join();
  const expected = value.layout === "NCHW" ? "2,3" : "1,2";
  if (rank !== 4 || axes !== expected) {
    return await to.unsupported(place, `it takes the mean over the axes ${axes}`);
  }
  const channels = value.shape?.[value.layout === "NCHW" ? 1 : 3];
  const isKept = attribute(place, "keep_dims").int === 1;
  const point = value.layout === "NCHW" ? [channels, 1, 1] : [1, 1, channels];
  const shape = [value.shape?.[0], ...isKept ? point : [channels]];
  return to.emit(place, { kind: "globalAverage" }, [value], shape);
}

/** Translates `Pad` with zeros. */
export async function pad(to: Translation, place: Place): Promise<Value> {
  const [value, amounts] = [await to.input(place, 0), to.constant(await to.input(place, 1))];
  if (value.kind !== "activation" || amounts === undefined || sizeOf(amounts.shape) !== 8) {
    return await to.unsupported(place);
  }
  if ((value.shape?.length ?? 4) !== 4) return await to.unsupported(place, "it pads no map");
  const filling = place.node.op === "Pad" ? undefined : to.constant(await to.input(place, 2));
  if (place.node.op === "PadV2" && (filling === undefined || await singleNumber(filling) !== 0)) {
    return await to.unsupported(place, "it pads with another number than zero");
  }
  const numbers = (await numbersOf(amounts))!;
  const layout = value.layout ?? "NHWC";
  const padding = spatialPadding(numbers, layout);
  const total = numbers.reduce((sum, size) => sum + size, 0);
  if (total === 0) return value;
  if (total !== padding.reduce((sum, size) => sum + size, 0)) {
    return await to.unsupported(place, "it pads images or channels");
  }
  const shape = value.shape?.map((size, axis) =>
    size === undefined ? undefined : size + numbers[2 * axis]! + numbers[2 * axis + 1]!
  );
  return to.emit(place, { kind: "pad", padding, layout }, [value], shape);
}

/** A resizing to the size that the map has anyway changes nothing. */
export async function resize(to: Translation, place: Place): Promise<Value> {
  const [value, size] = [await to.input(place, 0), await integersOf(to, await to.input(place, 1))];
  if (value.kind !== "activation") return await to.unsupported(place);
  const found = value.shape?.slice(1, 3);
  if (size?.length === 2 && !size.includes(undefined) && String(found) === String(size)) {
    return value;
  }
  return await to.unsupported(place, "the graph resizes its images itself");
}
