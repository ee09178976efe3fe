/**
 * The bits that other runtimes are held to are those that Deno gives, on one thread and on several.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { loadClassifier } from "../mod.ts";
import { EXPECTED, hashLogits } from "./support/logits_hash.ts";

const read = (path: string) => Deno.readFile(new URL(`../${path}`, import.meta.url));

for (const [model, expected] of Object.entries(EXPECTED)) {
  for (const threads of [1, 2]) {
    Deno.test(`ten pictures have the bits that all runtimes are held to: ${model}, ${threads} threads`, async () => {
      await using classifier = await loadClassifier({ model, threads, backend: "wasm" });
      assertEquals(await hashLogits(classifier, read), expected);
    });
  }
}
