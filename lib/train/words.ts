/** What a fit found, in words: the same on a page and on a terminal. */

import { percent } from "../report/html.ts";
import { type Assessment, type Baseline, FEWEST, type LabeledPicture } from "./assess.ts";
import type { Fitted } from "./fitted.ts";

/** `92.1 %`, or `92.1 % ± 1.7` where there are folds. */
export function headline({ balancedAccuracy, folds }: Assessment): string {
  const spread = deviationOf(folds);
  return percent(balancedAccuracy, 1) +
    (spread === undefined ? "" : ` ± ${(spread * 100).toFixed(1)}`);
}

/** The standard deviation of what folds give; none of one fold. */
function deviationOf(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Whether the model is better than what is simpler, a sentence each. */
export function verdicts(assessment: Assessment): string[] {
  const { judged, baselines: { colors, majority } } = assessment;
  if (judged === 0) return ["No picture was judged: a class needs at least two."];
  const others: [string, Baseline][] = [
    ["than comparing colors", colors],
    [`than always saying "${mostFrequent(assessment)}"`, majority],
  ];
  const named = (isBeaten: boolean | undefined): string[] =>
    others.filter(([, other]) => other.isBeaten === isBeaten).map(([name]) => name);
  const better = named(true), equal = named(false), unclear = named(undefined);
  const sentence = (start: string, names: string[], link: string): string[] =>
    names.length === 0 ? [] : [`${start} ${names.join(link)}.`];
  return [
    ...sentence("The model is not better", equal, " or "),
    ...sentence("There are too few pictures to tell whether the model is better", unclear, " or "),
    ...sentence("The model is better", better, " and "),
  ];
}

/** The class with the most pictures. */
export function mostFrequent({ classes }: Assessment): string {
  return classes.reduce((most, other) => other.pictures > most.pictures ? other : most).label;
}

/** What was judged, and how. */
export function judging({ judged, folds, scaledByAll }: Assessment): string {
  const how = folds.length > 1
    ? `${judged} pictures in ${folds.length} parts, each judged by a model that learned from the others`
    : `${counted(judged, "picture")} that the model did not learn from`;
  return scaledByAll ? `${how}, but for the scale of features, which is that of all pictures` : how;
}

/** From which score on a model is sure. */
export function sureness({ calibration: { sureScore } }: Fitted): string {
  return sureScore === undefined
    ? "it does not say whether it is sure: too few pictures were judged to tell from which score on nine of ten are right"
    : `sure from ${percent(sureScore)} on`;
}

/** Why a class's figures are to be doubted, if they are. */
export function doubt(judged: number): string {
  if (judged === 0) return "no picture was judged";
  return judged < FEWEST ? "too few to judge" : "";
}

/** Groups of the same pictures: those that are said to be of several classes, and the others. */
export function byClasses(
  duplicates: Assessment["duplicates"],
): { between: (readonly LabeledPicture[])[]; within: (readonly LabeledPicture[])[] } {
  const isOne = (group: readonly LabeledPicture[]): boolean =>
    group.every(({ label }) => label === group[0]!.label);
  return {
    between: duplicates.filter((group) => !isOne(group)),
    within: duplicates.filter(isOne),
  };
}

/** Pictures of a group that are named. */
const NAMED = 4;

/** The names of the same picture, the first of them: `a.jpg = b.jpg`. */
export function equalNames(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(" = ") + (more > 0 ? ` = … (${more} more)` : "");
}

/** `1 picture`, `2 pictures`, `2 classes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}
