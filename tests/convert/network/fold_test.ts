import { assertAlmostEquals, assertEquals } from "@std/assert";
import { movedBefore, type Part } from "../../../lib/convert/network/fold.ts";

/** A layer of three outputs, of which only the constants matter here. */
function partOf(scale: number[], shift: number[]): Part {
  return {
    node: { name: "fc6", inputs: [], output: "y", operator: { kind: "identity" } },
    weight: { name: "w", shape: [3, 1], layout: { outputs: "first", inputs: "CHW" }, read() {} },
    sizes: { outputs: 3, channels: 1, window: [1, 1] },
    isDense: true,
    inputs: "HWC",
    scale: Float64Array.from(scale),
    shift: Float64Array.from(shift),
    relu: true,
    pooled: false,
    ahead: undefined,
  };
}

Deno.test("factors behind a ReLU go before it, but for their signs, and change no value", () => {
  const factors = [1000, -0.25, 0], offsets = [1, 2, 3], [scale, shift] = [[2, 3, 4], [-1, 1, 5]];
  const part = partOf(scale, shift);
  const affine = { scale: Float64Array.from(factors), shift: Float64Array.from(offsets) };
  const left = movedBefore(part, affine);
  assertEquals([...left.scale], [1, -1, 0]);
  for (const x of [-3, 0.5, 7]) {
    for (const o of [0, 1, 2]) {
      const before = Math.max(x * scale[o] + shift[o], 0) * factors[o] + offsets[o];
      const after = Math.max(x * part.scale[o] + part.shift[o], 0) * left.scale[o] + left.shift[o];
      assertAlmostEquals(after, before, 1e-9);
    }
  }
});

Deno.test("factors of each position of a map stay behind its ReLU", () => {
  const part = partOf([1, 1, 1], [0, 0, 0]);
  const affine = { scale: new Float64Array(12).fill(5), shift: new Float64Array(12) };
  assertEquals(movedBefore(part, affine), affine);
  assertEquals([...part.scale], [1, 1, 1]);
});
