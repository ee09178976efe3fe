/** What a fit made, as a page: one HTML file that needs nothing else. */

import type { ImageOptions } from "../image/image.ts";
import type { Dataset } from "../input/dataset.ts";
import { skippedRows } from "../input/skipped_samples.ts";
import { isNoneOfThese, NONE_OF_THESE } from "../model/classes.ts";
import { publicText } from "../public_url.ts";
import { CONFUSION_STYLE, confusionSection } from "../report/confusion.ts";
import { foldedTable, htmlPage, htmlTable, htmlText, percent } from "../report/html.ts";
import type { Accuracy } from "./accuracy.ts";
import { type Assessment, FEWEST } from "./assess.ts";
import { accuracySvg, curveSvg } from "./curves.ts";
import type { Fitted } from "./fitted.ts";
import { ShownPictures, SUSPECTS, WRONG } from "./report_pictures.ts";
import {
  byClasses,
  counted,
  doubt,
  headline,
  judging,
  mostFrequent,
  sureness,
  verdicts,
} from "./words.ts";

/** Classes that are seen at once. */
const SHOWN_CLASSES = 30;
const STYLE = `
.headline { font-size: 2.6em; font-weight: 600; line-height: 1; white-space: nowrap } .measure { white-space: nowrap }
.verdict { font-size: 1.15em } .doubtful { border-left: 0.3em solid #d55e00; padding-left: 0.7em }
.bars td, .bars th { white-space: normal } .bars .bar { width: 14em } .bar div { height: 0.8em }
@media (max-width: 40em) { .bars .bar { display: none } }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; vertical-align: top }`;

/** What a report tells besides. */
export interface ReportOptions extends ImageOptions {
  /** The model file. */
  readonly model?: string | undefined;
}

/**
 * The report of a fit, what a reader needs first at its top.
 *
 * @param data What it learned from. Its pictures are read again, to be shown.
 */
export async function fitReport(
  title: string,
  data: Dataset,
  fitted: Fitted,
  { model, ...reading }: ReportOptions = {},
): Promise<string> {
  const { assessment, skipped, history } = fitted;
  const page = new ShownPictures(data, reading);
  const suspects = new Set(assessment.suspects.map(({ file }) => file));
  const others = assessment.wrong.filter(({ file }) => !suspects.has(file));
  const sections: [name: string, title: string, content: string][] = [
    ["classes", "Classes", classTable(assessment)],
    ["confusion", "What is taken for what", confusionSection(assessment.confusion, fitted.labels)],
    ["suspects", "Labels that may be wrong", await page.judged(assessment.suspects, SUSPECTS)],
    ["wrong", suspects.size > 0 ? "Other mistakes" : "Mistakes", await page.judged(others, WRONG)],
    ["duplicates", "The same picture twice", await page.duplicates(assessment)],
    ["skipped", "Left out", skipped.length === 0 ? "" : htmlTable(skippedRows(skipped))],
    ["scores", "What a score means", scoresSection(fitted)],
    ["curves", "Learning curves", history === undefined ? "" : curvesSection(fitted)],
    ["model", "The model", modelSection(fitted, model, page.folder)],
  ];
  return htmlPage(title, [
    headSection(assessment),
    noticeList(fitted, data.warnings ?? []),
    ...sections.filter(([, , content]) => content !== "")
      .map(([name, title, content]) => `<h2 id="${name}">${title}</h2>\n${content}`),
  ], STYLE + CONFUSION_STYLE);
}

function headSection(assessment: Assessment): string {
  const { folds, judged, baselines: { colors, majority } } = assessment;
  const how = judged === 0
    ? ""
    : `<p>The part of a class's pictures that is right, averaged over the classes. Of ${
      judging(assessment)
    }. ${
      folds.length > 1
        ? `± is the standard deviation of the ${folds.length} parts.`
        : "They were judged once, so that nothing is known of a spread."
    } Settings were chosen by the same pictures: of new ones a little less may be right.</p>`;
  const bars = [
    bar("this model", assessment, "#0072b2"),
    bar("colors: the 5 most similar pictures decide", colors, "#999"),
    bar(`always "${mostFrequent(assessment)}"`, majority, "#999"),
  ];
  const isBetter = colors.isBeaten === true && majority.isBeaten === true;
  return `<p><span class="headline">${
    headline(assessment)
  }</span> <span class="measure">balanced accuracy</span></p>
<p class="verdict${isBetter ? "" : " doubtful"}">${
    verdicts(assessment).map(htmlText).join("<br>")
  }</p>
${how}
<table class="bars">
<tr><th></th><th>balanced accuracy</th><th class="bar"></th><th>accuracy</th></tr>
${bars.join("\n")}
</table>`;
}

function bar(name: string, { balancedAccuracy, accuracy }: Accuracy, color: string): string {
  const width = Number.isNaN(balancedAccuracy) ? 0 : balancedAccuracy * 100;
  return `<tr><td>${htmlText(name)}</td><td>${percent(balancedAccuracy, 1)}</td>` +
    `<td class="bar"><div style="width: ${width.toFixed(1)}%; background: ${color}"></div></td>` +
    `<td>${percent(accuracy, 1)}</td></tr>`;
}

/** What to look at, with links to where it is. */
function noticeList({ assessment, skipped }: Fitted, warnings: readonly string[]): string {
  const { suspects, classes, duplicates } = assessment;
  const { between, within } = byClasses(duplicates);
  const small = classes.filter(({ isSmall }) => isSmall).length;
  const notice = (section: string, count: number, noun: string, rest: string): string[] =>
    count === 0 ? [] : [`<a href="#${section}">${counted(count, noun)}</a> ${rest}`];
  const few =
    `with fewer than ${FEWEST} judged pictures: their figures say little, and count as much as those of others`;
  const items = [
    ...notice("classes", small, "class", few),
    ...notice("suspects", suspects.length, "label", "that may be wrong"),
    ...notice("duplicates", between.length, "picture", "with several labels"),
    ...notice("duplicates", within.length, "picture", "more than once in a class"),
    ...notice("skipped", skipped.length, "picture", "left out that cannot be read"),
    ...warnings.map((text) => htmlText(publicText(text))),
  ].map((item) => `<li>${item}</li>`);
  return items.length === 0 ? "" : `<h2>To look at</h2>\n<ul>${items.join("\n")}</ul>`;
}

function classTable({ classes }: Assessment): string {
  const isUnclear = classes.some(({ isSmall }) => isSmall);
  const areAllJudged = classes.every(({ pictures, judged }) => pictures === judged);
  // What is never right before what is not known.
  const order = classes.toSorted((a, b) =>
    Number(Number.isNaN(a.recall)) - Number(Number.isNaN(b.recall)) || a.recall - b.recall
  );
  const rows = order.map(({ label, pictures, judged, recall, precision }) => [
    ...[label, percent(recall, 1), percent(precision, 1), String(pictures)],
    ...areAllJudged ? [] : [String(judged)],
    ...isUnclear ? [doubt(judged)] : [],
  ]);
  const head = [
    ...["class", "recall", "precision", "pictures"],
    ...areAllJudged ? [] : ["judged"],
    ...isUnclear ? [""] : [],
  ];
  return "<p>Recall: the part of a class's pictures that is right. Precision: the part that is right of what was " +
    "taken for the class. The worst recall comes first.</p>" +
    htmlTable([head, ...rows.slice(0, SHOWN_CLASSES)]) +
    foldedTable([head, ...rows.slice(SHOWN_CLASSES)]);
}

function scoresSection(fitted: Fitted): string {
  const { labels, calibration: { temperature } } = fitted;
  const strangers = labels.some(isNoneOfThese)
    ? `Of anything else it knows only what "${NONE_OF_THESE}" shows.`
    : "A picture of anything else is taken for one of these classes, and it may be sure of that: pictures in a " +
      `folder "${NONE_OF_THESE}" show it what else there is.`;
  const change = temperature > 1 ? "lowered: they were too certain" : "raised: they were too timid";
  return `<p>Scores are probabilities: of the pictures with 80 %, about 80 % should be right. For that they were ${
    temperature === 1 ? "left as they are" : change
  } (temperature ${temperature.toPrecision(3)}). ${htmlText(capitalized(sureness(fitted)))}${
    fitted.calibration.sureScore === undefined ? "" : ": nine of ten were right there"
  }.</p><p>${htmlText(strangers)}</p>`;
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function curvesSection({ history = [], bestEpoch }: Fitted): string {
  return `<p>${counted(history.length, "epoch")}; ${
    bestEpoch === 0
      ? "none was better than the layers as they were, which were kept"
      : `the weights of epoch ${bestEpoch} were kept`
  }.</p>\n` +
    `<div class="row">${curveSvg(history)}${accuracySvg(history)}</div>`;
}

function modelSection(
  { size, labels, assessment, training, dataSha256 }: Fitted,
  model: string | undefined,
  folder: string,
): string {
  const pictures = assessment.classes.reduce((sum, { pictures }) => sum + pictures, 0);
  const facts = [
    ...model === undefined ? [] : [["file", model]],
    ["size", `${(size / 1024).toFixed(0)} KiB`],
    ["classes", String(labels.length)],
    ["pictures", String(pictures)],
    ...folder === "" ? [] : [["their folder", folder]],
    ["how it was learned", training],
    ["SHA-256 of the pictures and classes", dataSha256],
  ];
  return `<div class="facts">${htmlTable([["", ""], ...facts])}</div>`;
}
