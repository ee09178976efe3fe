/**
 * What each of TensorFlow's operators is in the closed set.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/ops}
 */

import { addAll, biasAdd, BINARY, binary, UNARY, unary } from "./arithmetic.ts";
import { merged, switched } from "./branches.ts";
import { join, reverse, split, stridedSlice } from "./colors.ts";
import { images } from "./images.ts";
import { batchNorm, conv, matMul, mean, oldBatchNorm, pad, pool, resize } from "./layers.ts";
import {
  constantValue,
  expandDims,
  product,
  reshape,
  shape,
  squeeze,
  transpose,
} from "./shapes.ts";
import { isInteger } from "./tensor_proto.ts";
import { attribute, type Place, type Translation, type Value } from "./values.ts";

type Translate = (to: Translation, place: Place) => Promise<Value> | Value;

/** Operators by their names; what is not here is not understood. */
export const OPERATORS: Readonly<Record<string, Translate>> = Object.assign(
  Object.create(null) as Record<string, Translate>,
  Object.fromEntries([...BINARY.keys()].map((op) => [op, binary])),
  Object.fromEntries([...UNARY.keys()].map((op) => [op, unary])),
  {
    Placeholder: placeholder,
    PlaceholderV2: placeholder,
    PlaceholderWithDefault: placeholderWithDefault,
    Const: constant,
    Variable: variable,
    VariableV2: variable,
    VarHandleOp: variable,
    ReadVariableOp: readVariable,

    Identity: same,
    IdentityN: (to, place) => to.input(place, place.index),
    StopGradient: same,
    PreventGradient: same,
    CheckNumerics: same,
    Snapshot: same,
    EnsureShape: same,
    Cast: cast,
    Switch: switched,
    RefSwitch: switched,
    Merge: merged,
    RefMerge: merged,

    Conv2D: conv,
    _FusedConv2D: conv,
    MatMul: matMul,
    _FusedMatMul: matMul,
    BatchMatMulV2: matMul,
    BiasAdd: biasAdd,
    BiasAddV1: biasAdd,
    AddN: addAll,
    FusedBatchNorm: batchNorm,
    FusedBatchNormV2: batchNorm,
    FusedBatchNormV3: batchNorm,
    _FusedBatchNormEx: batchNorm,
    BatchNormWithGlobalNormalization: oldBatchNorm,
    Relu: (to, place) => elementwise(to, place, "relu"),
    Softmax: (to, place) => elementwise(to, place, "softmax"),
    // Its exponential is the soft-max, and the logits are the same.
    LogSoftmax: (to, place) => elementwise(to, place, "softmax"),
    Sigmoid: (to, place) => elementwise(to, place, "sigmoid"),
    ArgMax: choice,
    TopK: choice,
    TopKV2: choice,
    HistogramSummary: choice,
    MaxPool: pool,
    AvgPool: pool,
    Mean: mean,
    Pad: pad,
    PadV2: pad,
    ResizeBilinear: resize,
    ResizeNearestNeighbor: resize,
    ResizeBicubic: resize,

    Shape: shape,
    Reshape: reshape,
    Squeeze: squeeze,
    ExpandDims: expandDims,
    Transpose: transpose,
    Prod: product,
    StridedSlice: stridedSlice,
    Pack: join,
    ConcatV2: join,
    Concat: join,
    Split: split,
    SplitV: split,
    Unpack: split,
    ReverseV2: reverse,
    GatherV2: reverse,
  } satisfies Record<string, Translate>,
);

/** `DT_STRING`, `DT_BOOL`: no images. */
const NO_IMAGES: ReadonlySet<number> = new Set([7, 10]);

function placeholder(to: Translation, place: Place): Value {
  const { shape } = attribute(place, "shape");
  // Images may come as rows of numbers, which are given their shape later.
  const isOther = NO_IMAGES.has(attribute(place, "dtype").int ?? 0) ||
    (shape !== undefined && !(shape.length >= 2 && shape.length <= 4));
  return isOther ? { kind: "unknown", op: place.node.op } : images(to, place, shape);
}

async function placeholderWithDefault(to: Translation, place: Place): Promise<Value> {
  const { shape } = attribute(place, "shape");
  return shape?.length === 4 ? images(to, place, shape) : await to.input(place, 0);
}

async function constant(to: Translation, place: Place): Promise<Value> {
  const { tensor } = attribute(place, "value");
  if (tensor === undefined) return await to.unsupported(place);
  return await constantValue(tensor, isInteger(attribute(place, "dtype").int ?? 0));
}

function variable(_: Translation, { node: { name } }: Place): Value {
  return { kind: "variable", name };
}

async function readVariable(to: Translation, place: Place): Promise<Value> {
  const tensor = to.constant(await to.input(place, 0));
  return tensor === undefined ? await to.unsupported(place) : { kind: "constant", tensor };
}

function same(to: Translation, place: Place): Promise<Value> {
  return to.input(place, 0);
}

/** `DT_FLOAT`, `DT_DOUBLE`, `DT_BFLOAT16`, `DT_HALF`. */
const FLOATS: ReadonlySet<number> = new Set([1, 2, 14, 19]);

async function cast(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const isRounded = value.kind === "activation" && !FLOATS.has(attribute(place, "DstT").int ?? 0);
  return isRounded ? await to.unsupported(place, "it makes integers") : value;
}

async function elementwise(
  to: Translation,
  place: Place,
  kind: "relu" | "softmax" | "sigmoid",
): Promise<Value> {
  const value = await to.input(place, 0);
  return value.kind === "activation"
    ? to.emit(place, { kind }, [value])
    : await to.unsupported(place);
}

async function choice(to: Translation, place: Place): Promise<Value> {
  const index = place.node.op === "HistogramSummary" ? 1 : 0;
  const of = await to.input(place, index);
  return of.kind === "activation" ? { kind: "choice", of } : await to.unsupported(place);
}
