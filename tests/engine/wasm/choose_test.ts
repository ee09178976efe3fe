import { assertEquals } from "@std/assert";
import { chooser } from "../../../lib/engine/wasm/choose.ts";
import type { Algorithm, PackedGeometry } from "../../../lib/engine/wasm/stage.ts";

/** What the choice goes by; what else a geometry has, nothing here reads. */
function geometry(
  height: number,
  width: number,
  { padding = 1, first = false } = {},
): PackedGeometry {
  return {
    ...{ layer: { name: "conv", padding }, first },
    full: { height, width },
  } as unknown as PackedGeometry;
}

Deno.test("Winograd's algorithm is taken from so many output pixels on, where nothing was tried", () => {
  const int8 = chooser("int8", undefined), float = chooser("float", undefined);
  assertEquals([int8(geometry(7, 9), 1), int8(geometry(8, 8), 1)], ["direct", "winograd"]);
  // All images count, but for floats: an image has the same ones whatever else is computed with it.
  assertEquals([int8(geometry(4, 4), 3), int8(geometry(4, 4), 4)], ["direct", "winograd"]);
  assertEquals([float(geometry(3, 5), 100), float(geometry(4, 4), 1)], ["direct", "winograd"]);
});

Deno.test("what is told goes before what was tried, and that before the rule", () => {
  const tried = new Map<string, Algorithm>([["conv", "direct"]]);
  const large = geometry(100, 100);
  assertEquals(chooser("int8", undefined, tried)(large, 1), "direct");
  assertEquals(chooser("int8", undefined, new Map([["other", "direct"]]))(large, 1), "winograd");
  assertEquals(chooser("int8", "winograd", tried)(geometry(1, 1), 1), "winograd");
  // There is no choice for the first layer, nor where nothing is padded.
  for (const none of [{ first: true }, { padding: 0 }]) {
    assertEquals(chooser("int8", "winograd")(geometry(100, 100, none), 1), "direct");
  }
});
