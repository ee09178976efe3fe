import { assertEquals } from "@std/assert";
import { KnownIds } from "../../../lib/cli/parts/known_ids.ts";

Deno.test("of many ids, alike as paths are, each is new once", () => {
  const known = new KnownIds(),
    ids = Array.from({ length: 50_000 }, (_, n) => `train/n${n >> 8}/${n}.JPEG`);
  assertEquals(ids.filter((id) => !known.add(id)), []);
  assertEquals(ids.filter((id) => known.add(id)), []);
  assertEquals(["", "a", "\0", "é", "\u{1f600}"].map((id) => known.add(id)), Array(5).fill(true));
  assertEquals(["", "a", "\0", "é", "\u{1f600}"].map((id) => known.add(id)), Array(5).fill(false));
});
