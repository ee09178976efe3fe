/** What `evaluate` prints. */

import type { SureMetrics } from "../evaluate/metrics.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { comparisonRows, type EvaluatedVariant } from "../evaluate/report.ts";
import { textTable } from "./table.ts";
import { print } from "./terminal.ts";

/** Prints what several evaluations come to, side by side, or one of them with its classes. */
export function printMetrics(variants: readonly [EvaluatedVariant, ...EvaluatedVariant[]]): void {
  if (variants.length > 1) {
    const [head, ...rows] = comparisonRows(variants) as [string[], ...string[][]];
    const speeds = variants.map(({ evaluation }) => speedText(evaluation));
    print(textTable([[...head, "images/s"], ...rows.map((row, n) => [...row, speeds[n]!])]));
    return;
  }
  const [{ evaluation }] = variants;
  const { metrics, failed, temperature } = evaluation, { sure } = metrics;
  const own = metrics.meanAveragePrecision;
  const measures = ["recall %", "precision %", ...own === undefined ? [] : ["average precision %"]];
  const rows = metrics.classes.map(
    ({ label, images, recall, precision, averagePrecision = NaN }) => [
      ...[label, String(images)],
      ...[recall, precision, averagePrecision].slice(0, measures.length)
        .map((part) => Number.isNaN(part) ? "" : (part * 100).toFixed(2)),
    ],
  );
  print(textTable([["class", "images", ...measures], ...rows]));
  const speed = speedText(evaluation);
  print([
    "",
    ...sure === undefined ? [] : [sureText(sure)],
    `top-1 ${(metrics.top1 * 100).toFixed(2)} %, top-5 ${(metrics.top5 * 100).toFixed(2)} %, ` +
    (own === undefined ? "" : `mean average precision ${(own * 100).toFixed(2)} %, `) +
    `calibration error ${(metrics.calibrationError * 100).toFixed(2)} %` +
    (temperature === undefined ? ", " : ` at temperature ${temperature.toPrecision(3)}, `) +
    `${metrics.images} images${speed && `, ${speed} images/s`}` +
    (failed > 0 ? `, ${failed} could not be read` : ""),
  ]);
}

/** Such as `sure from 80.00 % on: 61.00 % of the images, 95.08 % of these right`. */
function sureText({ score, share, accuracy }: SureMetrics): string {
  const [from, sure, right] = [score, share, accuracy].map((part) => (part * 100).toFixed(2));
  return `sure from ${from} % on: ${sure} % of the images` +
    (share === 0 ? "" : `, ${right} % of these right`);
}

/** Images a second in three digits; nothing if none was measured. */
function speedText({ imagesPerSecond }: Evaluation): string {
  return Number.isNaN(imagesPerSecond) ? "" : String(Number(imagesPerSecond.toPrecision(3)));
}
