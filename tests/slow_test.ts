import { assert, assertEquals } from "@std/assert";
import { SLOW } from "./slow.ts";

Deno.test("tests that are left out for the time they take are there, by their words", async () => {
  for (const [file, words] of SLOW) {
    const text = await Deno.readTextFile(new URL(file, import.meta.url));
    if (words === "all") continue;
    assertEquals(words.filter((part) => !text.includes(part)), [], file);
    assert(words.length > 0, file);
  }
});
