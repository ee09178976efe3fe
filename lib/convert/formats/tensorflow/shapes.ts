/** Operators that change the shape of a value, and the integers from which they take the new one. */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import type { Layout } from "../graph.ts";
import { rowMajorStrides, stridedTensor } from "../tensors.ts";
import { numbersOf, reshapedTensor } from "./constants.ts";
import { images } from "./images.ts";
import { sliceOf } from "./strided_slice.ts";
import type { Sizes } from "./tensor_proto.ts";
import {
  type Activation,
  attribute,
  type Integers,
  type Place,
  type Translation,
  type Value,
} from "./values.ts";

/** The integers of a value: a list that may be known in parts only. */
export async function integersOf(to: Translation, value: Value): Promise<Sizes | undefined> {
  if (value.kind === "integers") return value.values;
  const tensor = to.constant(value);
  return tensor === undefined ? undefined : await numbersOf(tensor);
}

/** The integers of an input, if all are known. */
export async function knownIntegers(
  to: Translation,
  place: Place,
  index: number,
): Promise<number[] | undefined> {
  const values = await integersOf(to, await to.input(place, index));
  return values?.every((value) => value !== undefined) ? [...values] : undefined;
}

/** Translates `Shape`. */
export async function shape(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const tensor = to.constant(value);
  if (value.kind !== "activation" && tensor === undefined) return await to.unsupported(place);
  const sizes = value.kind === "activation" ? value.shape : tensor!.shape;
  return { kind: "integers", values: sizes, isScalar: false };
}

/** Translates `StridedSlice` of integers; `undefined` if it is of something else. */
export async function sliceIntegers(to: Translation, place: Place): Promise<Value | undefined> {
  const value = await to.input(place, 0);
  if (value.kind !== "integers" || value.isScalar) return undefined;
  const [slice] = await sliceOf(to, place, [value.values?.length]) ?? [];
  if (slice === undefined || slice.isNew) return undefined;
  const { begin, end, stride, isDropped } = slice;
  if (isDropped) {
    return { kind: "integers", isScalar: true, values: [value.values?.at(begin ?? 0)] };
  }
  if (stride !== 1 || value.values === undefined) return undefined;
  return { kind: "integers", isScalar: false, values: value.values.slice(begin, end) };
}

/** Translates `Pack` and `ConcatV2` of integers; `undefined` if they are of something else. */
export async function joinIntegers(
  to: Translation,
  place: Place,
  count: number,
): Promise<Value | undefined> {
  const parts: (number | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    const value = await to.input(place, index);
    if (value.kind !== "integers") return undefined;
    if (value.values === undefined) return { ...value, isScalar: false };
    parts.push(...value.values);
  }
  return { kind: "integers", values: parts, isScalar: false };
}

/** Translates `Prod` of integers. */
export async function product(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  if (value.kind !== "integers") return await to.unsupported(place);
  return { kind: "integers", isScalar: true, values: [productOf(value.values)] };
}

function productOf(sizes: Sizes | undefined): number | undefined {
  return sizes?.reduce(
    (total: number | undefined, size) =>
      size === undefined || total === undefined ? undefined : total * size,
    1,
  );
}

/** Translates `Reshape`: of a map to a vector, or to what it is already. */
export async function reshape(to: Translation, place: Place): Promise<Value> {
  const [value, target] = [
    await to.input(place, 0),
    await integersOf(to, await to.input(place, 1)),
  ];
  const tensor = to.constant(value);
  if (tensor !== undefined && target !== undefined) return reshapedConstant(tensor, target, value);
  if (value.kind !== "activation") return await to.unsupported(place);
  if (target === undefined) return await to.unsupported(place, "it makes nobody knows what shape");
  const { shape } = value;
  const wanted = target.map((size) => size === -1 ? undefined : size);
  if (shape !== undefined && isPoint(shape) && isPoint(wanted)) {
    // A vector, or a map of one position: the same numbers in the same order.
    return sameValues(to, place, value, [
      shape[0],
      ...wanted.slice(1, -1),
      shape.at(-1) ?? wanted.at(-1),
    ]);
  }
  if (shape?.length === wanted.length && isSame(shape, wanted)) {
    return to.emit(place, { kind: "identity" }, [value]);
  }
  if (value.isInput && wanted.length === 4 && wanted.slice(1).every((size) => size !== undefined)) {
    // Rows of numbers that are images.
    return images(to, place, wanted);
  }
  if (wanted.length === 2 && (shape === undefined || shape.length === 4)) {
    const features = productOf(shape?.slice(1));
    if (features === undefined || wanted[1] === undefined || features === wanted[1]) {
      return to.emit(place, { kind: "flatten" }, [value], [wanted[0], wanted[1] ?? features]);
    }
  }
  return await to.unsupported(place, `it makes [${show(wanted)}] of [${show(shape)}]`);
}

function reshapedConstant(tensor: CheckpointTensor, target: Sizes, value: Value): Value {
  const length = sizeOf(tensor.shape);
  const others = target.reduce<number>(
    (total, size) => size === -1 ? total : total * (size ?? 0),
    1,
  );
  const shape = target.map((size) => size === -1 ? length / others : size ?? 0);
  if (sizeOf(shape) !== length) return { kind: "unknown", op: "Reshape" };
  if (value.kind === "integers" && shape.length <= 1) {
    return { ...value, isScalar: shape.length === 0 };
  }
  return { kind: "constant", tensor: reshapedTensor(tensor, shape) };
}

/** `[N, C]`, or 1 in between. */
function isPoint(shape: Sizes): boolean {
  return shape.length >= 2 && shape.slice(1, -1).every((size) => size === 1);
}

/** Whether two shapes can only be the same: one size each may be open, as it follows from the others. */
function isSame(a: Sizes, b: Sizes): boolean {
  return a.slice(1).every((size, axis) => size !== undefined && size === b[axis + 1]);
}

function show(shape: Sizes | undefined): string {
  return shape?.map((size) => size ?? "?").join() ?? "a shape that nobody knows";
}

/** A map of one position to a vector, and back. */
function sameValues(
  to: Translation,
  place: Place,
  value: Activation,
  shape: Sizes,
): Activation {
  const isVector = shape.length === 2 && value.shape?.length !== 2;
  return to.emit(place, { kind: isVector ? "flatten" : "identity" }, [value], shape);
}

/** Translates `Squeeze`. */
export async function squeeze(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const named = attribute(place, "squeeze_dims").ints;
  const axes = named.length > 0 ? named : attribute(place, "axis").ints;
  const rest = (shape: Sizes): Sizes =>
    shape.filter((size, axis) =>
      axes.length === 0
        ? axis === 0 || size !== 1
        : !axes.includes(axis) && !axes.includes(axis - shape.length)
    );
  if (value.kind === "activation") {
    // Without sizes it can only be what follows a head of convolutions.
    return sameValues(to, place, value, rest(value.shape ?? [undefined, 1, 1, undefined]));
  }
  const tensor = to.constant(value);
  if (tensor === undefined) return await to.unsupported(place);
  const shape = axes.length === 0 ? tensor.shape.filter((size) => size !== 1) : rest(tensor.shape);
  return reshapedConstant(tensor, shape, value);
}

/** Translates `ExpandDims`. */
export async function expandDims(to: Translation, place: Place): Promise<Value> {
  const [value, axes] = [await to.input(place, 0), await knownIntegers(to, place, 1)];
  const [axis, ...others] = axes ?? [];
  if (axis === undefined || others.length > 0) return await to.unsupported(place);
  const expand = (shape: Sizes): Sizes =>
    shape.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, 1);
  if (value.kind === "activation") {
    const shape = value.shape === undefined ? undefined : expand(value.shape);
    return to.emit(place, { kind: "identity" }, [value], shape);
  }
  const tensor = to.constant(value);
  return tensor === undefined
    ? await to.unsupported(place)
    : reshapedConstant(tensor, expand(tensor.shape), value);
}

/** Translates `Transpose`. */
export async function transpose(to: Translation, place: Place): Promise<Value> {
  const [value, order] = [await to.input(place, 0), await knownIntegers(to, place, 1)];
  if (order === undefined || !isPermutation(order)) return await to.unsupported(place);
  const tensor = to.constant(value);
  if (tensor !== undefined) {
    const strides = rowMajorStrides(tensor.shape);
    if (order.length !== strides.length) return await to.unsupported(place);
    const pick = (sizes: readonly number[]) => order.map((axis) => sizes[axis]!);
    return { kind: "constant", tensor: stridedTensor(tensor, pick(tensor.shape), pick(strides)) };
  }
  if (value.kind !== "activation") return await to.unsupported(place);
  if (order.every((axis, index) => axis === index)) return value;
  const layout: Layout | undefined = value.layout === undefined
    ? undefined
    : String(order) === "0,3,1,2" && value.layout === "NHWC"
    ? "NCHW"
    : String(order) === "0,2,3,1" && value.layout === "NCHW"
    ? "NHWC"
    : undefined;
  const { shape } = value;
  const turned = to.emit(place, { kind: "transpose", order }, [value]);
  return { ...turned, shape: shape && order.map((axis) => shape[axis]), layout };
}

function isPermutation(order: readonly number[]): boolean {
  return order.toSorted((a, b) => a - b).every((axis, index) => axis === index);
}

/** An integer constant as a value: a short list is looked at as sizes. */
export async function constantValue(tensor: CheckpointTensor, isInteger: boolean): Promise<Value> {
  const isShort = tensor.shape.length <= 1 && sizeOf(tensor.shape) <= MAX_INTEGERS;
  if (!isInteger || !isShort) return { kind: "constant", tensor };
  const values = await numbersOf(tensor);
  return { kind: "integers", values, isScalar: tensor.shape.length === 0 } satisfies Integers;
}

const MAX_INTEGERS = 64;
