/** `evaluate`: what a model scores on labeled images. */

import { join } from "node:path";
import { makeFolder } from "../platform.ts";
import { type Classifier, loadClassifier } from "../classifier.ts";
import { fuse } from "../compose/fuse.ts";
import type { Dataset } from "../input/dataset.ts";
import { listSamples } from "../input/list_samples.ts";
import { describeSkipped, reasonOf } from "../input/skipped_samples.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { evaluate, type Evaluation } from "../evaluate/evaluate.ts";
import {
  comparisonRows,
  type EvaluatedVariant,
  htmlReport,
  speedText,
} from "../evaluate/report.ts";
import { flag, pickOptions, type Table, text, VIEW_OPTIONS } from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import type { SureMetrics } from "../evaluate/metrics.ts";
import { Journal } from "./journal.ts";
import { keepInputs } from "./outputs.ts";
import { ProgressLine } from "./progress.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE } from "./run.ts";
import { parseShard, type Shard, SHARD_OPTION, takeShard } from "./shard.ts";
import { textTable } from "./table.ts";
import { print, printJson, tell, tellError } from "./terminal.ts";
import { parseVariants, scalesOf, type Variant, type Variants } from "./variants.ts";

const CROPS = VIEW_OPTIONS.crops.choices.join(", ");

const OPTIONS = {
  ...VIEW_OPTIONS,
  compare: text(
    { placeholder: "VARIANTS" },
    "Several evaluations side by side, separated by semicolons; each is some of the words " +
      `${CROPS}, flip, scales such as 256,384, model=A+B (A and B fused), backend=B, precision=P`,
  ),
  out: text(
    { placeholder: "DIR" },
    "Write report.html, report.json, and what a later run needs to go on",
  ),
  shard: {
    ...SHARD_OPTION.shard,
    about: `${SHARD_OPTION.shard.about} (with the same --out for all; a last run without --shard ` +
      "puts them together)",
  },
  json: flag({}, "Print the report as JSON"),
  ...CLASSIFIER_FLAGS,
} satisfies Table;

/** The files of a report: for people and for programs. */
const REPORTS = ["report.html", "report.json"] as const;

export const evaluateCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] DIRECTORY|LIST",
  operands: {
    "DIRECTORY": "One folder per class, named by its label (ImageNet: by its WordNet id)",
    "LIST": "A text or CSV file: a path and a label, or its index, on each line",
  },
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,
  notes:
    'Example: evaluate --compare "center; dense 32,40 flip; center precision=float" pictures\n\n' +
    "Exit code: 0, or 1 if an image could not be read, or 2 for a wrong command line.",

  goesOn: ({ out }) => out !== undefined,

  async run(operands, options, signal) {
    const [path, ...more] = operands;
    if (path === undefined || more.length > 0) {
      throw new UsageError("evaluate needs one directory or list");
    }
    const classifier = pickOptions(CLASSIFIER_FLAGS, options);
    const base: Variant = { ...pickOptions(VIEW_OPTIONS, options), classifier };
    const { compare, out, json } = options;
    const [first, ...others]: Variants = compare === undefined
      ? [base]
      : parseVariants(compare, base);
    const shard = parseShard(options.shard);
    const reports = out === undefined ? [] : REPORTS.map((name) => join(out, name));
    await keepInputs([path, options.model], reports);
    if (out !== undefined) await makeFolder(out);
    const run = (variant: Variant, onWarning?: (text: string) => void) =>
      evaluateVariant(variant, path, out, shard, signal, onWarning);
    const { dataset, evaluated: shown } = await run(first, tell);
    if (shown === undefined) {
      tell(`Part ${shard.index} of ${shard.count} has no images`);
      return 0;
    }
    const evaluated: [EvaluatedVariant, ...EvaluatedVariant[]] = [shown];
    for (const variant of others) evaluated.push((await run(variant)).evaluated!); // Of as many images.
    if (json) printJson(evaluated.map(jsonOf));
    else printMetrics(evaluated);
    // A part is no report: the last run, without --shard, writes it.
    if (out !== undefined && shard.count === 1) {
      await writeReports(out, path, evaluated, dataset, options.offline);
    }
    return evaluated.some(({ evaluation }) => evaluation.failed > 0) ? 1 : 0;
  },
};

/** @returns No evaluation of a part without images. */
async function evaluateVariant(
  variant: Variant,
  path: string,
  out: string | undefined,
  shard: Shard,
  signal: AbortSignal,
  onWarning: (text: string) => void = () => {},
): Promise<{ evaluated: EvaluatedVariant | undefined; dataset: Dataset }> {
  await using loaded = new AsyncDisposableStack();
  const classifiers: Classifier[] = [];
  for (const model of variant.classifier.model?.toString().split("+") ?? [undefined]) {
    const options = { ...variant.classifier, model, signal, onWarning: tell };
    classifiers.push(loaded.use(await loadClassifier(options)));
  }
  const first = classifiers[0]!;
  const classifier = classifiers.length === 1 ? first : fuse(classifiers);
  const dataset = await listSamples(path, classifier.info.classes, { signal });
  for (const warning of dataset.warnings ?? []) onWarning(warning);
  const lines = new Map(dataset.samples.map(({ file, line }) => [file, line]));
  const { crops, scales, flip } = variant;
  const { model } = classifier.info, { backend, precision, preprocessing } = first.info;
  const temperatures = classifiers.map(({ info }) => info.temperature);
  const settings = { model, temperatures, precision, crops, scales, flip, data: path };
  using journal = out === undefined ? undefined : await Journal.open(out, settings, shard);
  const part = takeShard(dataset.samples, shard);
  if (part.length === 0) return { evaluated: undefined, dataset };
  using progress = new ProgressLine("Evaluating");
  const evaluation = await evaluate(classifier, part, {
    ...{ crops, scales, flip, signal, offline: variant.classifier.offline },
    known: journal?.records,
    onRecords: (records) => journal?.append(records),
    onProgress: (far) => progress.show(far),
    onError: (file, error) =>
      tellError(describeSkipped({ file, line: lines.get(file), ...reasonOf(error) })),
  });
  const mode = [crops ?? VIEW_OPTIONS.crops.default, ...flip ? ["flip"] : []].join(", ");
  const q = scalesOf(variant, preprocessing);
  return { evaluated: { model, backend, precision, mode, scales: q, evaluation }, dataset };
}

function printMetrics(variants: readonly [EvaluatedVariant, ...EvaluatedVariant[]]): void {
  if (variants.length > 1) {
    print(textTable(comparisonRows(variants)));
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

function jsonOf({ evaluation, ...variant }: EvaluatedVariant): Record<string, unknown> {
  const { metrics, temperature, failed, skipped, imagesPerSecond }: Evaluation = evaluation;
  return { ...variant, temperature, failed, skipped, imagesPerSecond, ...metrics };
}

async function writeReports(
  out: string,
  path: string,
  variants: readonly [EvaluatedVariant, ...EvaluatedVariant[]],
  { samples }: Dataset,
  offline: boolean | undefined,
): Promise<void> {
  const [{ model }] = variants;
  const html = await htmlReport(`${model} on ${path}`, variants, samples, { offline });
  const [page, data] = REPORTS;
  await writeWhole(join(out, page), html);
  await writeWhole(join(out, data), JSON.stringify(variants.map(jsonOf), null, 1) + "\n");
}
