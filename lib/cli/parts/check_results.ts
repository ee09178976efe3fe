/** Whether the results of a part have a line for each of its pictures, and none else. */

import { isRecord } from "../../model/json.ts";
import { readText } from "../../platform.ts";
import { UsageError } from "../usage_error.ts";
import type { Part } from "./manifest.ts";

/** What came of a picture, as its line says it. */
export type Row = Readonly<Record<string, unknown>> & {
  readonly id: string;
  readonly error?: { readonly code?: string; readonly message: string } | undefined;
};

/** What the results of a part have. */
export interface CheckedResults {
  readonly rows: readonly Row[];
  /** Pictures of the part that have no line. */
  readonly missing: readonly string[];
  /** Those that have several. */
  readonly doubled: readonly string[];
  /** What has a line, and is no picture of the part. */
  readonly foreign: readonly string[];
}

/**
 * Reads the results of a part.
 *
 * @param program What made them.
 * @throws {UsageError} If they are no such lines.
 */
export async function checkResults(
  path: string,
  { entries }: Part,
  program: string | undefined,
): Promise<CheckedResults> {
  const [, ...lines] = (await readText(path)).split("\n");
  // Each ends with a line break.
  if (lines.pop() !== "") {
    throw new UsageError(`${path} is cut off: remove it, and do its part again`);
  }
  const rows = lines.map((line, n) => rowOf(line, path, n + 2, program));
  const isWhole = rows.length === entries.length &&
    entries.every(({ id }, n) => rows[n]!.id === id);
  if (isWhole) return { rows, missing: [], doubled: [], foreign: [] };
  const expected = new Set(entries.map(({ id }) => id)), seen = new Set<string>();
  const doubled = new Set<string>(), foreign = new Set<string>();
  for (const { id } of rows) {
    if (!expected.has(id)) foreign.add(id);
    else if (seen.has(id)) doubled.add(id);
    seen.add(id);
  }
  const missing = [...expected.difference(seen)];
  if (missing.length + doubled.size + foreign.size === 0) {
    throw new UsageError(
      `${path} has its lines in another order: remove it, and do its part again`,
    );
  }
  return { rows, missing, doubled: [...doubled], foreign: [...foreign] };
}

function rowOf(line: string, path: string, number: number, program: string | undefined): Row {
  try {
    const row: unknown = JSON.parse(line);
    const isRow = isRecord(row) && typeof row.id === "string" && isError(row.error);
    const isWhole = isRow && (row.error !== undefined || program !== "vgg16 classify" ||
      arePredictions(row.predictions));
    if (isWhole) return row as Row;
  } catch {
    // As one that is something else.
  }
  throw new UsageError(
    `${path}, line ${number}: expected what came of a picture, found ${line.slice(0, 80)}`,
  );
}

function arePredictions(value: unknown): boolean {
  const isOne = (one: unknown): boolean =>
    isRecord(one) && typeof one.label === "string" && typeof one.score === "number" &&
    typeof one.index === "number";
  return Array.isArray(value) && value.every(isOne);
}

function isError(error: unknown): boolean {
  return error === undefined || isRecord(error) && typeof error.message === "string";
}
