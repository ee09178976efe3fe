import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { softmax } from "../../lib/output/predictions.ts";
import { doubtsOf, type Judged } from "../../lib/train/suspects.ts";
import { random } from "../support/random_model.ts";

/** Logits of probabilities, at a temperature of 2. */
function judged(labels: readonly number[], scores: readonly (readonly number[])[]): Judged {
  const logits = Float64Array.from(scores.flat(), (score) => 2 * Math.log(score));
  return { labels, classes: scores[0].length, logits, temperature: 2 };
}

Deno.test("a label is suspected if another class is as likely as it usually is for its pictures", () => {
  const found = doubtsOf(judged([0, 0, 0, 1, 1, 1, 1], [
    [0.9, 0.1], // Class 0 is 0.6 likely for its pictures,
    [0.85, 0.15],
    [0.05, 0.95],
    [0.1, 0.9], // and class 1 is 0.64 likely for its own.
    [0.2, 0.8],
    [0.55, 0.45],
    [0.61, 0.39],
  ]));
  assertEquals(
    found.map(({ picture, label, predicted, isSuspect }) => [picture, label, predicted, isSuspect]),
    [[2, 0, 1, true], [6, 1, 0, true], [5, 1, 0, false]],
  );
  assertAlmostEquals(found[0].own, 0.05, 1e-12);
  assertAlmostEquals(found[0].other, 0.95, 1e-12);
});

Deno.test("what nothing judged is in no doubt, and no label is suspected for a class without pictures", () => {
  const scores = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9], [0.2, 0.7, 0.1]];
  const task = judged([1, 1, 0, 1], scores);
  task.logits.fill(NaN, 0, 3);
  const found = doubtsOf(task);
  assertEquals(found.map(({ picture, isSuspect }) => [picture, isSuspect]), [[2, false]]);
});

Deno.test("doubtsOf() gives every wrong picture, those with the least likely labels first", () => {
  const next = random(6), labels = Array.from({ length: 40 }, (_, n) => n % 3);
  const scores = labels.map(() => [...softmax([4 * next(), 4 * next(), 4 * next()])]);
  const found = doubtsOf(judged(labels, scores));
  const wrong = labels.keys().filter((n) =>
    scores[n].indexOf(Math.max(...scores[n])) !== labels[n]
  );
  assertEquals(new Set(found.map(({ picture }) => picture)), new Set(wrong));
  found.forEach(({ picture, label, predicted, own, other }, i) => {
    assertEquals(label, labels[picture]);
    assertAlmostEquals(own, scores[picture][label], 1e-9);
    assertAlmostEquals(other, scores[picture][predicted], 1e-9);
    assert(i === 0 || own >= found[i - 1].own);
  });
});
