import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type EvaluationRecord, metricsOf } from "../../lib/evaluate/metrics.ts";
import learn from "../fixtures/metrics/metrics.json" with { type: "json" };

/** Sums of at most some hundred terms in float64, in another order. */
const TOLERANCE = 1e-12;

/** What `evaluate()` would record of images with these scores. */
function recordsOf(
  labels: readonly number[],
  scores: readonly (readonly number[])[],
  multiLabel: boolean,
): EvaluationRecord[] {
  return labels.map((label, n) => {
    const row = scores[n]!;
    const top = row.map((score, index) => ({ index, score })).sort((a, b) => b.score - a.score);
    const own = multiLabel ? { scores: row } : {};
    return { file: `${n}.png`, label, top: top.slice(0, 5), score: row[label]!, ...own };
  });
}

/** Holds what there are many of to scikit-learn's, which says `null` where there is no number. */
function assertEach(
  found: readonly (number | undefined)[],
  expected: readonly (number | null)[],
  name: string,
): void {
  assertEquals(found.length, expected.length, name);
  expected.forEach((value, n) => assertAlmostEquals(found[n]!, value ?? NaN, TOLERANCE, name));
}

const namesOf = (scores: readonly (readonly number[])[]): string[] =>
  scores[0]!.map((_, n) => `class ${n}`);

Deno.test("the metrics are scikit-learn's", () => {
  for (const { labels, scores, confusion, classes, ...numbers } of learn.oneOfSeveral) {
    const metrics = metricsOf(recordsOf(labels, scores, false), namesOf(scores));
    assertEquals(metrics.confusion, confusion);
    for (const [name, value] of Object.entries(numbers)) {
      assertEach([metrics[name as keyof typeof numbers]], [value], name);
    }
    for (const name of ["recall", "precision", "images"] as const) {
      assertEach(metrics.classes.map((of) => of[name]), classes[name], name);
    }
  }
});

Deno.test("the metrics of labels with their own scores are scikit-learn's, with ties", () => {
  for (const { labels, scores, averagePrecision, classes, ...numbers } of learn.eachItsOwn) {
    const metrics = metricsOf(recordsOf(labels, scores, true), namesOf(scores), true);
    for (const [name, value] of Object.entries(numbers)) {
      assertEach([metrics[name as keyof typeof numbers]], [value], name);
    }
    for (const name of ["recall", "precision", "images"] as const) {
      assertEach(metrics.classes.map((of) => of[name]), classes[name], name);
    }
    const some = metrics.classes.filter(({ images }) => images > 0);
    assertEach(some.map((of) => of.averagePrecision), averagePrecision, "average precision");
  }
});
