/** How results of `classify` fit a terminal. */

import { assert, assertEquals } from "@std/assert";
import { classifyShape } from "../../lib/cli/classify_shape.ts";
import { displayWidth } from "../../lib/cli/table.ts";

const PREDICTIONS = [
  { index: 0, label: "tabby cat", score: 0.96 },
  { index: 1, label: "Egyptian cat", score: 0.04 },
];

/** What people see on so many columns. */
function shown(columns: number): readonly string[] {
  const shape = classifyShape(
    { backend: "wasm", multiLabel: false },
    {} as Parameters<typeof classifyShape>[1],
    { isOne: false, isShort: false, columns },
  );
  return shape.text({ file: "cat.png", predictions: PREDICTIONS, latencyMs: 1 }) as string[];
}

Deno.test("bars take 30 columns, or what a narrow terminal has, and none before labels are cut", () => {
  const bars = (columns: number): number[] =>
    shown(columns).slice(1).map((line) => line.split("█").length - 1);
  assertEquals(bars(80), [29, 1]);
  assertEquals(bars(200), [29, 1]);
  const narrow = bars(40);
  assert(narrow[0]! > 0 && narrow[0]! < 29, `${narrow}`);
  assert(shown(40).every((line) => displayWidth(line) <= 40), shown(40).join("\n"));
  assertEquals(bars(20), [0, 0]);
  assertEquals(shown(20)[1], "  tabby cat      96.0 %");
});
