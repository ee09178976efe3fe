import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ScoresNotFiniteError } from "../../lib/errors.ts";
import { classesOf } from "../../lib/model/classes.ts";
import {
  checkSelection,
  headScores,
  scoresOfMean,
  selectPredictions,
  sigmoid,
  softmax,
} from "../../lib/output/predictions.ts";

const CLASSES = classesOf({ labels: ["cat", "dog", "tench, Tinca tinca"] });
const SCORES = Float64Array.of(0.2, 0.7, 0.1);

function select(options: Parameters<typeof checkSelection>[0]): string[] {
  const selection = checkSelection(options, CLASSES);
  return selectPredictions(SCORES, selection, CLASSES).map(({ label }) => label);
}

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
  const [no, yes] = headScores([30], 0.1, "sigmoid");
  assertAlmostEquals(yes!, 0.95257413, 1e-8);
  assertAlmostEquals(no!, 0.04742587, 1e-8);
  // 1 - p would be 0 here.
  assertAlmostEquals(headScores([50], 1, "sigmoid")[0]! / 1.9287498479639178e-22, 1, 1e-12);
  assertEquals([...headScores([30], 1, "softmax")], [1]);
  assertEquals(headScores([1, 2], 1, undefined), softmax([1, 2]));
  assertEquals(headScores([1, 2], 1, "sigmoid"), sigmoid([1, 2]));
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
  assertEquals(scoresOfMean(activations, 1, "softmax"), softmax(second));
  assertEquals(scoresOfMean(activations, 1, "sigmoid"), sigmoid(second));
  assertEquals([...scoresOfMean(activations, 0, "sigmoid")], [...sigmoid([10 / 3, -10 / 3])]);
});

Deno.test("scores that are not finite are an error wherever they are read", () => {
  for (const logits of [[1, NaN, 2], [1, Infinity, 2], [-Infinity, -Infinity, -Infinity]]) {
    assertThrows(() => softmax(logits), ScoresNotFiniteError, "must be finite");
    assertThrows(() => sigmoid(logits), ScoresNotFiniteError, "must be finite");
  }
  const selection = checkSelection({ scoreThreshold: 0.5 }, CLASSES);
  assertThrows(
    () => selectPredictions(Float64Array.of(0.5, NaN, 0.5), selection, CLASSES),
    ScoresNotFiniteError,
    "found NaN for class 1",
  );
});

Deno.test("selectPredictions() sorts, best first, and keeps class indices", () => {
  const selection = checkSelection({}, CLASSES);
  assertEquals(selectPredictions(SCORES, selection, CLASSES), [
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
    selectPredictions(own, checkSelection(options, CLASSES), CLASSES).map(({ index }) => index);
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
    selectPredictions(SCORES, checkSelection(options, classes), classes)
      .map(({ label, id }) => [label, id]);
  assertEquals(found({ deny: ["n03126707", "tabby cat"] }), [["crane", "n02012849"]]);
  assertEquals(found({ allow: [1, "tabby"] }), [["crane", "n03126707"], ["tabby", "n02123045"]]);
  assertThrows(() => found({ deny: ["crane"] }), RangeError, "1 (n03126707 crane)");
});
