/** What `classify` says of a picture. */

import type { ClassifierInfo } from "../classifier.ts";
import { isUnsure, type Prediction } from "../output/predictions.ts";
import type { Shape } from "./results.ts";
import type { Settings } from "./settings.ts";
import { displayWidth, padEnd } from "./table.ts";

/** What a picture shows. */
export interface Result {
  readonly file: string;
  readonly predictions: readonly Prediction[];
  /** Since it was opened. */
  readonly latencyMs: number;
}

/** How much is shown. */
interface Detail {
  /** Whether there is one picture: it waited for no other, so that people may be told how long it took. */
  readonly isOne: boolean;
  /** Whether a picture is one line. */
  readonly isShort: boolean;
  /** Columns of a line. */
  readonly columns: number;
}

/** How results look. */
export function classifyShape(
  { backend, multiLabel }: Pick<ClassifierInfo, "backend" | "multiLabel">,
  settings: Settings,
  { isOne, isShort, columns }: Detail,
): Shape<Result> {
  return {
    settings: { ...settings, backend },
    columns: ["file", "label", "score", "error"],
    record: ({ file, predictions }) => ({ file, predictions }),
    rows: ({ file, predictions }) =>
      predictions.map(({ label, score }) => [file, label, score, ""]),
    text: (result) => {
      if (isShort) return lineOf(result);
      const time = isOne ? `, ${result.latencyMs.toFixed(1)} ms` : "";
      const how = `${backend}${time}${multiLabel ? "; each label by itself" : ""}`;
      return [`${result.file}  (${how})`, ...barsOf(result.predictions, columns)];
    },
  };
}

/** `cat 91.5 %  p/cat.png` */
function lineOf({ file, predictions }: Result): string {
  const labels = predictions.map(({ label, score }) => `${label} ${percent(score)}`).join(", ");
  const doubt = isUnsure(predictions[0]) ? "not sure: " : "";
  return `${doubt}${labels || "no label reaches the threshold"}  ${file}`;
}

const WIDEST_BAR = 30;

/** A line for each label, with a bar: where each has a score of its own they are no parts of a whole. */
function barsOf(predictions: readonly Prediction[], columns: number): string[] {
  const width = Math.max(...predictions.map(({ label }) => displayWidth(label)), 0);
  const widest = Math.max(0, Math.min(WIDEST_BAR, columns - width - "  100.0 %    ".length));
  const lines = predictions.map(({ label, score }) => {
    const bar = "█".repeat(Math.round(score * widest));
    return `  ${padEnd(label, width)}  ${percent(score).padStart(7)}  ${bar}`.trimEnd();
  });
  if (lines.length === 0) lines.push("  no label reaches the threshold");
  return isUnsure(predictions[0]) ? ["  not sure; candidates:", ...lines] : lines;
}

const percent = (score: number): string => `${(score * 100).toFixed(1)} %`;
