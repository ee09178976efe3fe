/**
 * Computes with small tensors: the shapes, axes and paddings that exporters leave to be computed, of which
 * some numbers may be known only when images come.
 */

import { sizeOf } from "../checkpoint.ts";
import { rowMajorStrides } from "../tensors.ts";

/** A number, the number of images, or what the file leaves open. */
export type Element = number | "images" | undefined;

/** A small tensor, row by row. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly Element[];
}

/** More numbers than these are no shape. */
export const MAX_NUMBERS = 1 << 16;

/** What is asked of a node: its inputs' numbers, and lists that were attributes before they were inputs. */
export interface NumbersCall {
  readonly inputs: readonly (Numbers | undefined)[];
  integer(attribute: string, fallback: number): number;
  /** The attribute, or else the input; `undefined` if there is neither. */
  integers(attribute: string, input: number): readonly number[] | undefined;
}

/** An axis counted from the front. */
export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** A list of numbers. */
export function vector(values: readonly Element[]): Numbers {
  return { shape: [values.length], values };
}

type NumberOperator = (call: NumbersCall) => Numbers | undefined;

/** The operators, by their names: each gives its result, or `undefined` if it cannot be told. */
export const NUMBER_OPERATORS: ReadonlyMap<string, NumberOperator> = new Map(
  Object.entries<NumberOperator>({
    Identity: ({ inputs: [x] }) => x,
    Cast: ({ inputs: [x] }) => x,
    CastLike: ({ inputs: [x] }) => x,
    Neg: ({ inputs: [x] }) => x && { ...x, values: x.values.map((v) => numeric(v, (n) => -n)) },
    Add: ({ inputs: [a, b] }) => combine(a, b, (x, y) => x + y, 0),
    Sub: ({ inputs: [a, b] }) => combine(a, b, (x, y) => x - y),
    Mul: ({ inputs: [a, b] }) => combine(a, b, (x, y) => x * y, 1),
    // Of integers, which are sizes.
    Div: ({ inputs: [a, b] }) => combine(a, b, (x, y) => Math.trunc(x / y)),
    Concat: ({ inputs, integer }) => concat(inputs, integer("axis", 0)),
    Gather: ({ inputs: [x, indices], integer }) => gather(x, indices, integer("axis", 0)),
    Slice: ({ inputs: [x], integers }) => {
      const starts = integers("starts", 1), ends = integers("ends", 2);
      if (x === undefined || starts === undefined || ends === undefined) return undefined;
      const axes = integers("axes", 3) ?? starts.map((_, axis) => axis);
      const steps = integers("steps", 4) ?? starts.map(() => 1);
      return axes.reduce((sliced: Numbers | undefined, axis, i) => {
        const size = sliced?.shape[fromFront(axis, x.shape.length)];
        if (sliced === undefined || size === undefined) return undefined;
        const picked = slicedIndices(size, starts[i]!, ends[i]!, steps[i]!);
        return picked && gather(sliced, vector(picked), axis);
      }, x);
    },
    Squeeze: ({ inputs: [x], integers }) => {
      if (x === undefined) return undefined;
      const axes = integers("axes", 1)?.map((axis) => fromFront(axis, x.shape.length));
      const shape = x.shape.filter((size, axis) =>
        axes === undefined ? size !== 1 : !axes.includes(axis)
      );
      return { shape, values: x.values };
    },
    Unsqueeze: ({ inputs: [x], integers }) => {
      const axes = integers("axes", 1);
      return x && axes && { shape: unsqueezed(x.shape, axes, () => 1), values: x.values };
    },
    Reshape: ({ inputs: [x], integers }) => {
      const target = integers("shape", 1);
      return x && target && reshaped(x, target);
    },
    Transpose: ({ inputs: [x], integers }) => {
      if (x === undefined) return undefined;
      const order = integers("perm", Infinity) ?? x.shape.map((_, axis) => axis).reverse();
      const strides = rowMajorStrides(x.shape);
      const shape = order.map((axis) => x.shape[axis]!);
      return view(
        x,
        shape,
        (index) => index.reduce((at, i, axis) => at + i * strides[order[axis]!]!, 0),
      );
    },
    ReduceProd: ({ inputs: [x] }) =>
      x && {
        shape: [],
        values: [x.values.reduce((a, b) => product(a, b), 1)],
      },
  }),
);

/** Sizes with new axes, `axes` counted in the result. */
export function unsqueezed<T>(sizes: readonly T[], axes: readonly number[], one: () => T): T[] {
  const rank = sizes.length + axes.length;
  const result = [...sizes];
  for (const axis of axes.map((axis) => fromFront(axis, rank)).sort((a, b) => a - b)) {
    result.splice(axis, 0, one());
  }
  return result;
}

/** Which indices of `size` a slice takes; `undefined` for a step of 0, or a size that is not known. */
export function slicedIndices(
  size: number,
  start: number,
  end: number,
  step: number,
): number[] | undefined {
  const clamp = (at: number, low: number, high: number): number =>
    Math.min(Math.max(at < 0 ? at + size : at, low), high);
  const indices: number[] = [];
  if (step > 0) {
    const last = clamp(end, 0, size);
    for (let i = clamp(start, 0, size); i < last; i += step) indices.push(i);
    return indices;
  }
  if (!(step < 0)) return undefined;
  const last = clamp(end, -1, size - 1);
  for (let i = clamp(start, 0, size - 1); i > last; i += step) indices.push(i);
  return indices;
}

function numeric(value: Element, compute: (number: number) => number): Element {
  return typeof value === "number" ? compute(value) : undefined;
}

function product(a: Element, b: Element): Element {
  if (a === 1) return b;
  if (b === 1) return a;
  return typeof a === "number" && typeof b === "number" ? a * b : undefined;
}

/** One with the other, of which one may be a single number. */
function combine(
  a: Numbers | undefined,
  b: Numbers | undefined,
  compute: (a: number, b: number) => number,
  neutral?: number,
): Numbers | undefined {
  if (a === undefined || b === undefined) return undefined;
  const shape = a.shape.length < b.shape.length || b.values.length > a.values.length
    ? b.shape
    : a.shape;
  const size = sizeOf(shape);
  const fits = [a, b].every(({ values }) => values.length === 1 || values.length === size);
  if (!fits) return undefined;
  const at = ({ values }: Numbers, index: number): Element =>
    values[values.length === 1 ? 0 : index];
  const values = Array.from({ length: size }, (_, index): Element => {
    const [x, y] = [at(a, index), at(b, index)];
    if (typeof x === "number" && typeof y === "number") return compute(x, y);
    if (y === neutral) return x;
    return x === neutral && neutral !== undefined ? y : undefined;
  });
  return { shape, values };
}

function concat(inputs: readonly (Numbers | undefined)[], axis: number): Numbers | undefined {
  const parts = inputs.filter((part) => part !== undefined);
  if (parts.length < inputs.length || parts.some(({ shape }) => shape.length > 2)) return undefined;
  const [first] = parts;
  const rank = first?.shape.length, at = fromFront(axis, rank ?? 0);
  if (first === undefined || parts.some(({ shape }) => shape.length !== rank)) return undefined;
  if (at > 0) return undefined;
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  if (parts.reduce((sum, { values }) => sum + values.length, 0) > MAX_NUMBERS) return undefined;
  return { shape: [rows, ...first.shape.slice(1)], values: parts.flatMap(({ values }) => values) };
}

function gather(
  x: Numbers | undefined,
  indices: Numbers | undefined,
  axis: number,
): Numbers | undefined {
  if (x === undefined || indices === undefined) return undefined;
  const at = fromFront(axis, x.shape.length), size = x.shape[at];
  if (size === undefined) return undefined;
  const picked = indices.values.map((index) =>
    typeof index === "number" ? fromFront(index, size) : NaN
  );
  if (picked.some((index) => !(index >= 0 && index < size))) return undefined;
  const inner = sizeOf(x.shape.slice(at + 1)), outer = sizeOf(x.shape.slice(0, at));
  if (outer * picked.length * inner > MAX_NUMBERS) return undefined;
  const values: Element[] = [];
  for (let row = 0; row < outer; row++) {
    for (const index of picked) {
      const begin = (row * size + index) * inner;
      values.push(...x.values.slice(begin, begin + inner));
    }
  }
  const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
  return { shape, values };
}

function reshaped(x: Numbers, target: readonly number[]): Numbers | undefined {
  const sizes = target.map((size, axis) => size === 0 ? x.shape[axis] ?? 0 : size);
  const known = sizeOf(sizes.filter((size) => size >= 0));
  const shape = sizes.map((size) => size < 0 ? x.values.length / known : size);
  return sizeOf(shape) === x.values.length ? { shape, values: x.values } : undefined;
}

function view(
  x: Numbers,
  shape: readonly number[],
  place: (index: readonly number[]) => number,
): Numbers {
  const strides = rowMajorStrides(shape);
  const values = x.values.map((_, at) =>
    x.values[place(strides.map((stride, axis) => Math.floor(at / stride) % shape[axis]!))]
  );
  return { shape, values };
}
