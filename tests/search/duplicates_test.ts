import { assertEquals, assertRejects } from "@std/assert";
import { type Progress, ProgressTeller } from "../../lib/progress.ts";
import { findDuplicates } from "../../lib/search/duplicates.ts";
import { Pictures } from "../../lib/search/pictures.ts";

/** Pictures that are directions in a plane, in degrees. */
function plane(
  pictures: readonly { name: string; degrees: number; width?: number; bytes?: number }[],
): Pictures {
  const found = new Pictures({ look: 2, meaning: 0 });
  for (const { name, degrees, width = 10, bytes = 10 } of pictures) {
    const angle = degrees / 180 * Math.PI;
    const look = Int8Array.of(Math.round(127 * Math.cos(angle)), Math.round(127 * Math.sin(angle)));
    // Layouts that have nothing in common.
    const parts = Uint8Array.from(
      { length: 256 },
      (_, i) => (i * (2 * found.count + 3) ** 2) % 251,
    );
    const layout = { parts, plain: 0 };
    const description = { look, meaning: new Int8Array(0), certainty: 0, content: 0, layout };
    found.put({ name, width, height: 10, bytes }, description);
  }
  return found;
}

/** The cosine of 6 degrees, from which on two are copies. */
const THRESHOLD = Math.cos(6 / 180 * Math.PI);

async function setsOf(pictures: Pictures): Promise<string[][]> {
  const progress = new ProgressTeller({}, { stage: "compare", unit: "images" });
  const found = await findDuplicates(pictures, THRESHOLD, undefined, progress);
  return found.map(({ keep, copies }) => [keep.name, ...copies.map(({ name }) => name)]);
}

Deno.test("copies of copies are one set, the largest comes first, and the most pixels in it", async () => {
  const all = [
    { name: "a", degrees: 0 },
    { name: "b", degrees: 5 },
    { name: "c", degrees: 10, width: 30 },
    { name: "alone", degrees: 30 },
    { name: "d", degrees: 60, bytes: 5 },
    { name: "e", degrees: 62, bytes: 9 },
    { name: "g", degrees: 90 },
    { name: "f", degrees: 91 },
  ];
  const expected = [["c", "b", "a"], ["e", "d"], ["f", "g"]];
  assertEquals(await setsOf(plane(all)), expected);
  assertEquals(await setsOf(plane(all.toReversed())), expected);
});

Deno.test("a copy's similarity is to the one to keep", async () => {
  const pictures = plane([{ name: "a", degrees: 0, width: 50 }, { name: "b", degrees: 5 }, {
    name: "c",
    degrees: 10,
  }]);
  const told: Progress[] = [];
  const teller = new ProgressTeller(
    { onProgress: (progress) => told.push(progress) },
    { stage: "compare", unit: "images" },
    pictures.count,
  );
  const [{ copies }] = await findDuplicates(pictures, THRESHOLD, undefined, teller);
  const expected = [5, 10].map((degrees) => Math.cos(degrees / 180 * Math.PI));
  // Bytes hold a direction to about a quarter of a degree.
  copies.forEach(({ similarity }, n) =>
    assertEquals(Math.abs(similarity - expected[n]!) < 0.002, true, `${similarity}`)
  );
  assertEquals(told.at(-1), { stage: "compare", unit: "images", done: 3, total: 3 });
});

Deno.test("comparing ends when it is aborted", async () => {
  const progress = new ProgressTeller({}, { stage: "compare", unit: "images" });
  const pictures = plane([{ name: "a", degrees: 0 }, { name: "b", degrees: 0 }]);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => findDuplicates(pictures, 0.5, signal, progress), Error, "enough");
});
