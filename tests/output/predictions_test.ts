import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ScoresNotFiniteError } from "../../lib/errors.ts";
import type { Architecture } from "../../lib/model/architecture.ts";
import { classesOf } from "../../lib/model/classes.ts";
import {
  checkSelection,
  headScores,
  isUnsure,
  scoresOfMean,
  type Scoring,
  selectPredictions,
  sigmoid,
  softmax,
} from "../../lib/output/predictions.ts";

const CLASSES = classesOf({ labels: ["cat", "dog", "tench, Tinca tinca"] });
const SCORES = Float64Array.of(0.2, 0.7, 0.1);

/** What makes scores, at a temperature. */
function headOf(head: Architecture["head"], temperature?: number): Scoring {
  return { architecture: { head }, temperature };
}

function select(options: Parameters<typeof checkSelection>[0]): string[] {
  const selection = checkSelection(options, CLASSES);
  return selectPredictions(SCORES, selection, { classes: CLASSES }).map(({ label }) => label);
}

Deno.test("people are told of doubt, and not where the answer is that it is none of the classes", () => {
  const first = (label: string, sure?: boolean) => ({ label, score: 0.6, index: 0, sure });
  assertEquals(isUnsure(first("cat", false)), true);
  assertEquals(isUnsure(first("cat", true)), false);
  assertEquals(isUnsure(first("cat")), false);
  for (const label of ["none of these", "None of These", " none of these"]) {
    assertEquals(isUnsure(first(label, false)), false);
  }
  assertEquals(isUnsure(undefined), false);
});

Deno.test("softmax() gives the probabilities of a worked example", () => {
  // exp(1), exp(2), exp(3) over their sum, to the digits of the usual textbook table.
  const scores = softmax([10, 20, 30], 0.1);
  assertAlmostEquals(scores[0], 0.09003057, 1e-8);
  assertAlmostEquals(scores[1], 0.24472847, 1e-8);
  assertAlmostEquals(scores[2], 0.66524096, 1e-8);
});

Deno.test("softmax() does not overflow on the largest int32 logits", () => {
  assertEquals([...softmax([2 ** 31 - 1, -(2 ** 31)], 1)], [1, 0]);
});

Deno.test("sigmoid() gives each logit its own probability", () => {
  // 1 / (1 + exp(-x)) for x = -2, 0, 1, to the digits of the usual textbook table.
  const scores = sigmoid([-20, 0, 10], 0.1);
  assertAlmostEquals(scores[0], 0.11920292, 1e-8);
  assertEquals(scores[1], 0.5);
  assertAlmostEquals(scores[2], 0.73105858, 1e-8);
});

Deno.test("sigmoid() neither overflows nor loses what is near 0", () => {
  assertEquals([...sigmoid([2 ** 31 - 1, -(2 ** 31), 1e308, -1e308])], [1, 0, 1, 0]);
  // exp(-700) to all digits, as 1 + exp(-700) is 1.
  assertEquals(sigmoid([-700])[0], Math.exp(-700));
});

Deno.test("one logit of a sigmoid gives two scores, the second of which is its own", () => {
  const [no, yes] = headScores([30], 0.1, headOf("sigmoid"));
  assertAlmostEquals(yes!, 0.95257413, 1e-8);
  assertAlmostEquals(no!, 0.04742587, 1e-8);
  // 1 - p would be 0 here.
  assertAlmostEquals(headScores([50], 1, headOf("sigmoid"))[0]! / 1.9287498479639178e-22, 1, 1e-12);
  assertEquals([...headScores([30], 1, headOf("softmax"))], [1]);
  assertEquals(headScores([1, 2], 1, headOf(undefined)), softmax([1, 2]));
  assertEquals(headScores([1, 2], 1, headOf("sigmoid")), sigmoid([1, 2]));
});

Deno.test("logits are averaged over the positions before the head makes scores of them", () => {
  const activations = {
    layer: "fc8",
    data: Int32Array.of(0, 0, 0, 0, 10, -10, 20, 60, -10, 30, 0, -20),
    shape: [2, 1, 3, 2],
    scale: Float64Array.of(1, 0.1),
  } as const;
  // Of the second image: means of 1/3 * 30 and 1/3 * 100, times 0.1; by hand.
  const second = [20 - 10, 60 + 30 - 20].map((sum) => sum / 3 * 0.1);
  assertEquals(scoresOfMean(activations, 1, headOf("softmax")), softmax(second));
  assertEquals(scoresOfMean(activations, 1, headOf("sigmoid")), sigmoid(second));
  assertEquals([...scoresOfMean(activations, 0, headOf("sigmoid"))], [
    ...sigmoid([10 / 3, -10 / 3]),
  ]);
});

Deno.test("a temperature divides the logits before the head makes scores of them", () => {
  const logits = [3, -1, 0.5, 2], scale = 0.7, temperature = 1.9;
  const powers = logits.map((logit) => Math.exp(logit * scale / temperature));
  const sum = powers.reduce((a, b) => a + b);
  headScores(logits, scale, headOf("softmax", temperature)).forEach((score, i) =>
    assertAlmostEquals(score, powers[i] / sum, 1e-15)
  );
  headScores(logits, scale, headOf("sigmoid", temperature)).forEach((score, i) =>
    assertAlmostEquals(score, powers[i] / (1 + powers[i]), 1e-15)
  );
  // Of one logit: 1 / (1 + exp(-3 / 2)), to the digits of a table.
  const [no, yes] = headScores([3], 1, headOf("sigmoid", 2));
  assertAlmostEquals(yes!, 0.81757448, 1e-8);
  assertAlmostEquals(no!, 0.18242552, 1e-8);
});

Deno.test("a temperature of 1 changes no bit of a score, and an absent one neither", () => {
  const logits = Int32Array.of(12345, -777, 123, 99999, 100001), scale = 1.2345e-4;
  for (const head of ["softmax", "sigmoid"] as const) {
    const plain = head === "softmax" ? softmax(logits, scale) : sigmoid(logits, scale);
    assertEquals(headScores(logits, scale, headOf(head)), plain);
    assertEquals(headScores(logits, scale, headOf(head, 1)), plain);
  }
});

Deno.test("a temperature that is so low that scores are not finite is the error of those", () => {
  assertThrows(() => headScores([1, 2], 1, headOf("softmax", 5e-324)), ScoresNotFiniteError);
});

Deno.test("scores that are not finite are an error wherever they are read", () => {
  for (const logits of [[1, NaN, 2], [1, Infinity, 2], [-Infinity, -Infinity, -Infinity]]) {
    assertThrows(() => softmax(logits), ScoresNotFiniteError, "must be finite");
    assertThrows(() => sigmoid(logits), ScoresNotFiniteError, "must be finite");
  }
  const selection = checkSelection({ scoreThreshold: 0.5 }, CLASSES);
  assertThrows(
    () => selectPredictions(Float64Array.of(0.5, NaN, 0.5), selection, { classes: CLASSES }),
    ScoresNotFiniteError,
    "found NaN for class 1",
  );
});

Deno.test("selectPredictions() sorts, best first, and keeps class indices", () => {
  const selection = checkSelection({}, CLASSES);
  assertEquals(selectPredictions(SCORES, selection, { classes: CLASSES }), [
    { label: "dog", score: 0.7, index: 1 },
    { label: "cat", score: 0.2, index: 0 },
    { label: "tench, Tinca tinca", score: 0.1, index: 2 },
  ]);
});

Deno.test("topK keeps the best, after allow and deny have chosen", () => {
  assertEquals(select({ topK: 1 }), ["dog"]);
  assertEquals(select({ topK: 1, deny: ["dog"] }), ["cat"]);
  assertEquals(select({ allow: ["cat", "tench, Tinca tinca"] }), ["cat", "tench, Tinca tinca"]);
  assertEquals(select({ deny: [] }).length, 3);
});

Deno.test("a threshold and topK hold for each label's own score, equal ones in their order", () => {
  const own = Float64Array.of(0.9, 1, 0.9);
  const labels = (options: Parameters<typeof checkSelection>[0]) =>
    selectPredictions(own, checkSelection(options, CLASSES), { classes: CLASSES }).map((
      { index },
    ) => index);
  assertEquals(labels({ scoreThreshold: 0.5 }), [1, 0, 2]);
  assertEquals(labels({ topK: 2 }), [1, 0]);
  assertEquals(labels({ deny: ["dog"], topK: 1 }), [0]);
});

Deno.test("scoreThreshold keeps scores that reach it", () => {
  assertEquals(select({ scoreThreshold: 0.2 }), ["dog", "cat"]);
  assertEquals(select({ scoreThreshold: 1 }), []);
});

Deno.test("topK above the number of classes gives all of them, as Infinity does", () => {
  for (const topK of [3, 4, 1000, Infinity]) {
    assertEquals(select({ topK }), ["dog", "cat", "tench, Tinca tinca"]);
  }
});

Deno.test("checkSelection() refuses a topK that is no number of labels", () => {
  for (const topK of [0, 1.5, NaN, -1, -Infinity]) {
    assertThrows(() => checkSelection({ topK }, CLASSES), RangeError, "at least 1, or Infinity");
  }
});

Deno.test("checkSelection() refuses allow and deny that leave no class", () => {
  assertThrows(() => checkSelection({ allow: [] }, CLASSES), RangeError, "none is left");
  assertThrows(() => checkSelection({ deny: [0, "dog", "tench"] }, CLASSES), RangeError, "none is");
});

Deno.test("checkSelection() refuses a score threshold outside 0 to 1", () => {
  for (const scoreThreshold of [-0.1, 1.1, NaN]) {
    assertThrows(() => checkSelection({ scoreThreshold }, CLASSES), RangeError, "from 0 to 1");
  }
});

Deno.test("checkSelection() refuses allow together with deny", () => {
  assertThrows(
    () => checkSelection({ allow: ["cat"], deny: ["dog"] }, CLASSES),
    TypeError,
    "exclude each other",
  );
});

Deno.test("checkSelection() names the nearest label for an unknown one", () => {
  assertThrows(() => checkSelection({ allow: ["cet"] }, CLASSES), RangeError, '"cat"?');
  assertThrows(() => checkSelection({ deny: ["tensh"] }, CLASSES), RangeError, '"tench"?');
});

Deno.test("allow and deny name classes by label, index, id and synonym", () => {
  const labels = ["crane", "crane", "tabby, tabby cat"];
  const ids = ["n02012849", "n03126707", "n02123045"];
  const classes = classesOf({ labels, ids });
  const found = (options: Parameters<typeof checkSelection>[0]) =>
    selectPredictions(SCORES, checkSelection(options, classes), { classes })
      .map(({ label, id }) => [label, id]);
  assertEquals(found({ deny: ["n03126707", "tabby cat"] }), [["crane", "n02012849"]]);
  assertEquals(found({ allow: [1, "tabby"] }), [["crane", "n03126707"], ["tabby", "n02123045"]]);
  assertThrows(() => found({ deny: ["crane"] }), RangeError, "1 (n03126707 crane)");
});

/** Which of the predictions say that they are sure, by their labels. */
function sureLabels(
  { scores, sureScore = 0.6, labels = ["a", "b", "c"], ...options }:
    & { scores: number[]; sureScore?: number; labels?: string[] }
    & Parameters<typeof checkSelection>[0],
): string[] {
  const classes = classesOf({ labels }), selection = checkSelection(options, classes);
  const found = selectPredictions(Float64Array.from(scores), selection, { classes, sureScore });
  assertEquals(found.every(({ sure }) => typeof sure === "boolean"), true);
  return found.filter(({ sure }) => sure).map(({ label }) => label);
}

Deno.test("a prediction is sure if it is the best of all classes and its score is reached", () => {
  const scores = [0.1, 0.7, 0.2];
  const cases: [string[], Parameters<typeof sureLabels>[0]][] = [
    [["b"], { scores }],
    [["b"], { scores, sureScore: 0.7 }],
    [[], { scores, sureScore: 0.7000000000000001 }],
    [["b"], { scores, sureScore: 0 }],
    [[], { scores, sureScore: 1 }],
    [["b"], { scores: [0, 1, 0], sureScore: 1 }],
    // What the caller wants to see.
    [["b"], { scores, topK: 1 }],
    [["b"], { scores, scoreThreshold: 0.7 }],
    [[], { scores, scoreThreshold: 0.71 }],
    [["b"], { scores, allow: ["b", "c"] }],
    [[], { scores, deny: ["b"], sureScore: 0.1 }],
    [[], { scores, allow: ["c"], sureScore: 0.2 }],
    // Equal scores: the first is the one of the lower index.
    [["a"], { scores: [0.5, 0.5, 0], sureScore: 0.5 }],
    [[], { scores: [0.5, 0.5, 0], sureScore: 0.5, allow: ["b"] }],
    // Each label by itself: the first says nothing of the others.
    [["c"], { scores: [0.9, 0.95, 0.99] }],
    [["yes"], { scores: [0.3, 0.7], labels: ["no", "yes"] }],
    [["no"], { scores: [0.7, 0.3], labels: ["no", "yes"] }],
    // A class of what is none of the others, seen, hidden or beaten.
    [[], { scores, labels: ["a", "none of these", "c"] }],
    [[], { scores, labels: ["a", "none of these", "c"], deny: ["none of these"], sureScore: 0 }],
    [["b"], { scores, labels: ["none of these", "b", "c"] }],
    [[], { scores, labels: ["a", "None of These", "c"] }],
  ];
  for (const [expected, given] of cases) {
    assertEquals(sureLabels(given), expected, JSON.stringify(given));
  }
});

Deno.test("without a score to be sure from, no prediction says whether it is", () => {
  const found = selectPredictions(SCORES, checkSelection({}, CLASSES), { classes: CLASSES });
  assertEquals(found.map((prediction) => Object.hasOwn(prediction, "sure")), [false, false, false]);
});
