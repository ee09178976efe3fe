import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { COLOR_BINS, colorHistogram, histogramLogits } from "../../lib/train/baselines.ts";
import { bestClass } from "../../lib/output/predictions.ts";
import { NEVER } from "../../lib/train/folds.ts";
import { random } from "../support/random_model.ts";
import exact from "../fixtures/histogram/histogram.json" with { type: "json" };

Deno.test("colorHistogram() puts each color into its bin of hue, saturation and value", () => {
  const counts = new Float64Array(COLOR_BINS);
  exact.colors.forEach((color, n) => {
    const found = colorHistogram({ data: Uint8Array.from(color), width: 1, height: 1 });
    assertEquals(found.indexOf(1), exact.bins[n], `${color}`);
    counts[exact.bins[n]]++;
  });
  const data = Uint8Array.from(exact.colors.flat()), width = exact.colors.length;
  const expected = Float32Array.from(counts, (count) => Math.sqrt(count / width));
  assertEquals(colorHistogram({ data, width, height: 1 }), expected);
  const withAlpha = Uint8Array.from(exact.colors.flatMap((color, n) => [...color, n % 256]));
  assertEquals(colorHistogram({ data: withAlpha, width, height: 1 }), expected);
});

Deno.test("colorHistogram() takes gray pictures, and says what it does not take", () => {
  const gray = Uint8Array.of(0, 64, 255), rgb = Uint8Array.of(0, 0, 0, 64, 64, 64, 255, 255, 255);
  const size = { width: 3, height: 1 };
  assertEquals(colorHistogram({ data: gray, ...size }), colorHistogram({ data: rgb, ...size }));
  assertThrows(
    () => colorHistogram({ data: new Uint8Array(5), ...size }),
    RangeError,
    "found 5 bytes",
  );
});

/** Pictures of two colors each, of which one tells the class. */
function colorsOf(labels: readonly number[]): Float32Array {
  const next = random(3);
  return Float32Array.from(labels.flatMap((label) => {
    const own = new Array<number>(COLOR_BINS).fill(0), part = 0.3 + 0.6 * next();
    own[7 * label] = Math.sqrt(part);
    own[100 + Math.floor(20 * next())] += Math.sqrt(1 - part);
    return own;
  }));
}

Deno.test("histogramLogits() has the five most alike pictures of other folds vote", async () => {
  const labels = Array.from({ length: 60 }, (_, n) => n % 3), colors = colorsOf(labels);
  const folds = labels.map((_, n) => n % 5 === 0 ? NEVER : n % 4);
  const logits = await histogramLogits(colors, { labels, classes: 3, folds });
  const colorsAt = (n: number): Float32Array =>
    colors.subarray(n * COLOR_BINS, (n + 1) * COLOR_BINS);
  for (let n = 0; n < 60; n++) {
    const own = logits.subarray(3 * n, 3 * n + 3);
    if (folds[n] === NEVER) {
      assertEquals(own, new Float64Array(3).fill(NaN));
      continue;
    }
    const ranked = labels.map((label, m) => ({
      label,
      alike: colorsAt(n).reduce((sum, value, i) => sum + value * colorsAt(m)[i], 0),
      fold: folds[m],
    })).filter(({ fold }) => fold !== folds[n]).sort((a, b) => b.alike - a.alike).slice(0, 5);
    for (let c = 0; c < 3; c++) {
      const votes = ranked.filter(({ label }) => label === c);
      const alike = votes.reduce((sum, { alike }) => sum + alike, 0);
      assertAlmostEquals(own[c], votes.length + alike / 10, 1e-9);
    }
  }
  const judged = labels.filter((_, n) => folds[n] !== NEVER).length;
  const right =
    labels.filter((label, n) =>
      folds[n] !== NEVER && bestClass(logits.subarray(3 * n, 3 * n + 3)) === label
    ).length;
  assert(right > 0.9 * judged);
});

Deno.test("histogramLogits() makes do with fewer than five pictures, and ends as soon as it is aborted", async () => {
  const labels = [0, 1, 1], colors = colorsOf(labels), folds = [0, 1, 1];
  const logits = await histogramLogits(colors, { labels, classes: 2, folds });
  assert(logits[0] === 0 && logits[1] >= 2 && logits[1] < 3, `${logits}`);
  assertEquals(logits[3], 0);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => histogramLogits(colors, { labels, classes: 2, folds }, signal),
    Error,
    "enough",
  );
});
