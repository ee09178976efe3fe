/** Results of a command, one after the other, for people or for programs. */

import { stringify } from "@std/csv";
import { flag, type Table, type Values } from "../options.ts";
import { visibleJson } from "../report/visible.ts";
import { csvCell } from "./csv.ts";
import type { Failure } from "./run.ts";
import type { Settings } from "./settings.ts";
import { type Lines, print, printJson, printText } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** In which form results are printed. */
export const FORMAT_FLAGS = {
  json: flag({}, "Print one JSON document"),
  jsonl: flag({}, "Print JSON lines: what made them, then one for each"),
  csv: flag({}, "Print CSV"),
  tsv: flag({}, "Print columns between tabs"),
} satisfies Table;

/** A form of results. */
export type Format = "text" | keyof typeof FORMAT_FLAGS;

/**
 * The form that is asked for; text if none is.
 *
 * @throws {UsageError} If several are.
 */
export function formatOf(options: Values<typeof FORMAT_FLAGS>): Format {
  const names = (Object.keys(FORMAT_FLAGS) as (keyof typeof FORMAT_FLAGS)[])
    .filter((name) => options[name]);
  const [format = "text", ...others] = names;
  if (others.length === 0) return format;
  throw new UsageError(
    `Options ${names.map((name) => `--${name}`).join(" and ")} exclude each other`,
  );
}

/** Whether a form has rows and columns. */
export const isTable = (format: Format): boolean => format === "csv" || format === "tsv";

/** How the results of a command look. */
export interface Shape<Result> {
  /** What made them. */
  readonly settings: Settings;
  /** Names of the columns. One is `error`. */
  readonly columns: readonly string[];
  /** A result as an object of JSON. */
  record(result: Result): object;
  /** A result as rows, without their errors. */
  rows(result: Result): readonly (readonly (string | number)[])[];
  /** A result for people. */
  text(result: Result): Lines;
}

/** Prints results, each as it comes. */
export class Results<Result> {
  readonly #format: Format;
  readonly #shape: Shape<Result>;
  #count = 0;

  constructor(format: Format, shape: Shape<Result>) {
    this.#format = format;
    this.#shape = shape;
    const { settings, columns } = shape;
    if (format === "jsonl") printJson(settings);
    else if (format === "json") printText(documentHead(settings));
    else if (format !== "text") this.#printRows([columns]);
  }

  add(result: Result): void {
    const { record, rows, text } = this.#shape;
    if (this.#format === "text") print(text(result));
    else if (this.#format === "json" || this.#format === "jsonl") this.#printRecord(record(result));
    else this.#printRows(rows(result));
  }

  /** An input of which nothing came. In text it is on standard error alone. */
  fail({ file, error }: Failure): void {
    if (this.#format === "text") return;
    if (this.#format === "json" || this.#format === "jsonl") {
      return this.#printRecord({ file, error });
    }
    const { columns } = this.#shape;
    const cells: Readonly<Record<string, string>> = { file, error: error.message };
    this.#printRows([columns.map((column) => cells[column] ?? "")]);
  }

  /** Ends a document. */
  end(): void {
    if (this.#format === "json") printText("]}");
  }

  #printRecord(record: object): void {
    if (this.#format === "jsonl") return printJson(record);
    printText((this.#count++ > 0 ? "," : "") + visibleJson(record));
  }

  #printRows(rows: readonly (readonly (string | number)[])[]): void {
    if (rows.length === 0) return;
    printText(tableText(rows, this.#format));
  }
}

/** How a document begins: settings, and the list of results. */
export function documentHead(settings: Settings): string {
  return `${visibleJson(settings).slice(0, -1)},"results":[`;
}

/** Rows as CSV, or with tabs between their cells. */
export function tableText(
  rows: readonly (readonly (string | number)[])[],
  format: string,
): string {
  const cells = rows.map((row) =>
    row.map((cell) => typeof cell === "string" ? csvCell(cell) : cell)
  );
  return stringify(cells, { separator: format === "tsv" ? "\t" : "," });
}
