/** An evaluation as a page: one HTML file that needs nothing else. */

import type { ImageOptions } from "../image/image.ts";
import { type IndexedSample, openSample } from "../input/dataset.ts";
import { skippedRows } from "../input/skipped_samples.ts";
import type { Evaluation } from "./evaluate.ts";
import { CONFUSION_STYLE, confusionSection } from "../report/confusion.ts";
import { figureRow } from "../report/figures.ts";
import { htmlPage, htmlTable, htmlText, linePlot, percent } from "../report/html.ts";
import type { Metrics } from "./metrics.ts";

/** Worst mistakes that are shown. */
const MISTAKES = 24;

/** What the numbers mean where each label has a score of its own. */
const EACH_LABEL =
  "<p>Each label has a score of its own, and is given to an image from 0.5 on: cross-entropy, calibration, " +
  "recall and precision are those of labels by themselves. An image has one label here; another that is " +
  "right, too, counts as wrong. The predicted class is the label with the best score.</p>";

/** One line of a comparison. */
export interface EvaluatedVariant {
  /** The model or models, their backend and precision. */
  readonly model: string;
  readonly backend: string;
  readonly precision: string;
  /** The evaluation, in words: `center`, `dense, flip`. */
  readonly mode: string;
  /** Shorter sides, as the paper's tables name them. */
  readonly scales: string;
  readonly evaluation: Evaluation;
}

/**
 * The variants in the columns of the paper's tables 3 to 6: errors in percent; and where one says when it is
 * sure, how often it is, and how often it is right then.
 */
export function comparisonRows(variants: readonly EvaluatedVariant[]): string[][] {
  const hasSure = variants.some(({ evaluation }) => evaluation.metrics.sure !== undefined);
  return [
    [
      "model",
      "backend",
      "precision",
      "Q",
      "evaluation",
      "top-1 err. %",
      "top-5 err. %",
      ...hasSure ? ["sure %", "right of these %"] : [],
    ],
    ...variants.map(({ model, backend, precision, scales, mode, evaluation }) => [
      ...[model, backend, precision, scales, mode],
      ((1 - evaluation.metrics.top1) * 100).toFixed(2),
      ((1 - evaluation.metrics.top5) * 100).toFixed(2),
      ...hasSure ? sureCells(evaluation.metrics) : [],
    ]),
  ];
}

/** Of one that cannot tell, or was never sure, nothing. */
function sureCells({ sure }: Metrics): string[] {
  const parts = [sure?.share ?? NaN, sure?.accuracy ?? NaN];
  return parts.map((part) => Number.isNaN(part) ? "" : (part * 100).toFixed(2));
}

/**
 * The report of one or more variants on the same images; the first one's details are shown.
 *
 * @param reading How the images of mistakes are read. One that cannot be is named without a picture.
 */
export async function htmlReport(
  title: string,
  variants: readonly [EvaluatedVariant, ...EvaluatedVariant[]],
  samples: readonly IndexedSample[],
  reading: ImageOptions = {},
): Promise<string> {
  const [{ evaluation }] = variants;
  const { metrics, labels, failed, skipped, temperature } = evaluation, { sure } = metrics;
  const own = metrics.meanAveragePrecision;
  const facts = [
    ["images", String(metrics.images) + (failed > 0 ? ` (${failed} could not be read)` : "")],
    ["top-1 accuracy", percent(metrics.top1)],
    ["top-5 accuracy", percent(metrics.top5)],
    ...own === undefined ? [] : [["mean average precision", percent(own)]],
    ["cross-entropy", metrics.crossEntropy.toFixed(4)],
    ["expected calibration error", percent(metrics.calibrationError)],
    ...temperature === undefined ? [] : [["temperature", temperature.toPrecision(3)]],
    ...sure === undefined ? [] : [
      [`sure from ${percent(sure.score)} on`, percent(sure.share)],
      ["accuracy of the sure ones", percent(sure.accuracy)],
    ],
  ];
  return htmlPage(title, [
    htmlTable([["", ""], ...facts]),
    ...own === undefined ? [] : [EACH_LABEL],
    "<h2>Comparison</h2>",
    htmlTable(comparisonRows(variants)),
    "<h2>Confusion</h2>",
    confusionSection(metrics.confusion, labels),
    "<h2>Calibration</h2>",
    calibrationSection(metrics),
    "<h2>Classes</h2>",
    classTable(metrics),
    "<h2>Worst mistakes</h2>",
    await mistakesSection(evaluation, samples, reading),
    ...failed === 0 ? [] : ["<h2>Could not be read</h2>", htmlTable(skippedRows(skipped))],
  ], CONFUSION_STYLE);
}

function calibrationSection({ reliability, meanAveragePrecision }: Metrics): string {
  const [what, score] = meanAveragePrecision === undefined
    ? ["images", "the best score"]
    : ["labels of images", "a label's score"];
  const bins = reliability.filter(({ images }) => images > 0);
  const points = bins.map(({ confidence, accuracy }) => [confidence, accuracy] as const);
  const plot = linePlot({
    title: "Reliability",
    x: { label: `confidence: ${score}`, min: 0, max: 1 },
    y: { label: "accuracy", min: 0, max: 1 },
    lines: [
      { label: "perfect", points: [[0, 0], [1, 1]], dashed: true },
      { label: "measured", points },
    ],
  });
  const rows = bins.map((bin) => [
    `${bin.from.toFixed(2)} to ${bin.to.toFixed(2)}`,
    String(bin.images),
    percent(bin.confidence),
    percent(bin.accuracy),
  ]);
  const table = htmlTable([[score, what, "confidence", "accuracy"], ...rows]);
  return `<div class="row">${plot}${table}</div>`;
}

function classTable({ classes }: Metrics): string {
  const hasOwn = classes.some(({ averagePrecision }) => averagePrecision !== undefined);
  const measures = ["recall", "precision", "in the best 5", ...hasOwn ? ["average precision"] : []];
  const rows = classes.map(({ label, images, recall, precision, top5, averagePrecision = NaN }) => [
    ...[label, String(images)],
    ...[recall, precision, top5, averagePrecision].slice(0, measures.length).map((part) =>
      percent(part)
    ),
  ]);
  return htmlTable([["class", "images", ...measures], ...rows]);
}

/** The mistakes of which the model was surest, as thumbnails. */
async function mistakesSection(
  { records, labels }: Evaluation,
  samples: readonly IndexedSample[],
  reading: ImageOptions,
): Promise<string> {
  const worst = records
    .flatMap(({ file, label, top: [best] }) =>
      best === undefined || best.index === label ? [] : [{ file, label, ...best }]
    )
    .sort((a, b) => b.score - a.score)
    .slice(0, MISTAKES);
  const byFile = new Map(samples.map((sample) => [sample.file, sample]));
  if (worst.length === 0) return "<p>None.</p>";
  const figures = worst.map(({ file, label, index, score }) => ({
    file,
    open: () => openSample(byFile.get(file) ?? { file }, reading.signal),
    caption: `<b>${htmlText(labels[index]!)}</b> ${percent(score)}<br>is ${
      htmlText(labels[label]!)
    }`,
  }));
  return await figureRow(figures, reading);
}
