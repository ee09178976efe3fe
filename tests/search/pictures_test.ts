import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Description } from "../../lib/search/describe.ts";
import { similarity } from "../../lib/output/embedding.ts";
import { type Picture, Pictures } from "../../lib/search/pictures.ts";
import { directionOf } from "../../lib/search/vectors.ts";
import { randomFrom } from "../../lib/train/random.ts";

const LENGTHS = { look: 48, meaning: 5 };

function picture(name: string): Picture {
  return { name, width: 4, height: 3, bytes: 12 };
}

/** Values as a network gives them, and what an index keeps of them. */
function randomValues(seed: number) {
  const next = randomFrom(seed);
  const look = Float64Array.from({ length: LENGTHS.look }, () => next() - 0.3);
  const raw = Float64Array.from({ length: LENGTHS.meaning }, () => next() ** 9);
  const sum = raw.reduce((a, b) => a + b);
  return { look, scores: raw.map((value) => value / sum) };
}

function described({ look, scores }: ReturnType<typeof randomValues>): Description {
  const certainty = Math.hypot(...scores);
  const layout = { parts: Uint8Array.from({ length: 256 }, (_, i) => look[i % 48]! * 9), plain: 0 };
  return { look: directionOf(look), meaning: directionOf(scores), certainty, content: 7, layout };
}

/** Scores times 0.6, and a look that makes the whole of length 1. */
function joined({ look, scores }: ReturnType<typeof randomValues>): number[] {
  const meaning = [...scores].map((score) => 0.6 * score);
  const rest = Math.sqrt(1 - Math.hypot(...meaning) ** 2), length = Math.hypot(...look);
  return [...meaning, ...[...look].map((value) => value / length * rest)];
}

Deno.test("pictures are compared by look, by meaning, and by both as one vector of length 1", () => {
  const pictures = new Pictures(LENGTHS);
  const all = Array.from({ length: 30 }, (_, n) => randomValues(n + 1));
  all.forEach((values, n) => pictures.put(picture(`${n}`), described(values)));
  for (const [n, own] of all.entries()) {
    const similarities = new Float64Array(all.length - n);
    const compare = (by: "look" | "meaning" | "both") => {
      pictures.compare(pictures.describe(n), by, n, similarities);
      return [...similarities];
    };
    // Bytes are wrong by half a step of 127 at most.
    compare("look").forEach((found, i) =>
      assertAlmostEquals(found, similarity(own.look, all[n + i]!.look), 0.02)
    );
    compare("meaning").forEach((found, i) =>
      assertAlmostEquals(found, similarity(own.scores, all[n + i]!.scores), 0.02)
    );
    const both = compare("both");
    both.forEach((found, i) =>
      assertAlmostEquals(found, similarity(joined(own), joined(all[n + i]!)), 0.02)
    );
    assertAlmostEquals(both[0]!, 1, 1e-12);
  }
});

Deno.test("without scores both are the look alone", () => {
  const pictures = new Pictures({ look: 48, meaning: 0 });
  const one = (seed: number): Description => ({
    ...described(randomValues(seed)),
    ...{ meaning: new Int8Array(0), certainty: 0 },
  });
  for (let n = 0; n < 5; n++) pictures.put(picture(`${n}`), one(n + 1));
  const [look, both, meaning] = ["look", "both", "meaning"].map((by) => {
    const similarities = new Float64Array(5);
    pictures.compare(one(9), by as "look", 0, similarities);
    return [...similarities];
  });
  assertEquals(both, look);
  assertEquals(meaning, [0, 0, 0, 0, 0]);
});

Deno.test("a picture of a name that is there replaces it, and others close up when some leave", () => {
  const pictures = new Pictures(LENGTHS);
  const one = (n: number) => described(randomValues(n + 1));
  for (let n = 0; n < 9; n++) pictures.put(picture(`${n}`), one(n));
  pictures.put({ ...picture("4"), width: 99 }, one(100));
  assertEquals([pictures.count, pictures.positionOf("4"), pictures.at(4).width], [9, 4, 99]);
  assertEquals(pictures.keep(({ name }) => Number(name) % 2 === 0), 4);
  const names = Array.from({ length: pictures.count }, (_, n) => pictures.at(n).name);
  assertEquals(names, ["0", "2", "4", "6", "8"]);
  names.forEach((name, n) => {
    assertEquals(pictures.positionOf(name), n);
    assertEquals(pictures.describe(n), one(name === "4" ? 100 : Number(name)));
  });
  assertEquals(pictures.positionOf("3"), undefined);
  // Lengths have moved along: each is still exactly like itself.
  const similarities = new Float64Array(5);
  pictures.compare(pictures.describe(2), "look", 0, similarities);
  assertEquals(similarities[2], 1);
});
