/** Sums, products and functions of constants; of a constant and what is computed from the images. */

import type { CheckpointTensor } from "../checkpoint.ts";
import type { Constant } from "../graph.ts";
import { sizeOf } from "../checkpoint.ts";
import { mappedTensor } from "../tensors.ts";
import { combinedTensor, numbersOf, reshapedTensor } from "./constants.ts";
import {
  attribute,
  type Color,
  type Integers,
  type Place,
  type Translation,
  type Value,
} from "./values.ts";

type Binary = (x: number, y: number) => number;

/** What an operator does to a value and a constant: `x * scale + shift`, if it is no more than that. */
interface Arithmetic {
  readonly change: Binary;
  /** Of `x op c`. */
  readonly affine?: ((c: number) => { scale?: number; shift?: number }) | undefined;
  /** Of `c op x`. */
  readonly reversed?: ((c: number) => { scale?: number; shift?: number }) | undefined;
}

const plus = (c: number) => ({ shift: c });
const times = (c: number) => ({ scale: c });

const ADD: Arithmetic = { change: (x, y) => x + y, affine: plus, reversed: plus };
const MULTIPLY: Arithmetic = { change: (x, y) => x * y, affine: times, reversed: times };
const DIVIDE: Arithmetic = { change: (x, y) => x / y, affine: (c) => ({ scale: 1 / c }) };

/** Operators of two values. */
export const BINARY: ReadonlyMap<string, Arithmetic> = new Map(Object.entries({
  Add: ADD,
  AddV2: ADD,
  Mul: MULTIPLY,
  Sub: {
    change: (x, y) => x - y,
    affine: (c) => ({ shift: -c }),
    reversed: (c) => ({ scale: -1, shift: c }),
  },
  RealDiv: DIVIDE,
  Div: DIVIDE,
  DivNoNan: { change: (x, y) => y === 0 ? 0 : x / y },
  FloorDiv: { change: (x, y) => Math.floor(x / y) },
  Maximum: { change: Math.max },
  Minimum: { change: Math.min },
  Pow: { change: Math.pow },
}));

/** Operators of one value. */
export const UNARY: ReadonlyMap<string, (x: number) => number> = new Map(Object.entries({
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Sqrt: Math.sqrt,
  Square: (x) => x * x,
  Neg: (x) => -x,
  Reciprocal: (x) => 1 / x,
  Inv: (x) => 1 / x,
  Exp: Math.exp,
  Abs: Math.abs,
}));

/** Translates an operator of one value. */
export async function unary(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  const tensor = to.constant(value);
  if (tensor !== undefined) {
    return { kind: "constant", tensor: mappedTensor(tensor, UNARY.get(place.node.op)!) };
  }
  if (value.kind === "activation" && place.node.op === "Neg") {
    return to.emit(place, { kind: "affine", scale: -1 }, [value]);
  }
  return await to.unsupported(place);
}

/** Translates an operator of two values. */
export async function binary(to: Translation, place: Place): Promise<Value> {
  const { op } = place.node;
  const arithmetic = BINARY.get(op)!;
  const [a, b] = [await to.input(place, 0), await to.input(place, 1)];
  if (a.kind === "integers" && b.kind === "integers") return combinedIntegers(a, b, arithmetic);
  const [first, second] = [to.constant(a), to.constant(b)];
  if (first !== undefined && second !== undefined) {
    const tensor = combinedTensor(first, second, arithmetic.change);
    return tensor === undefined ? await to.unsupported(place) : { kind: "constant", tensor };
  }
  const constant = first ?? second;
  const value = first === undefined ? a : b;
  if (constant === undefined || (value.kind !== "activation" && value.kind !== "color")) {
    const isSum = a.kind === "activation" && b.kind === "activation";
    return await to.unsupported(place, isSum ? "both of its values are computed" : undefined);
  }
  const affine = first === undefined ? arithmetic.affine : arithmetic.reversed;
  const number = await singleNumber(constant);
  if (op === "Maximum" && number === 0 && value.kind === "activation") {
    return to.emit(place, { kind: "relu" }, [value]);
  }
  if (affine === undefined) return await to.unsupported(place);
  if (value.kind === "activation") {
    return to.emit(place, { kind: "affine", ...affineOf(constant, number, affine) }, [value]);
  }
  return number === undefined ? await to.unsupported(place) : shiftedColor(value, affine(number));
}

function shiftedColor(
  color: Color,
  { scale = 1, shift = 0 }: { scale?: number; shift?: number },
): Color {
  return { ...color, scale: color.scale * scale, shift: color.shift * scale + shift };
}

function affineOf(
  constant: CheckpointTensor,
  number: number | undefined,
  affine: (c: number) => { scale?: number; shift?: number },
): { scale?: Constant; shift?: Constant } {
  if (number !== undefined) return affine(number);
  const { scale, shift } = affine(1);
  const tensor = (part: "scale" | "shift") => mappedTensor(constant, (c) => affine(c)[part]!);
  // `c - x` has one of each: its scale is the same for all.
  return {
    ...(scale === undefined ? {} : { scale: shift === undefined ? tensor("scale") : scale }),
    ...(shift === undefined ? {} : { shift: tensor("shift") }),
  };
}

/** The number of a constant that has one. */
export async function singleNumber(tensor: CheckpointTensor): Promise<number | undefined> {
  return sizeOf(tensor.shape) === 1 ? (await numbersOf(tensor))?.[0] : undefined;
}

function combinedIntegers(a: Integers, b: Integers, { change }: Arithmetic): Integers {
  const [long, short] = a.isScalar ? [b, a] : [a, b];
  const isScalar = long.isScalar;
  const values = long.values?.map((_, index): number | undefined => {
    const [x, y] = [a, b].map(({ values, isScalar }) => values?.[isScalar ? 0 : index]);
    return x === undefined || y === undefined ? undefined : change(x, y);
  });
  return { kind: "integers", isScalar, values: short.values === undefined ? undefined : values };
}

/** Translates `BiasAdd`: one number for each channel, whichever axis that is. */
export async function biasAdd(to: Translation, place: Place): Promise<Value> {
  const [value, bias] = [await to.input(place, 0), to.constant(await to.input(place, 1))];
  if (value.kind !== "activation" || bias === undefined) return await to.unsupported(place);
  const isFirst = attribute(place, "data_format").text === "NCHW" && value.shape?.length !== 2;
  return to.emit(place, { kind: "affine", shift: alongChannels(bias, isFirst) }, [value]);
}

/** `[C]` so that it is broadcast over `[N, C, H, W]`, if that is the layout. */
export function alongChannels(tensor: CheckpointTensor, isFirst: boolean): CheckpointTensor {
  return isFirst ? reshapedTensor(tensor, [sizeOf(tensor.shape), 1, 1]) : tensor;
}

/** Translates `AddN`. */
export async function addAll(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  return place.node.inputs.length === 1 ? value : await to.unsupported(place);
}
