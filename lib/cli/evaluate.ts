/** `evaluate`: what a model scores on labeled images. */

import type { Dataset } from "../input/dataset.ts";
import { flag, pickOptions, type Table, text, texts, VIEW_OPTIONS } from "../options.ts";
import { realPath } from "../platform.ts";
import type { Command } from "./command.ts";
import { WRITES } from "./permissions.ts";
import {
  documentOf,
  keepReport,
  type MadeVariant,
  reportFiles,
  writeReport,
} from "./evaluate_report.ts";
import { printMetrics } from "./evaluate_summary.ts";
import { OPEN_FLAG, openPage } from "./open_page.ts";
import { checkOutputs, OUTPUT_FLAGS } from "./outputs.ts";
import { CLASSIFIER_FLAGS, withData } from "./run.ts";
import { parseShard, SHARD_OPTION } from "./shard.ts";
import { printJson, tell, tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import { evaluateParts } from "./evaluate_parts.ts";
import { evaluateVariant, findModels, type Wanted } from "./evaluate_variant.ts";
import { checkNoParts, checkOnlyParts, PARTS_OPTIONS, withPartCodes } from "./parts/run_parts.ts";
import { parseVariants, type Variant, type Variants } from "./variants.ts";

const CROPS = VIEW_OPTIONS.crops.choices.join(", ");

const OPTIONS = {
  ...VIEW_OPTIONS,
  fuse: texts(
    { isAlone: true, isNeeded: true, placeholder: "MODEL" },
    "Another model whose scores are averaged with the model's; once for each",
  ),
  compare: text(
    { placeholder: "VARIANTS" },
    "Several evaluations side by side, separated by semicolons; each is some of the words " +
      `${CROPS}, flip, scales such as 256,384, model=M (several are fused), backend=B, precision=P`,
  ),
  outDir: text(
    { placeholder: "DIR" },
    "Write report.html, report.json, and what a later run needs to go on",
  ),
  ...OPEN_FLAG,
  ...OUTPUT_FLAGS,
  json: flag({}, "Print the report as one JSON document"),
  shard: {
    ...SHARD_OPTION.shard,
    about: `${SHARD_OPTION.shard.about} (with the same --out-dir for all; a last run without ` +
      "--shard puts them together)",
  },
  ...PARTS_OPTIONS,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const evaluateCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] DIRECTORY|LIST",
  operands: {
    "DIRECTORY": "One folder per class, named by its label (ImageNet: by its WordNet id)",
    "LIST": "A text or CSV file: a path and a label, or its index, on each line",
  },
  examples: [
    { line: "vgg16 evaluate pictures" },
    { line: "vgg16 evaluate pictures --out report", permissions: WRITES },
    { line: 'vgg16 evaluate pictures --compare "center; dense 32,40 flip; precision=float"' },
  ],
  options: OPTIONS,
  groups: { "What is compared": ["fuse", "compare"] },
  notes:
    "Exit code: 0, or 1 if an image could not be read, or 2 for a wrong command line; of parts " +
    "0 once they are there, 65 for too many errors, 75 for what may pass.",

  goesOn: ({ outDir }) => outDir !== undefined,

  async run(operands, options, signal) {
    const { model, ...classifier } = pickOptions(CLASSIFIER_FLAGS, options);
    const { fuse = [], compare, outDir: out, force = false, json, open } = options;
    const views = pickOptions(VIEW_OPTIONS, options);
    const base: Variant = { ...views, models: [model, ...fuse], classifier };
    if (open && out === undefined) throw new UsageError("Option --open needs --out-dir");
    if (options.manifest !== undefined) {
      checkOnlyParts({ compare, shard: options.shard });
      return await withPartCodes(() => evaluateParts(operands, base, options, signal), signal);
    }
    checkNoParts({ part: options.part, maxErrors: options.maxErrors });
    const [path, ...more] = operands;
    if (path === undefined || more.length > 0) {
      throw new UsageError("evaluate needs one directory or list");
    }
    const variants: Variants = compare === undefined ? [base] : parseVariants(compare, base);
    const shard = parseShard(options.shard);
    const isWanted = await checkOutputs({
      reads: [path, ...variants.flatMap(({ models }) => models)],
      writes: [],
      grows: out === undefined ? [] : reportFiles(out),
    }, options);
    if (!isWanted) return 0;
    const place = await withData(() => realPath(path)), wanted: Wanted[] = [];
    for (const variant of variants) wanted.push(await findModels(variant, place, signal));
    if (out !== undefined && !force) await keepReport(out, wanted.map(({ settings }) => settings));
    const evaluated: MadeVariant[] = [];
    let dataset: Dataset | undefined;
    for (const one of wanted) {
      const from = { path, place, out, shard, force };
      const found = await evaluateVariant(
        one,
        from,
        signal,
        dataset === undefined ? tellWarning : undefined,
      );
      if (found === undefined) {
        tell(`No image falls to share ${shard.index} of ${shard.count}`);
        return 0;
      }
      evaluated.push(found.evaluated);
      dataset ??= found.dataset;
    }
    const all = evaluated as [MadeVariant, ...MadeVariant[]]; // Of as many variants.
    if (json) printJson(documentOf(all, true));
    else printMetrics(all);
    // A part is no report: the last run, without --shard, writes it.
    if (out !== undefined && shard.count === 1) {
      await writeReport(out, `${all[0].model} on ${path}`, all, dataset!, options.offline);
      tell(`Report: ${reportFiles(out)[0]}`);
      if (open) await openPage(reportFiles(out)[0]!);
    }
    return all.some(({ evaluation }) => evaluation.failed > 0) ? 1 : 0;
  },
};
