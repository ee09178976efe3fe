import { assertEquals } from "@std/assert";
import { colorTable, levelOf } from "../../lib/report/color_map.ts";

Deno.test("colors are matplotlib's inferno, to its last level", () => {
  const table = colorTable();
  assertEquals(table.length, 256 * 3);
  // matplotlib.colormaps["inferno"](level, bytes=True)
  const expected = {
    0: [0, 0, 4],
    64: [87, 16, 110],
    128: [188, 55, 84],
    192: [249, 142, 9],
    255: [252, 255, 164],
  };
  for (const [level, color] of Object.entries(expected)) {
    assertEquals([...table.subarray(3 * Number(level), 3 * Number(level) + 3)], color, level);
  }
  // Between two of every eighth they are halfway.
  for (let level = 0; level < 248; level += 8) {
    for (let c = 0; c < 3; c++) {
      const [from, middle, to] = [0, 4, 8].map((step) => table[3 * (level + step) + c]!);
      assertEquals(middle, Math.round((from! + to!) / 2), `${level}`);
    }
  }
});

Deno.test("a value's level is the nearest of 256, and what lies outside is at the end", () => {
  assertEquals([-1, 0, 0.5, 0.501, 1, 2].map(levelOf), [0, 0, 128, 128, 255, 255]);
});
