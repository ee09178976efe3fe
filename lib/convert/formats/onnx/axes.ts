/** What the axes of a computed value are, and what becomes of them. */

import { NotUnderstood } from "./not_understood.ts";
import type { Element } from "./numbers.ts";

/** One axis of a value; `size` is `undefined` where the file leaves it open. */
export interface Axis {
  /** Which image, which channel (or feature), or where in the map. */
  readonly of: "images" | "channels" | "places";
  readonly size: number | undefined;
}

/** All axes of a value. */
export type Axes = readonly Axis[];

/** What a value looks like, for messages. */
export function describeAxes(axes: Axes): string {
  const sizes = axes.map(({ of, size }) => size ?? (of === "images" ? "N" : "?"));
  return `[${sizes.join(", ")}]`;
}

/** The axes' sizes as a graph computes with them. */
export function elementsOf(axes: Axes): Element[] {
  return axes.map(({ of, size }) => size ?? (of === "images" ? "images" : undefined));
}

/** How a value's elements are to be seen: as what they were, turned round, or as a vector. */
export interface Reshaped {
  readonly axes: Axes;
  readonly kind: "identity" | "flatten" | "transpose";
  /** Of a `transpose`. */
  readonly order: readonly number[];
}

/**
 * Sees a value of other axes in the same elements.
 *
 * @param target As `Reshape` takes it: 0 is the size there was, -1 what is left.
 * @throws {NotUnderstood} If it mixes images, channels or places.
 */
export function reshape(axes: Axes, target: readonly Element[], zeroIsSize: boolean): Reshaped {
  const sizes = target.map((size, index) => size === 0 && !zeroIsSize ? sizeAt(axes, index) : size);
  const fail = (): never => {
    const shown = sizes.map((size) => size === "images" ? "N" : size ?? "?");
    throw new NotUnderstood(`it makes [${shown.join(", ")}] of ${describeAxes(axes)}`);
  };
  const hasImages = axes[0]?.of === "images";
  const rest = hasImages ? axes.slice(1) : axes;
  const total = product(rest.map(({ size }) => size));
  if (!hasImages || !keepsImages(axes[0]!.size, sizes, total)) {
    // Of one image the axis of images may go, or never have been there.
    if (hasImages && axes[0]!.size !== 1) return fail();
    const features = resolved(sizes, total);
    if (features.filter((size) => size !== 1).length > 1) return fail();
    return { kind: "flatten", order: [], axes: features.map(channelsOf) };
  }
  const images = axes[0]!;
  const wanted = resolved(sizes.slice(1), total);
  if (wanted.length <= 1) {
    if (wanted[0] !== undefined && total !== undefined && wanted[0] !== total) return fail();
    const flat = wanted.length === 0 ? [] : [channelsOf(wanted[0] ?? total)];
    return {
      kind: rest.length <= 1 ? "identity" : "flatten",
      order: [],
      axes: [images, ...flat],
    };
  }
  const matched = matchAxes(rest, wanted);
  if (matched === undefined) return fail();
  const kept = [images, ...matched.map(({ axis }) => axis)];
  const order = [0, ...matched.map(({ from }) => from + 1)];
  const isTurned = new Set(order.filter(Number.isInteger)).size === axes.length &&
    order.some((from, index) => from !== index);
  return { kind: isTurned ? "transpose" : "identity", order, axes: kept };
}

function channelsOf(size: number | undefined): Axis {
  return { of: "channels", size };
}

function sizeAt(axes: Axes, index: number): Element {
  return elementsOf(axes)[index];
}

function product(sizes: readonly (number | undefined)[]): number | undefined {
  return sizes.reduce(
    (all, size) => all === undefined || size === undefined ? undefined : all * size,
    1,
  );
}

/** Whether the first axis stays that of the images. */
function keepsImages(
  images: number | undefined,
  [first, ...others]: readonly Element[],
  total: number | undefined,
): boolean {
  if (first === "images" || (typeof first === "number" && first > 0 && first === images)) {
    return true;
  }
  // Written for one image, where the file takes any number.
  if (first === 1 && images === undefined) return true;
  if (first !== -1 && first !== undefined) return false;
  // Their number is what is left.
  const numbers = others.filter((size) => typeof size === "number").filter((size) => size >= 0);
  if (numbers.length < others.length) return false;
  return total === undefined ? others.length > 0 : product(numbers) === total;
}

/** Sizes with what is left put in, where it is known. */
function resolved(sizes: readonly Element[], total: number | undefined): (number | undefined)[] {
  const numbers = sizes.map((size) => typeof size === "number" && size >= 0 ? size : undefined);
  const open = numbers.filter((size) => size === undefined).length;
  const others = product(numbers.filter((size) => size !== undefined));
  if (open !== 1 || total === undefined || !others) return numbers;
  return numbers.map((size) => size ?? total / others);
}

/**
 * Finds each wanted axis among those there are: axes of one element may come, go and move, and the places
 * of a map may become one axis.
 */
function matchAxes(
  axes: Axes,
  wanted: readonly (number | undefined)[],
): { axis: Axis; from: number }[] | undefined {
  const all = axes.map((axis, from) => ({ axis, from }));
  const ones = all.filter(({ axis }) => axis.size === 1);
  const others = all.filter(({ axis }) => axis.size !== 1);
  let open = wanted.filter((size) => size !== 1).length;
  const matched: { axis: Axis; from: number }[] = [];
  for (const size of wanted) {
    if (size === 1) {
      matched.push(ones.shift() ?? { axis: { of: "places", size: 1 }, from: NaN });
      continue;
    }
    const next = others.shift();
    if (next === undefined) return undefined;
    const parts = [next];
    const isMerged = others.length >= open && next.axis.of === "places" && wanted.length === 2;
    while (isMerged && others[0]?.axis.of === "places") parts.push(others.shift()!);
    const found = product(parts.map(({ axis }) => axis.size));
    if (found !== undefined && size !== undefined && found !== size) return undefined;
    matched.push({ axis: { of: next.axis.of, size: found ?? size }, from: next.from });
    open--;
  }
  return others.length === 0 ? matched : undefined;
}
