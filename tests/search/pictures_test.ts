import { assertAlmostEquals, assertEquals } from "@std/assert";
import { similarity } from "../../lib/output/embedding.ts";
import { type Picture, Pictures } from "../../lib/search/pictures.ts";
import { randomFrom } from "../../lib/train/random.ts";

const LENGTH = 24;

function picture(name: string): Picture {
  return { name, width: 4, height: 3, bytes: 12 };
}

function randomBytes(count: number, seed: number): Int8Array {
  const next = randomFrom(seed);
  return Int8Array.from({ length: count }, () => Math.floor(next() * 255) - 127);
}

/** What `compare()` gives, by cosines of floats. */
function expected(a: Int8Array, b: Int8Array, parts: number): number {
  const part = (of: Int8Array, n: number) => [...of.subarray(n * LENGTH, (n + 1) * LENGTH)];
  let best = 0;
  for (let n = 0; n < parts; n++) {
    best = Math.max(best, similarity(part(a, 0), part(b, n)), similarity(part(a, n), part(b, 0)));
  }
  return best;
}

for (const parts of [1, 3]) {
  Deno.test(`pictures of ${parts} vectors are compared as cosines say, and both ways alike`, () => {
    const pictures = new Pictures(LENGTH, parts, 1);
    const all = Array.from({ length: 40 }, (_, n) => randomBytes(parts * LENGTH, n + 1));
    all.forEach((vectors, n) => pictures.put(picture(`${n}`), vectors));
    const rows = all.map((vectors) => {
      const similarities = new Float64Array(all.length);
      pictures.compare(vectors, 0, similarities);
      return similarities;
    });
    rows.forEach((row, a) =>
      row.forEach((value, b) => {
        // Rounding alone: the sums are integers.
        assertAlmostEquals(value, expected(all[a]!, all[b]!, parts), 1e-12);
        assertEquals(value, rows[b]![a]);
      })
    );
    rows.forEach((row, n) => assertEquals(row[n], 1));
  });
}

Deno.test("what is all zeros is like nothing, not even itself", () => {
  const pictures = new Pictures(LENGTH, 1);
  pictures.put(picture("none"), new Int8Array(LENGTH));
  const similarities = Float64Array.of(-1);
  pictures.compare(new Int8Array(LENGTH), 0, similarities);
  assertEquals([...similarities], [0]);
});

Deno.test("a picture of a name that is there replaces it, and others close up when some leave", () => {
  const pictures = new Pictures(LENGTH, 2, 1);
  const vectors = (n: number) => new Int8Array(2 * LENGTH).fill(n);
  for (let n = 0; n < 9; n++) pictures.put(picture(`${n}`), vectors(n + 1));
  pictures.put({ ...picture("4"), width: 99 }, vectors(100));
  assertEquals([pictures.count, pictures.positionOf("4"), pictures.at(4).width], [9, 4, 99]);
  assertEquals(pictures.keep(({ name }) => Number(name) % 2 === 0), 4);
  const names = Array.from({ length: pictures.count }, (_, n) => pictures.at(n).name);
  assertEquals(names, ["0", "2", "4", "6", "8"]);
  names.forEach((name, n) => {
    assertEquals(pictures.positionOf(name), n);
    assertEquals(pictures.vectorsOf(n), vectors(name === "4" ? 100 : Number(name) + 1));
  });
  assertEquals(pictures.positionOf("3"), undefined);
  assertEquals(pictures.vectors.length, 5 * 2 * LENGTH);
  // Lengths have moved along: each is still exactly like itself.
  const similarities = new Float64Array(5);
  pictures.compare(pictures.vectorsOf(2), 0, similarities);
  assertEquals(similarities[2], 1);
});
