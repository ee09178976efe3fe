/** What a fit made, in a few lines for a terminal. */

import { describeSkipped } from "../input/skipped_samples.ts";
import { publicText } from "../public_url.ts";
import { percent } from "../report/html.ts";
import type { Fitted } from "../train/fitted.ts";
import {
  byClasses,
  counted,
  equalNames,
  headline,
  judging,
  sureness,
  verdicts,
} from "../train/words.ts";
import { VERSION } from "../version.ts";

/** Of what is odd, so many are named; the report has the others. */
const NAMED = 3;

/**
 * What a fit made: where it is, what it is worth, what to look at, and where to read more.
 *
 * @param out The model file.
 * @param report The report.
 */
export function fitSummary(fitted: Fitted, out: string, report: string): string[] {
  const { assessment, labels, size, skipped } = fitted;
  const { baselines: { colors, majority }, classes, suspects, duplicates } = assessment;
  const { between, within } = byClasses(duplicates);
  const small = classes.filter(({ isSmall }) => isSmall);
  return [
    `${out}: ${labels.length} classes, ${(size / 1024).toFixed(0)} KiB`,
    ...assessment.judged === 0 ? [] : [
      `${headline(assessment)} balanced accuracy (accuracy ${
        percent(assessment.accuracy, 1)
      }), of ${judging(assessment)}`,
      `colors alone ${percent(colors.balancedAccuracy, 1)}, always the same class ${
        percent(majority.balancedAccuracy, 1)
      }`,
    ],
    ...verdicts(assessment),
    sureness(fitted),
    ...named(
      `${counted(small.length, "class")} with too few pictures to judge`,
      small.map(({ label, judged }) => `"${label}" (${judged} judged)`),
    ),
    ...named(
      `${counted(suspects.length, "label")} that may be wrong`,
      suspects.map(({ file, label, predicted, score }) =>
        `${file}: labeled "${label}", looks like "${predicted}" (${percent(score, 1)})`
      ),
    ),
    ...named(
      `${counted(between.length, "picture")} with several labels`,
      between.map((group) => equalNames(group.map(({ file, label }) => `${file} ("${label}")`))),
    ),
    ...named(
      `${counted(within.length, "picture")} more than once in a class`,
      within.map((group) => equalNames(group.map(({ file }) => file))),
    ),
    ...named(`${counted(skipped.length, "picture")} left out`, skipped.map(describeSkipped)),
    `report: ${report}`,
  ];
}

/** The same for programs, with all that the report has. */
export function fitDocument(
  model: string,
  { history, ...fitted }: Fitted,
  out: string,
  report: string,
): Record<string, unknown> {
  return { program: "vgg16 fit", version: VERSION, model, out, report, ...fitted, history };
}

/** A heading, and the first of what it counts, a line each; nothing if there is none. */
function named(heading: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length - NAMED;
  return [
    `${heading}:`,
    ...items.slice(0, NAMED).map((item) => `  ${publicText(item)}`),
    ...more > 0 ? [`  and ${more} more, in the report`] : [],
  ];
}
