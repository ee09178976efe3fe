/** What Caffe's layers do, as operators. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, readAll } from "../checkpoint.ts";
import type { Operator, Padding, Pair } from "../graph.ts";
import { readBlob } from "./blob.ts";
import type { CaffeLayer } from "./layer.ts";
import type { Message } from "./message.ts";

/** `PoolingParameter.PoolMethod`. */
const POOL_METHODS = ["max", "average", "stochastic"];

/** Makes the operators of one layer, which follow each other. */
type Translation = (layer: CaffeLayer, source: ByteSource, isFlat: boolean) => Promise<Operator[]>;

/** Layers that are read; all others are unsupported. */
export const TRANSLATIONS: Readonly<Record<string, Translation>> = {
  Convolution: convolution,
  InnerProduct: innerProduct,
  Pooling: pooling,
  BatchNorm: batchNorm,
  Scale: scale,
  Bias: bias,
  async ReLU(layer) {
    const slope = (await layer.parameter("relu")).number(1, 0);
    return [slope === 0 ? { kind: "relu" } : unsupported(layer, `its negative_slope is ${slope}`)];
  },
  async Softmax(layer) {
    const axis = (await layer.parameter("softmax")).number(2, 1);
    return [axis === 1 ? { kind: "softmax" } : unsupported(layer, `its axis is ${axis}`)];
  },
  async Power(layer) {
    const parameter = await layer.parameter("power"), power = parameter.number(1, 1);
    return power === 1
      ? [{ kind: "affine", scale: parameter.number(2, 1), shift: parameter.number(3, 0) }]
      : [unsupported(layer, `its power is ${power}`)];
  },
  async Reshape(layer) {
    const shape = await (await layer.parameter("reshape")).message(1);
    const sizes = await shape.integers(1);
    const flattens = sizes[0] === 0 && sizes[1] === -1 &&
      sizes.slice(2).every((size) => size === 1);
    return [flattens ? { kind: "flatten" } : unsupported(layer, `its shape is [${sizes}]`)];
  },
  Sigmoid: () => Promise.resolve([{ kind: "sigmoid" }]),
  Flatten: () => Promise.resolve([{ kind: "flatten" }]),
  Dropout: () => Promise.resolve([{ kind: "identity" }]),
  Split: () => Promise.resolve([{ kind: "identity" }]),
};

export function unsupported({ type }: CaffeLayer, because?: string): Operator {
  return { kind: "unsupported", type, because };
}

async function convolution(layer: CaffeLayer, source: ByteSource): Promise<Operator[]> {
  const { name, blobs } = layer;
  const parameter = await layer.parameter("convolution");
  if (blobs.length === 0) return [unsupported(layer, "it has no weights")];
  const [top, left] = await pair(parameter, 3, [9, 10], 0);
  return [{
    kind: "conv",
    weight: await readBlob(source, blobs[0]!, `${name}.weight`, 4),
    bias: blobs[1] && await readBlob(source, blobs[1], `${name}.bias`, 1),
    stride: await pair(parameter, 6, [13, 14], 1),
    padding: [top, left, top, left],
    dilation: await pair(parameter, 18, [0, 0], 1),
    groups: parameter.number(5, 1),
    layout: "NCHW",
  }];
}

async function innerProduct(layer: CaffeLayer, source: ByteSource): Promise<Operator[]> {
  const { name, blobs } = layer;
  const parameter = await layer.parameter("innerProduct");
  if (blobs.length === 0) return [unsupported(layer, "it has no weights")];
  if (parameter.number(5, 1) !== 1) return [unsupported(layer, "its axis is not 1")];
  const weight = await readBlob(source, blobs[0]!, `${name}.weight`, 2);
  const isTransposed = parameter.number(6, 0) !== 0;
  return [{ kind: "flatten" }, {
    kind: "dense",
    weight: isTransposed ? { ...weight, layout: { outputs: "last", inputs: "CHW" } } : weight,
    bias: blobs[1] && await readBlob(source, blobs[1], `${name}.bias`, 1),
  }];
}

async function pooling(layer: CaffeLayer): Promise<Operator[]> {
  const parameter = await layer.parameter("pooling");
  const method = POOL_METHODS[parameter.number(1, 0)];
  const isGlobal = parameter.number(12, 0) !== 0;
  if (method === "average" && isGlobal) return [{ kind: "globalAverage" }];
  if (isGlobal || (method !== "max" && method !== "average")) {
    return [unsupported(layer, `its method is ${method}${isGlobal ? " of the whole map" : ""}`)];
  }
  const [top, left] = await pair(parameter, 4, [9, 10], 0);
  const padding: Padding = [top, left, top, left];
  return [{
    kind: method === "max" ? "maxPool" : "averagePool",
    window: await pair(parameter, 2, [5, 6], 0),
    stride: await pair(parameter, 3, [7, 8], 1),
    padding,
    roundsUp: parameter.number(13, 0) === 0,
    layout: "NCHW",
  }];
}

/** Its third blob is what the other two are to be divided by; NVIDIA's has a scale and a bias behind it. */
async function batchNorm(layer: CaffeLayer, source: ByteSource): Promise<Operator[]> {
  const { name, blobs } = layer;
  if (blobs.length !== 3 && blobs.length !== 5) {
    return [unsupported(layer, `it has ${blobs.length} blobs`)];
  }
  const read = (index: number, part: string): Promise<CheckpointTensor> =>
    readBlob(source, blobs[index]!, `${name}.${part}`, 1);
  const factor = await read(2, "factor");
  const divided = (tensor: CheckpointTensor): CheckpointTensor => ({
    ...tensor,
    async read(runs, into): Promise<void> {
      const [divisor = 0] = await readAll(factor);
      await tensor.read(runs, into);
      for (let i = 0; i < into.length; i++) into[i] = divisor === 0 ? 0 : into[i]! / divisor;
    },
  });
  return [{
    kind: "batchNorm",
    mean: divided(await read(0, "mean")),
    variance: divided(await read(1, "variance")),
    gamma: blobs.length === 5 ? await read(3, "gamma") : undefined,
    beta: blobs.length === 5 ? await read(4, "beta") : undefined,
    epsilon: (await layer.parameter("batchNorm")).number(3, 1e-5),
  }];
}

async function scale(layer: CaffeLayer, source: ByteSource, isFlat: boolean): Promise<Operator[]> {
  const { name, blobs } = layer;
  const parameter = await layer.parameter("scale");
  if (blobs.length === 0 || parameter.number(1, 1) !== 1) {
    return [unsupported(layer, "it is not one number for each channel")];
  }
  return [{
    kind: "affine",
    scale: onChannels(await readBlob(source, blobs[0]!, `${name}.scale`, 1), isFlat),
    shift: blobs[1] && onChannels(await readBlob(source, blobs[1], `${name}.bias`, 1), isFlat),
  }];
}

async function bias(layer: CaffeLayer, source: ByteSource, isFlat: boolean): Promise<Operator[]> {
  const { name, blobs } = layer;
  const parameter = await layer.parameter("bias");
  if (blobs.length === 0 || parameter.number(1, 1) !== 1) {
    return [unsupported(layer, "it is not one number for each channel")];
  }
  const shift = onChannels(await readBlob(source, blobs[0]!, `${name}.bias`, 1), isFlat);
  return [{ kind: "affine", shift }];
}

/** `[C]` where it meets `[N, C, H, W]`, or `[N, C]`. */
function onChannels(tensor: CheckpointTensor, isFlat: boolean): CheckpointTensor {
  return isFlat ? tensor : { ...tensor, shape: [...tensor.shape, 1, 1] };
}

/** One number, a list of one or two, or two fields for height and width. */
async function pair(
  parameter: Message,
  field: number,
  [vertical, horizontal]: readonly [number, number],
  otherwise: number,
): Promise<Pair> {
  const [first = otherwise, second = first] = await parameter.integers(field);
  return [parameter.number(vertical, first), parameter.number(horizontal, second)];
}
