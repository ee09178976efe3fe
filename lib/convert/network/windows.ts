/** Windows of convolutions and pools: whether they are those of a VGG. */

import type { Operator, Padding, Pair } from "../formats/graph.ts";

/** What a max-pool or an average pool has. */
export type PoolOperator = Operator & { kind: "maxPool" | "averagePool" };

/** Zeros on each side: top, left, bottom, right. */
export type Sides = readonly number[];

/** No zeros. */
export const NO_SIDES: Sides = [0, 0, 0, 0];

/** Whether both are the same number. */
export function isPair(pair: Pair, value: number): boolean {
  return pair[0] === value && pair[1] === value;
}

/**
 * The zeros around a convolution's map, with stride 1.
 *
 * @param around Those of a padding before it; `undefined` if the convolution would pad that once more.
 */
export function sidesOf(padding: Padding, window: Pair, around: Sides): Sides | undefined {
  const own = padding === "same" ? sameSides(window) : fixedSides(padding);
  const isTwice = padding === "same" && !isPair(window, 1) && around.some((zeros) => zeros !== 0);
  return isTwice ? undefined : own.map((zeros, side) => zeros + around[side]!);
}

/** Zeros that do not depend on a window. */
export function fixedSides(padding: Padding): Sides {
  return padding === "same" || padding === "valid" ? NO_SIDES : padding;
}

/** As many outputs as inputs; an even window has one zero more at the end. */
function sameSides([height, width]: Pair): Sides {
  const [y, x] = [height - 1, width - 1];
  return [y >> 1, x >> 1, y - (y >> 1), x - (x >> 1)];
}

/** What makes a convolution another one than a VGG's, which keep the size of their map. */
export function problemOfWindow(window: Pair, padding: Sides): string | undefined {
  const size = window.join("x");
  if (!isPair(window, 3) && !isPair(window, 1)) return `has a ${size} filter: expected 3x3 or 1x1`;
  const expected = (window[0] - 1) / 2;
  if (padding.every((zeros) => zeros === expected)) return undefined;
  return `pads its ${size} filter by ${padding.join(", ")}: expected ${expected} on each side`;
}

/**
 * What makes a max-pool another one than a VGG's: 2x2, stride 2, a last odd row or column is dropped.
 *
 * @param map The map's size, if it is known; where it is not, it is a multiple of 2.
 */
export function problemOfPool(operator: PoolOperator, map: Pair | undefined): string | undefined {
  const { window, stride, padding } = operator;
  if (!isPair(window, 2) || !isPair(stride, 2)) {
    return `has a window of ${window.join("x")} and stride ${stride.join("x")}: expected 2x2 and 2`;
  }
  const [top, left, bottom, right] = fixedSides(padding) as [number, number, number, number];
  if (top > 0 || left > 0 || bottom > 1 || right > 1) {
    return `pads its map by ${[top, left, bottom, right].join(", ")}: expected nothing`;
  }
  if (!roundsUp(operator) || map === undefined || map.every((size) => size % 2 === 0)) {
    return undefined;
  }
  const [size, found] = [map.map((size) => Math.ceil(size / 2)).join("x"), map.join("x")];
  return `makes ${size} of a map of ${found}, as it rounds up, which is no VGG's pool`;
}

/** Whether a last odd row or column makes an output of its own, be it by zeros behind it. */
export function roundsUp({ roundsUp, padding }: PoolOperator): boolean {
  const [, , bottom, right] = padding === "same" ? [0, 0, 1, 1] : fixedSides(padding);
  return roundsUp || bottom! + right! > 0;
}
