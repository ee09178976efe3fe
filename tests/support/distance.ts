import { assertEquals } from "@std/assert";

/** The largest difference of numbers, relative to the largest that is expected. */
export function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assertEquals(found.length, expected.length);
  const most = (values: number[]): number => Math.max(...values.map(Math.abs));
  return most(Array.from(found, (v, i) => v - expected[i]!)) / most(Array.from(expected));
}
