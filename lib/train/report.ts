/**
 * What a fit did, as a page and as a picture.
 *
 * @module
 */

import type { Dataset } from "../evaluate/dataset.ts";
import { htmlPage, htmlTable, linePlot, percent } from "../evaluate/html.ts";
import type { Fitted } from "./fit.ts";
import type { EpochMetrics } from "./loop.ts";

/** The learning curve as an SVG image. */
export function curveSvg(history: readonly EpochMetrics[]): string {
  const epochs = Math.max(1, history.length);
  const losses = history.flatMap(({ loss, validationLoss }) => [loss, validationLoss]);
  return linePlot({
    title: "Cross-entropy",
    x: { label: "epoch", min: 0, max: epochs },
    y: { label: "nats", min: 0, max: Math.max(0.1, ...losses.filter(Number.isFinite)) },
    lines: [
      { label: "training", points: history.map(({ epoch, loss }) => [epoch, loss] as const) },
      {
        label: "validation",
        points: history.map(({ epoch, validationLoss }) => [epoch, validationLoss] as const),
      },
    ],
  });
}

function accuracySvg(history: readonly EpochMetrics[]): string {
  const accuracies = history.map(({ validationAccuracy }) => validationAccuracy);
  return linePlot({
    title: "Accuracy",
    x: { label: "epoch", min: 0, max: Math.max(1, history.length) },
    y: { label: "part of the validation pictures", min: Math.min(0.9, ...accuracies), max: 1 },
    lines: [{
      label: "validation",
      points: history.map(({ epoch, validationAccuracy }) => [epoch, validationAccuracy] as const),
    }],
  });
}

/** The report: figures, curves, pictures per class. */
export function fitReport(title: string, { samples }: Dataset, fitted: Fitted): string {
  const { labels, split, history, bestEpoch, accuracy, dataSha256 } = fitted;
  const count = (positions: readonly number[], label: number): string =>
    String(positions.filter((n) => samples[n].label === label).length);
  const rows = labels.map((label, index) => [
    label,
    count(split.train, index),
    count(split.validation, index),
  ]);
  const best = history[bestEpoch - 1];
  return htmlPage(title, [
    htmlTable([
      ["", ""],
      ["validation accuracy of the int8 model", percent(accuracy)],
      ["validation accuracy in training", percent(best?.validationAccuracy ?? NaN)],
      ["epochs", `${history.length}, the best was ${bestEpoch}`],
      ["pictures", `${split.train.length} to learn from, ${split.validation.length} to validate`],
      ["SHA-256 of the pictures and classes", dataSha256],
    ]),
    "<h2>Learning curves</h2>",
    `<div class="row">${curveSvg(history)}${accuracySvg(history)}</div>`,
    "<h2>Pictures</h2>",
    htmlTable([["class", "to learn from", "to validate"], ...rows]),
  ]);
}
