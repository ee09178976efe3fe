/** What each epoch of a training gave, as pictures. */

import type { EpochMetrics } from "../progress.ts";
import { linePlot, type PlotAxis } from "../report/html.ts";

/** A round number of at least `value`, whose fifths are round too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power *
    [1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10].find((step) => value <= step * power * 1.000001)!;
}

/** The axis of the epochs, in steps of whole epochs. */
function epochAxis(history: readonly EpochMetrics[]): PlotAxis {
  return { label: "epoch", min: 0, max: Math.max(5, Math.ceil(history.length / 5) * 5) };
}

/** The learning curve as an SVG image. */
export function curveSvg(history: readonly EpochMetrics[]): string {
  const losses = history.flatMap(({ loss, validationLoss }) => [loss, validationLoss]);
  return linePlot({
    title: "Cross-entropy",
    x: epochAxis(history),
    y: { label: "nats", min: 0, max: roundUp(Math.max(0.1, ...losses.filter(Number.isFinite))) },
    lines: [
      { label: "training", points: history.map(({ epoch, loss }) => [epoch, loss] as const) },
      {
        label: "validation",
        points: history.map(({ epoch, validationLoss }) => [epoch, validationLoss] as const),
      },
    ],
  });
}

/** The balanced accuracy of each epoch as an SVG image. */
export function accuracySvg(history: readonly EpochMetrics[]): string {
  const points = history.map(({ epoch, validationBalancedAccuracy: part }) =>
    [epoch, part] as const
  );
  const least = Math.min(0.9, ...points.map(([, part]) => part));
  return linePlot({
    title: "Balanced accuracy",
    x: epochAxis(history),
    y: { label: "mean over the classes", min: Math.floor(least * 10) / 10, max: 1 },
    lines: [{ label: "validation", points }],
  });
}
