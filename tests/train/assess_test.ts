/** What an assessment counts, of logits that are made up. */

import { assert, assertEquals } from "@std/assert";
import { NONE_OF_THESE } from "../../lib/model/classes.ts";
import { assess, type Assessed } from "../../lib/train/assess.ts";
import { COLOR_BINS } from "../../lib/train/baselines.ts";

/** What is said of one picture. */
interface MadeUp {
  readonly label: number;
  /** The class that it is taken for, or none if it is not judged. */
  readonly taken?: number;
  readonly fold?: number;
  /** The bin of its only color. */
  readonly color?: number;
  /** The first picture that shows the same. */
  readonly same?: number;
  /** How much the logit of the class that it is taken for is above the others. */
  readonly lead?: number;
}

function assessedOf(labels: readonly string[], pictures: readonly MadeUp[]): Assessed {
  const colors = new Float32Array(pictures.length * COLOR_BINS);
  pictures.forEach(({ color = 0 }, n) => colors[n * COLOR_BINS + color] = 1);
  return {
    ...{ labels, colors },
    samples: pictures.map(({ label }, n) => ({ file: `${n}.jpg`, label })),
    logits: Float64Array.from(
      pictures.flatMap(({ taken, lead = 4 }) =>
        labels.map((_, c) => taken === undefined ? NaN : taken === c ? lead : 0)
      ),
    ),
    folds: Int32Array.from(pictures, ({ taken, fold = 0 }) => taken === undefined ? -1 : fold),
    duplicates: Int32Array.from(pictures, ({ same }, n) => same ?? n),
  };
}

const times = (count: number, picture: MadeUp): MadeUp[] => Array(count).fill(picture);

Deno.test("assess() counts each class the same, and only what was judged", async () => {
  const { assessment } = await assess(assessedOf(["a", "b", "c"], [
    ...times(9, { label: 0, taken: 0, fold: 0, color: 1 }),
    ...times(3, { label: 0, taken: 1, fold: 1, color: 1 }),
    ...times(4, { label: 1, taken: 1, fold: 1, color: 1 }),
    { label: 2 },
  ]));
  const { judged, accuracy, balancedAccuracy, confusion, folds, classes, baselines } = assessment;
  assertEquals([judged, accuracy, balancedAccuracy], [16, 13 / 16, (9 / 12 + 1) / 2]);
  assertEquals(confusion, [[9, 3, 0], [0, 4, 0], [0, 0, 0]]);
  assertEquals(folds, [1, 0.5], "of the classes that a fold has");
  assertEquals(classes, [
    { label: "a", pictures: 12, judged: 12, isSmall: false, recall: 0.75, precision: 1 },
    { label: "b", pictures: 4, judged: 4, isSmall: true, recall: 1, precision: 4 / 7 },
    { label: "c", pictures: 1, judged: 0, isSmall: true, recall: NaN, precision: NaN },
  ]);
  assertEquals(baselines.majority, {
    ...{ accuracy: 0.75, balancedAccuracy: 0.5 },
    isBeaten: undefined, // Of four pictures.
  });
});

Deno.test("assess() compares with the colors of the same pictures", async () => {
  const pictures = [0, 1].flatMap((label) =>
    [0, 1].flatMap((fold) => times(10, { label, taken: label, fold, color: label }))
  );
  const { colors } = (await assess(assessedOf(["a", "b"], pictures))).assessment.baselines;
  assertEquals(colors, { accuracy: 1, balancedAccuracy: 1, isBeaten: false });
});

Deno.test("assess() lists mistakes by how unlikely their labels are, and of these the suspects", async () => {
  const { assessment, calibration } = await assess(assessedOf(["a", "b", "few"], [
    ...times(20, { label: 0, taken: 0 }),
    ...times(20, { label: 1, taken: 1 }),
    { label: 0, taken: 1, lead: 0.5 },
    { label: 1, taken: 0, lead: 6 },
    { label: 2, taken: 2 },
    { label: 0, taken: 2, lead: 5 },
  ]));
  const { wrong, suspects } = assessment;
  assertEquals(wrong.map(({ file, label, predicted }) => [file, label, predicted]), [
    ["41.jpg", "b", "a"],
    ["43.jpg", "a", "few"],
    ["40.jpg", "a", "b"],
  ]);
  assertEquals(suspects, wrong.slice(0, 1));
  const odds = wrong[0]!.score / wrong[0]!.ownScore;
  assert(Math.abs(odds / Math.exp(6 / calibration.temperature) - 1) < 1e-9, "at the temperature");
});

Deno.test("assess() groups what shows the same, also between classes", async () => {
  const { assessment } = await assess(assessedOf(["a", "b"], [
    ...times(2, { label: 0, taken: 0, same: 0 }),
    { label: 1, taken: 1 },
    { label: 1, taken: 1, same: 0 },
  ]));
  assertEquals(assessment.duplicates.map((group) => group.map(({ file, label }) => file + label)), [
    ["0.jpga", "1.jpga", "3.jpgb"],
  ]);
});

Deno.test("assess() calibrates, and counts pictures of none of the classes as what nothing is sure of", async () => {
  const right = [0, 1].flatMap((label) => times(30, { label, taken: label }));
  const labels = ["a", "b", NONE_OF_THESE];
  const sure = await assess(assessedOf(labels, [...right, ...times(20, { label: 2, taken: 2 })]));
  assert(sure.calibration.sureScore !== undefined);
  const strange = await assess(
    assessedOf(labels, [...right, ...times(20, { label: 2, taken: 0 })]),
  );
  assertEquals(strange.calibration.sureScore, undefined);
});

Deno.test("assess() of pictures of which none was judged has no figures", async () => {
  const { assessment, calibration } = await assess(
    assessedOf(["a", "b"], [{ label: 0 }, { label: 1 }]),
  );
  const { judged, accuracy, folds, baselines } = assessment;
  assertEquals([judged, accuracy, folds], [0, NaN, []]);
  assertEquals([baselines.colors.isBeaten, baselines.majority.isBeaten], [undefined, undefined]);
  assertEquals(calibration, { temperature: 1 });
});
