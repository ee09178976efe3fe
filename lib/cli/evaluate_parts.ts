/** An evaluation in the parts of a manifest, and the report of all of them. */

import { ERROR_CODES, type ErrorCode, withCode } from "../errors.ts";
import { evaluate, recordOf } from "../evaluate/evaluate.ts";
import type { EvaluationRecord } from "../evaluate/metrics.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { type Classes, classesFor } from "../input/list_samples.ts";
import type { Values } from "../options.ts";
import type { Prediction } from "../output/predictions.ts";
import { realPath } from "../platform.ts";
import { documentOf, keepReport, reportFiles, writeReport } from "./evaluate_report.ts";
import { printMetrics } from "./evaluate_summary.ts";
import { findModels, type OpenVariant, openVariant } from "./evaluate_variant.ts";
import { openPage } from "./open_page.ts";
import type { OUTPUT_FLAGS } from "./outputs.ts";
import { checkResults, type Row } from "./parts/check_results.ts";
import type { Entry } from "./parts/manifest.ts";
import { nameOfSettings, resultPath } from "./parts/results.ts";
import {
  findJob,
  type Job,
  type PARTS_OPTIONS,
  type PARTS_OUT_DIR,
  type PartWork,
  runParts,
} from "./parts/run_parts.ts";
import { viewSettings } from "./settings.ts";
import { printJson, tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import type { Variant } from "./variants.ts";

type Options = Values<typeof PARTS_OPTIONS & typeof PARTS_OUT_DIR & typeof OUTPUT_FLAGS> & {
  readonly json?: boolean | undefined;
  readonly open?: boolean | undefined;
  readonly offline?: boolean | undefined;
};

/**
 * Evaluates a variant on the parts of a manifest that are this worker's; where they are all, its report is written
 * once they are there.
 */
export async function evaluateParts(
  operands: readonly string[],
  variant: Variant,
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const { json, open, part, force } = options, isAll = part === undefined;
  if (!isAll && (json || open)) {
    throw new UsageError(
      `A part has no report: leave out --${
        json ? "json" : "open"
      }, or run once more without --part`,
    );
  }
  const job = await findJob(operands, options), { manifest, outDir } = job;
  const wanted = await findModels(variant, await realPath(manifest.folder), signal);
  if (isAll && !force) await keepReport(outDir, [wanted.settings]);
  await using opened = await openVariant(wanted, viewSettings(variant), signal);
  const classes = classesFor(opened.classifier.info.classes, []);
  // Before any of them is looked at.
  const named = new Set<boolean>();
  for (const number of job.parts) {
    for (const entry of (await manifest.part(number)).entries) {
      named.add(entry.label !== undefined);
      if (named.size > 1) {
        throw new UsageError(`Some pictures have a label, and ${entry.id} is one of the others`);
      }
      labelOf(entry, classes);
    }
  }
  await runParts(job, workOf(opened, classes, variant, signal), options, signal);
  if (!isAll || options.dryRun) return 0;
  const { samples, known } = await allOf(job, opened, classes);
  const { crops, scales, flip } = variant;
  const evaluation = await evaluate(opened.classifier, samples, {
    ...{ known, crops, scales, flip, signal },
    onError: () => {}, // It has been told.
  });
  const evaluated = opened.describe(evaluation);
  if (json) printJson(documentOf([evaluated], true));
  else printMetrics([evaluated]);
  const title = `${evaluated.model} on ${manifest.folder}`;
  const dataset = { samples, labels: classes.labels };
  await writeReport(outDir, title, [evaluated], dataset, options.offline);
  tell(`Report: ${reportFiles(outDir)[0]}`);
  if (open) await openPage(reportFiles(outDir)[0]!);
  return 0;
}

function workOf(
  { classifier, settings, check }: OpenVariant,
  classes: Classes,
  { crops, scales, flip }: Variant,
  signal: AbortSignal,
): PartWork<"predictions", readonly Prediction[]> {
  const { multiLabel } = classifier.info, looking = { crops, scales, flip, signal, topK: Infinity };
  return {
    settings,
    verb: ["Evaluating", "evaluated"],
    stream: (images) => classifier.stream(images, looking),
    begin(part) {
      const labels = part.entries.map((entry) => labelOf(entry, classes));
      return {
        record({ index, predictions }) {
          check();
          const { file: _, ...record } = recordOf(
            { file: "", label: labels[index]! },
            predictions,
            multiLabel,
          );
          return record;
        },
        [Symbol.dispose]() {},
      };
    },
  };
}

/**
 * The class that a manifest names, or the folder of the picture in it.
 *
 * @throws {UsageError} If that is no class, or there is neither.
 */
function labelOf({ id, label }: Entry, classes: Classes): number {
  const [folder, ...more] = id.split("/"), name = label ?? (more.length > 0 ? folder! : "");
  if (name === "") {
    throw new UsageError(
      `${id} has no label: give the list a column "label", or a folder for each class`,
    );
  }
  try {
    return classes.indexOf(name);
  } catch (cause) {
    throw new UsageError(`${id} has label ${name}: ${(cause as Error).message}`, { cause });
  }
}

/** All pictures, and what the results of their parts say of them. */
async function allOf(
  { manifest, outDir }: Job,
  { settings }: OpenVariant,
  classes: Classes,
): Promise<{ samples: IndexedSample[]; known: EvaluationRecord[] }> {
  const samples: IndexedSample[] = [], known: EvaluationRecord[] = [];
  const name = await nameOfSettings(settings);
  for (let number = 1; number <= manifest.parts; number++) {
    const part = await manifest.part(number), path = resultPath(outDir, number, name);
    const { rows, missing, doubled, foreign } = await checkResults(path, part, settings.program);
    if (missing.length + doubled.length + foreign.length > 0) {
      throw new UsageError(
        `${path} has not one line for each picture of its part: remove it, and run this again`,
      );
    }
    for (const [n, entry] of part.entries.entries()) {
      const { error, id, ...record } = rows[n]!, { place } = entry; // As many, in the same order.
      const label = labelOf(entry, classes);
      // What failed is not tried again.
      const image = error === undefined ? place : () => Promise.reject(failureOf(error));
      samples.push({ file: id, image, label });
      if (error === undefined) known.push({ file: id, ...record } as unknown as EvaluationRecord); // As it was written.
    }
  }
  return { samples, known };
}

/** An error as it was thrown, as far as its line tells. */
function failureOf({ code = "", message }: NonNullable<Row["error"]>): Error {
  const error = new Error(message);
  return Object.hasOwn(ERROR_CODES, code) ? withCode(error, code as ErrorCode) : error;
}
