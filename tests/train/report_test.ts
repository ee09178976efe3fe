/** What a fit's report and summary say, of assessments made up for it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fitSummary } from "../../lib/cli/fit_summary.ts";
import { accuracyOf, isBetter } from "../../lib/train/accuracy.ts";
import { type Assessment, FEWEST, type JudgedPicture } from "../../lib/train/assess.ts";
import type { Fitted } from "../../lib/train/fitted.ts";
import { fitReport } from "../../lib/train/report.ts";
import type { Dataset } from "../../lib/input/dataset.ts";

/** What is not counted by a confusion. */
interface MadeUp extends Partial<Assessment> {
  /** Pictures of each class that were not judged. Default: 0. */
  readonly unjudged?: readonly number[];
}

/** The assessment of a confusion; by default of one fold, and better than both others. */
function assessmentOf(
  labels: readonly string[],
  confusion: readonly (readonly number[])[],
  { unjudged = [], ...given }: MadeUp = {},
): Assessment {
  const pairs = confusion.flatMap((row, is) =>
    row.flatMap((count, taken) => Array.from({ length: count }, () => [is, taken] as const))
  );
  const truth = { labels: Int32Array.from(pairs, ([is]) => is), classes: labels.length };
  const figures = accuracyOf(truth, Int32Array.from(pairs, ([, taken]) => taken), [
    ...pairs.keys(),
  ]);
  const beaten = { accuracy: 0.25, balancedAccuracy: 0.2, isBeaten: true };
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return {
    ...figures,
    judged: pairs.length,
    folds: [figures.balancedAccuracy],
    baselines: { colors: beaten, majority: beaten },
    classes: labels.map((label, c) => {
      const judged = sum(confusion[c]!), right = confusion[c]![c]!;
      return {
        ...{ label, pictures: judged + (unjudged[c] ?? 0), judged, isSmall: judged < FEWEST },
        recall: right / judged,
        precision: right / sum(confusion.map((row) => row[c]!)),
      };
    }),
    ...{ confusion, wrong: [], suspects: [], duplicates: [] },
    ...given,
  };
}

function fittedOf(assessment: Assessment, given: Partial<Fitted> = {}): Fitted {
  return {
    ...{ size: 2048, labels: assessment.classes.map(({ label }) => label), assessment },
    accuracy: assessment.accuracy,
    calibration: { temperature: 1.25, sureScore: 0.8 },
    ...{ skipped: [], training: "A new head.", dataSha256: "ab".repeat(32) },
    ...given,
  };
}

const gray = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(99) };
const photo = (file: string): Dataset["samples"][number] => ({ file, image: gray, label: 0 });
const NOTHING: Dataset = { labels: [], samples: [] };
const reportOf = (fitted: Fitted, data: Dataset = NOTHING): Promise<string> =>
  fitReport("pets", data, fitted);
const summaryOf = (fitted: Fitted): string =>
  fitSummary(fitted, "pets.safetensors", "pets-fit/report.html").join("\n");

/** A page as people read it: without tags. */
const textOf = (html: string): string =>
  html.replace(/<style>.*?<\/style>/s, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");

const PETS = ["cat", "dog"];
const GOOD = [[45, 5], [2, 28]];

Deno.test("the headline is the balanced accuracy, with the folds' deviation, beside the others on the same pictures", async () => {
  const fitted = fittedOf(assessmentOf(PETS, GOOD, {
    folds: [0.9, 0.92, 0.94],
    baselines: {
      colors: { accuracy: 0.71, balancedAccuracy: 0.7, isBeaten: true },
      majority: { accuracy: 0.625, balancedAccuracy: 0.5, isBeaten: true },
    },
  }));
  const html = await reportOf(fitted), text = textOf(html);
  // (45/50 + 28/30) / 2 and 73/80; the deviation of three equal steps is one step.
  assertStringIncludes(text, "91.7 % ± 2.0 balanced accuracy");
  assertStringIncludes(text, "80 pictures in 3 parts, each judged by a model that learned from");
  assertStringIncludes(text, "± is the standard deviation of the 3 parts");
  assertMatch(
    text,
    /this model 91\.7 % 91\.3 % .*decide 70\.0 % 71\.0 % always &quot;cat&quot; 50\.0 % 62\.5 %/,
  );
  assertStringIncludes(text, "The model is better than comparing colors and than always saying");
  assert(!html.includes('class="verdict doubtful"'));
  assert(!/top-?5/i.test(text));
  const summary = summaryOf(fitted);
  assertStringIncludes(summary, "91.7 % ± 2.0 balanced accuracy (accuracy 91.3 %)");
  assertStringIncludes(summary, "sure from 80.00 % on");
  assertStringIncludes(summary, "colors alone 70.0 %, always the same class 50.0 %");
  assertMatch(
    summary,
    /^pets\.safetensors: 2 classes, 2 KiB\n[^]*\nreport: pets-fit\/report\.html$/,
  );
});

Deno.test("pictures that were kept back once have no spread, and no curve where nothing learned in epochs", async () => {
  const fitted = fittedOf(assessmentOf(PETS, GOOD, { unjudged: [200, 120] }));
  const text = textOf(await reportOf(fitted));
  assert(!text.includes("±") && !text.includes("Learning curves"));
  assertStringIncludes(
    text,
    "80 pictures that the model did not learn from. They were judged once",
  );
  assertStringIncludes(text, "how it was learned A new head.");
  assertStringIncludes(text, "cat 90.0 % 95.7 % 250 50 dog 93.3 % 84.8 % 150 30");
  const epoch = {
    ...{ epoch: 1, loss: 1, validationLoss: 1, validationAccuracy: 0.5 },
    validationBalancedAccuracy: 0.5,
  };
  const learned = await reportOf({ ...fitted, history: [epoch], bestEpoch: 1 });
  assertStringIncludes(
    textOf(learned),
    "Learning curves 1 epoch; the weights of epoch 1 were kept.",
  );
  assert(!summaryOf(fitted).includes("±"));
});

Deno.test("a model that is not better than what is simpler is said not to be, and too few pictures to be too few", async () => {
  const other = { accuracy: 0.9, balancedAccuracy: 0.9 };
  const worse = fittedOf(assessmentOf(PETS, GOOD, {
    baselines: {
      colors: { ...other, isBeaten: false },
      majority: { ...other, isBeaten: undefined },
    },
  }));
  const html = await reportOf(worse);
  assertStringIncludes(html, 'class="verdict doubtful"');
  for (const text of [textOf(html).replaceAll("&quot;", '"'), summaryOf(worse)]) {
    assertStringIncludes(text, "The model is not better than comparing colors.");
    assertStringIncludes(
      text,
      'too few pictures to tell whether the model is better than always saying "cat".',
    );
    assert(!text.includes("The model is better"));
  }
});

Deno.test("classes that are too small to judge are marked, and one without judged pictures has no figures", async () => {
  const labels = ["emu", "cat", "dog"], unjudged = [1, 0, 0];
  const fitted = fittedOf(assessmentOf(labels, [[0, 0, 0], [0, 20, 0], [0, 1, 3]], { unjudged }));
  const text = textOf(await reportOf(fitted));
  // What is never right comes before what is not known.
  assertMatch(
    text,
    /dog 75\.0 % 100\.0 % 4 4 too few to judge cat .* emu – – 1 0 no picture was judged/,
  );
  assertStringIncludes(text, "2 classes with fewer than 10 judged pictures");
  assert(!/NaN|undefined/.test(text));
  const summary = summaryOf(fitted);
  assertStringIncludes(
    summary,
    '2 classes with too few pictures to judge:\n  "emu" (0 judged)\n  "dog" (4 judged)',
  );
  assert(!/NaN|undefined/.test(summary));
});

Deno.test("of a fit that judged no picture, a report says so instead of figures", async () => {
  const nothing = { accuracy: NaN, balancedAccuracy: NaN, isBeaten: undefined };
  const fitted = fittedOf(
    assessmentOf(PETS, [[0, 0], [0, 0]], {
      ...{ unjudged: [1, 1], folds: [], accuracy: NaN, balancedAccuracy: NaN },
      baselines: { colors: nothing, majority: nothing },
    }),
    { calibration: { temperature: 1 } },
  );
  for (const text of [textOf(await reportOf(fitted)), summaryOf(fitted)]) {
    assertStringIncludes(text, "No picture was judged");
    assert(!/NaN|undefined|±/.test(text), text);
  }
});

Deno.test("a confusion has the names of its axes and all its numbers, or the most frequent pairs of many classes", async () => {
  const html = await reportOf(fittedOf(assessmentOf(PETS, GOOD)));
  assertStringIncludes(textOf(html), "is ↓ taken for → cat dog cat 45 5 dog 2 28");
  assertStringIncludes(html, 'title="50 of cat, 5 taken for dog"');

  const labels = Array.from({ length: 200 }, (_, n) => `class ${n}`);
  const confusion = labels.map((_, is) => labels.map((_, taken): number => is === taken ? 20 : 0));
  confusion[7]![9] = 6;
  confusion[9]![7] = 2;
  const many = await reportOf(fittedOf(assessmentOf(labels, confusion)));
  const pairs = "is taken for pictures class 7 class 9 6 of 26 class 9 class 7 2 of 22";
  assertStringIncludes(textOf(many), pairs);
  assert(!many.includes('class="confusion"') && many.length < 100_000, `${many.length} bytes`);
});

const doubted = (n: number): JudgedPicture => ({
  ...{
    file: `/data/pets/cat/${n}.jpg`,
    label: "cat",
    predicted: "dog",
    score: 0.95 - n / 1000,
    ownScore: 0.04,
  },
});

Deno.test("suspected labels and other mistakes are shown as pictures, each once, and the rest by name", async () => {
  const wrong = Array.from({ length: 30 }, (_, n) => doubted(n));
  const fitted = fittedOf(assessmentOf(PETS, GOOD, { wrong, suspects: wrong.slice(0, 2) }));
  const samples = [...wrong.map(({ file }) => photo(file)), photo("/data/pets/dog/0.jpg")];
  const html = await reportOf(fitted, { labels: PETS, samples });
  assertEquals(
    html.match(/<figure><img alt="" title="\/data\/pets\/cat\/\d+\.jpg" src="data:image\/png/g)
      ?.length,
    26,
  );
  assert(!/(src|href)="(?!data:|#)/.test(html), "a link to the outside");
  const text = textOf(html);
  assertStringIncludes(text, "labeled cat looks like dog 95.0 % cat/0.jpg");
  assertStringIncludes(text, "is cat taken for dog 94.8 % cat/2.jpg");
  assertMatch(text, /4 more .* cat\/26\.jpg cat dog 92\.4 %/);
  assertStringIncludes(text, "2 labels that may be wrong");
  assertStringIncludes(text, "their folder /data/pets/");
  const summary = summaryOf(fittedOf(assessmentOf(PETS, GOOD, { suspects: wrong.slice(0, 5) })));
  assertStringIncludes(
    summary,
    '5 labels that may be wrong:\n  /data/pets/cat/0.jpg: labeled "cat", looks like "dog" (95.0 %)',
  );
  assertMatch(summary, /2\.jpg.*\n {2}and 2 more, in the report/);
});

Deno.test("a picture that is gone is named, and a URL without its secrets", async () => {
  const file = "http://user:password@127.0.0.1:1/a.png?to/token=1";
  const wrong = [{ ...doubted(0), file }, { ...doubted(0), file: `${file}2` }];
  const data = { labels: PETS, samples: wrong.map(({ file }) => ({ file, label: 0 })) };
  const fitted = fittedOf(assessmentOf(PETS, GOOD, { wrong, suspects: wrong }));
  const html = await fitReport("pets", data, fitted, { offline: true });
  assertEquals(html.match(/<figure>http:\/\/127\.0\.0\.1:1\/a\.png<figcaption>/g)?.length, 2);
  for (const text of [html, summaryOf(fitted)]) assert(!/password|token/.test(text), text);
});

Deno.test("duplicates are told by whether they have one label, those with several first", async () => {
  const of = (label: string, ...files: string[]) => files.map((file) => ({ file, label }));
  const fitted = fittedOf(assessmentOf(PETS, GOOD, {
    duplicates: [
      of("cat", ..."abcdefg"),
      [...of("cat", "both.jpg"), ...of("dog", "copy.jpg")],
    ],
  }));
  const text = textOf(await reportOf(fitted, { labels: PETS, samples: [photo("both.jpg")] }));
  assertMatch(
    text,
    /cat and dog both\.jpg .*both\.jpg = copy\.jpg cat, dog .*a = b = c = d = … \(3 more\) cat/,
  );
  assertStringIncludes(text, "1 picture with several labels");
  assertStringIncludes(text, "1 picture more than once in a class");
  const summary = summaryOf(fitted);
  assertStringIncludes(
    summary,
    '1 picture with several labels:\n  both.jpg ("cat") = copy.jpg ("dog")',
  );
  assertStringIncludes(
    summary,
    "1 picture more than once in a class:\n  a = b = c = d = … (3 more)",
  );
});

Deno.test("what was left out is listed with its reasons, and how the pictures were found", async () => {
  const skipped = ["a", "b", "c", "d"].map((file, n) => ({
    file,
    label: "cat",
    reason: "is no picture",
    line: n + 2,
  }));
  const fitted = fittedOf(assessmentOf(PETS, GOOD), { skipped });
  const text = textOf(
    await reportOf(fitted, { ...NOTHING, warnings: ["1 folder was empty: emu"] }),
  );
  assertStringIncludes(text, "4 pictures left out that cannot be read 1 folder was empty: emu");
  assertMatch(
    text,
    /Left out picture class why a \(line 2\) cat is no picture .*d \(line 5\) cat is no picture/,
  );
  assertMatch(
    summaryOf(fitted),
    /4 pictures left out:\n {2}a \(line 2\): is no picture\n.*\n.*\n {2}and 1 more, in the report/,
  );
});

Deno.test("scores are told in words", async () => {
  const said = async (temperature: number, sureScore?: number): Promise<string> =>
    textOf(
      await reportOf(
        fittedOf(assessmentOf(PETS, GOOD), { calibration: { temperature, sureScore } }),
      ),
    );
  assertStringIncludes(
    await said(2, 0.8),
    "lowered: they were too certain (temperature 2.00). Sure from 80.00 % on",
  );
  assertStringIncludes(
    await said(0.5),
    "raised: they were too timid (temperature 0.500). It does not say whether it is sure",
  );
});

Deno.test("what is none of the classes is told of", async () => {
  const said = async (labels: readonly string[]): Promise<string> =>
    textOf(await reportOf(fittedOf(assessmentOf(labels, GOOD))));
  assertStringIncludes(await said(PETS), "A picture of anything else is taken for one of these");
  const known = await said([...PETS.slice(1), "None of these"]);
  assertStringIncludes(
    known,
    "Of anything else it knows only what &quot;none of these&quot; shows.",
  );
});

Deno.test("names from outside are text", async () => {
  const evil = "<script>alert(1)</script>\u202e\"'\x1b[2J";
  const picture = { ...doubted(0), file: evil, label: evil, predicted: evil };
  const fitted = fittedOf(
    assessmentOf([evil, "b"], [[3, 1], [1, 3]], {
      ...{ wrong: [picture, { ...picture, file: `${evil}2` }], suspects: [picture] },
      duplicates: [[picture, { file: "b", label: "b" }], [picture, picture]],
    }),
    { skipped: [{ file: evil, label: evil, reason: evil }], training: evil },
  );
  const data = { labels: [evil, "b"], samples: [photo(evil)], warnings: [evil] };
  const html = await fitReport(evil, data, fitted, { model: evil });
  for (const raw of ["<script", "\u202e", "\x1b"]) assert(!html.includes(raw), JSON.stringify(raw));
  assertStringIncludes(textOf(html), "&lt;script&gt;");
});

Deno.test("isBetter() needs pictures enough to tell, each class counting the same", () => {
  const better = (byClass: readonly { both?: number; won?: number; lost?: number }[]) => {
    const pictures = byClass.flatMap(({ both = 0, won = 0, lost = 0 }, c) => [
      ...Array.from({ length: both }, () => [c, c, c] as const),
      ...Array.from({ length: won }, () => [c, c, -1] as const),
      ...Array.from({ length: lost }, () => [c, -1, c] as const),
    ]);
    const column = (n: 0 | 1 | 2) => Int32Array.from(pictures, (picture) => picture[n]);
    const truth = { labels: column(0), classes: byClass.length };
    return isBetter(truth, column(1), column(2), [...pictures.keys()]);
  };
  assertEquals(better([{ both: 40, won: 10 }, { both: 40, won: 10 }]), true);
  assertEquals(better([{ both: 50 }, { both: 50 }]), false, "as good");
  assertEquals(better([{ won: 2 }, { won: 2 }]), undefined, "four pictures");
  assertEquals(better([{ won: 3 }, { won: 3 }]), true, "six of six");
  assertEquals(better([{ both: 40, won: 6, lost: 4 }, { both: 45, won: 3, lost: 2 }]), undefined);
  assertEquals(
    better([{ both: 990, won: 10 }, { both: 5, lost: 5 }]),
    false,
    "fewer of the rare class",
  );
  assertEquals(
    better([{ both: 900, lost: 60 }, { both: 5, won: 35 }]),
    true,
    "more of the rare class",
  );
  assertEquals(better([{}, {}]), undefined, "no pictures");
});
