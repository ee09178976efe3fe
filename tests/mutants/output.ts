/** What is said of predictions: in numbers, maps and reports. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const EVALUATE = { file: "lib/evaluate/evaluate.ts", test: "tests/evaluate/evaluate_test.ts" };
const METRICS = { file: "lib/evaluate/metrics.ts", test: "tests/evaluate/evaluate_test.ts" };
const EXPLAIN = { file: "lib/explain/explain.ts", test: "tests/explain/explain_test.ts" };
const PREDICTIONS = { file: "lib/output/predictions.ts", test: "tests/output/predictions_test.ts" };

/** Text from outside that is written into a page as it is. */
function unescaped(file: string, test: string, texts: readonly string[]): ChosenMutant[] {
  return texts.map((before) => {
    const [, text = ""] = /htmlText\((.*)\)/.exec(before) ?? [];
    return { file, test, name: `${text} is HTML`, before, after: before.replace(/htmlText/, "") };
  });
}

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...EVALUATE,
    name: "the best five are the best one",
    before: "const TOP = 5;",
    after: "const TOP = 1;",
  },
  { ...EVALUATE, name: "the best five are six", before: "const TOP = 5;", after: "const TOP = 6;" },
  {
    ...METRICS,
    name: "top-5 is computed as top-1",
    before: "if (top.some(({ index }) => index === label)) found5[label]!++;",
    after: "if (top[0]!.index === label) found5[label]!++;",
  },
  {
    ...METRICS,
    name: "top-5 is that of the best",
    before: "top5: sum(found5) / images,",
    after: "top5: sum(confusion.map((row, c) => row[c]!)) / images,",
  },
  {
    ...EXPLAIN,
    name: "positions of the score map are half as far apart",
    before: "const SCORE_MAP_STRIDE = 32;",
    after: "const SCORE_MAP_STRIDE = 16;",
  },
  {
    ...EXPLAIN,
    name: "a map of slopes has the stride of the score map",
    before: 'const stride = method === "grad-cam" ? 2 ** pools : SCORE_MAP_STRIDE;',
    after: "const stride = SCORE_MAP_STRIDE;",
  },
  {
    ...EXPLAIN,
    name: "the score map's first position is at the corner",
    before: ": [input.width / 2, input.height / 2] as const;",
    after: ": [0, 0] as const;",
  },
  {
    ...EXPLAIN,
    file: "lib/explain/explain.ts",
    test: "tests/explain/fitted_test.ts",
    name: "the map of a fitted head has another stride",
    before: "2 ** Math.round(Math.log2(view.height / map.height))",
    after: "2 ** Math.round(Math.log2(view.height / map.height) + 1)",
  },
  {
    ...PREDICTIONS,
    name: "scoreThreshold is ignored",
    before: "wanted[index] && scores[index] >= scoreThreshold",
    after: "wanted[index]",
  },
  {
    ...PREDICTIONS,
    name: "a score that is the threshold does not reach it",
    before: "scores[index] >= scoreThreshold",
    after: "scores[index] > scoreThreshold",
  },
  ...unescaped("lib/evaluate/report.ts", "tests/evaluate/evaluate_test.ts", [
    "htmlText(labels[index]!)",
    "htmlText(labels[label]!)",
  ]),
  ...unescaped("lib/report/confusion.ts", "tests/evaluate/evaluate_test.ts", [
    'title="${htmlText(label)}"',
    "<span>${htmlText(label)}",
    "htmlText(labels[is]!)",
    "htmlText(what)",
  ]),
  ...unescaped("lib/report/html.ts", "tests/evaluate/evaluate_test.ts", [
    "<title>${htmlText(title)}",
    "<h1>${htmlText(title)}",
    "htmlText(cell)",
  ]),
  ...unescaped("lib/report/html.ts", "tests/report/html_test.ts", [
    'font-weight="bold">${htmlText(title)}',
    "htmlText(x.label)",
    "htmlText(y.label)",
    "htmlText(label)",
  ]),
  ...unescaped("lib/report/figures.ts", "tests/evaluate/evaluate_test.ts", [
    "htmlText(publicText(file))",
  ]),
  ...unescaped("lib/train/report_pictures.ts", "tests/train/report_test.ts", [
    "labeled <b>${htmlText(label)}",
    "looks like <b>${htmlText(predicted)}",
    "is <b>${htmlText(label)}",
    "taken for <b>${htmlText(predicted)}",
    "`<b>${htmlText(label)}</b>`))].join(",
    "htmlText(this.#name(picture))",
  ]),
  ...unescaped("lib/train/report.ts", "tests/train/report_test.ts", [
    "htmlText(name)",
    "htmlText(publicText(text))",
    "htmlText(strangers)",
  ]),
  {
    file: "lib/train/report.ts",
    test: "tests/train/report_test.ts",
    name: "verdicts are HTML",
    before: "verdicts(assessment).map(htmlText)",
    after: "verdicts(assessment)",
  },
  ...unescaped("lib/search/page.ts", "tests/search/page_test.ts", [
    "htmlText(about)",
    "htmlText(name)",
    "htmlText(href)",
    "htmlText(caption)",
  ]),
  {
    file: "lib/cli/known_images.ts",
    name: "records that are in several files count again",
    before: " && !this.files.has(file)",
    after: "",
    test: "tests/cli/known_images_test.ts",
  },
  {
    file: "lib/cli/known_images.ts",
    name: "records of images that have changed count",
    before: "const isBelieved = isSame && ",
    after: "const isBelieved = ",
    test: "tests/cli/known_images_test.ts",
  },
  {
    file: "lib/cli/classify.ts",
    name: "--score-threshold is ignored",
    before: "...pickOptions(SELECTION, options) };",
    after: "...pickOptions(SELECTION, options), scoreThreshold: 0 };",
    test: "tests/cli/classify_test.ts",
  },
  {
    file: "lib/cli/classify.ts",
    name: "--allow and --deny are ignored",
    before: "...pickOptions(SELECTION, options) };",
    after: "...pickOptions(SELECTION, options), allow: undefined, deny: undefined };",
    test: "tests/cli/classify_test.ts",
  },
  {
    file: "lib/cli/classify.ts",
    name: "--top-k is ignored",
    before: "...pickOptions(SELECTION, options) };",
    after: "...pickOptions(SELECTION, options), topK: 5 };",
    test: "tests/cli/classify_test.ts",
  },
  {
    file: "lib/cli/models.ts",
    name: "models remove removes nothing",
    before: "const isRemoved = await removeModel(id, cacheDir, signal);",
    after: "const isRemoved = false;",
    test: "tests/cli/models_test.ts",
    filter: "remove",
  },
];
