/** The files of a report: for people and for programs. */

import { join } from "node:path";
import { type EvaluatedVariant, htmlReport } from "../evaluate/report.ts";
import type { Dataset } from "../input/dataset.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { exists } from "../io/cache.ts";
import { isRecord } from "../model/json.ts";
import { readText } from "../platform.ts";
import { jsonLines } from "../report/json_lines.ts";
import type { Settings } from "./settings.ts";
import { UsageError } from "./usage_error.ts";

const PAGE = "report.html", DATA = "report.json";

/** An evaluation, and what it was made with. */
export interface MadeVariant extends EvaluatedVariant {
  readonly settings: Settings;
}

/** The files that are written into a directory. */
export function reportFiles(directory: string): string[] {
  return [PAGE, DATA].map((name) => join(directory, name));
}

/**
 * Refuses to replace a report of other evaluations.
 *
 * @param wanted The settings of each variant.
 * @throws {UsageError} If one is there.
 */
export async function keepReport(directory: string, wanted: readonly Settings[]): Promise<void> {
  const [page, data] = reportFiles(directory) as [string, string];
  if (await exists(data)) {
    const found = await settingsIn(data);
    if (JSON.stringify(found) === JSON.stringify(wanted.map(lasting))) return;
    throw found === undefined ? isThere(data) : new UsageError(
      `${directory} has a report that was made with other settings, or of other images: name another directory, or ` +
        "begin anew with --force",
    );
  }
  if (await exists(page)) throw isThere(page);
}

function isThere(path: string): UsageError {
  return new UsageError(`${path} exists: name another directory, or replace it with --force`);
}

/** The settings of the variants of a report; undefined if it is none. */
async function settingsIn(path: string): Promise<Settings[] | undefined> {
  try {
    const document: unknown = JSON.parse(await readText(path));
    if (!isRecord(document) || !Array.isArray(document.variants)) return undefined;
    const settings = document.variants.map((variant) => variant?.settings);
    return settings.every(isRecord) ? settings.map((own) => lasting(own as Settings)) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What decides what is found: whatever version of the program finds it. */
const lasting = ({ version: _, ...settings }: Settings): Settings => settings;

/** Writes the report. It has no times, so that whoever repeats an evaluation gets the same bytes. */
export async function writeReport(
  directory: string,
  title: string,
  variants: readonly [MadeVariant, ...MadeVariant[]],
  { samples }: Dataset,
  offline: boolean | undefined,
): Promise<void> {
  const [page, data] = reportFiles(directory) as [string, string];
  await writeWhole(page, await htmlReport(title, variants, samples, { offline }));
  await writeWhole(data, jsonLines(documentOf(variants)) + "\n");
}

/** Evaluations for programs, with their speed if that is wanted. */
export function documentOf(
  variants: readonly MadeVariant[],
  withSpeed: boolean = false,
): Record<string, unknown> {
  const { program, version } = variants[0]!.settings;
  const all = variants.map(({ evaluation, ...variant }) => {
    const { metrics, temperature, failed, skipped, imagesPerSecond } = evaluation;
    const speed = withSpeed ? { imagesPerSecond } : {};
    return { ...variant, temperature, failed, skipped, ...speed, ...metrics };
  });
  return { program, version, variants: all };
}
