import { assertAlmostEquals, assertEquals } from "@std/assert";
import { gradientByRow, rootsOf } from "../../lib/output/roots.ts";

Deno.test("rootsOf() keeps signs, and gradientByRow() is the chain rule", () => {
  const row = [4, -9, 0, 0.25];
  assertEquals(rootsOf(row), Float64Array.of(2, -3, 0, 0.5));
  // Of the sum of the roots' squares, which is the sum of all absolute values.
  const gradient = gradientByRow(rootsOf(row).map((root) => 2 * root), row);
  [1, -1, 0, 1].forEach((expected, i) => assertAlmostEquals(gradient[i], expected, 1e-12));
});
