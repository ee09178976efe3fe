/**
 * All that the commands write to standard output and standard error. Their texts hold names, labels and
 * messages from outside, which are made visible here: a line is one line, and no terminal obeys it.
 */

import { publicText } from "../public_url.ts";
import { visible, visibleJson } from "../report/visible.ts";

/** One line of text, or several. A line break within a line is shown as what it is. */
export type Lines = string | readonly string[];

/** How much is said on standard error. */
export interface Verbosity {
  /** Nothing but errors. */
  readonly quiet?: boolean | undefined;
  /** Also what is of interest where something takes long, or is not as it was expected. */
  readonly verbose?: boolean | undefined;
}

let verbosity: Verbosity = {};

/** Chooses how much is said from now on. */
export function setVerbosity(chosen: Verbosity): void {
  verbosity = chosen;
}

/** Prints what was asked for. */
export function print(lines: Lines): void {
  erase();
  console.log(shown(lines));
}

/** Prints a value as a line of JSON. */
export function printJson(value: unknown): void {
  erase();
  console.log(visibleJson(value));
}

/** Prints rows of CSV, whose cells are `csvCell()`'s. */
export function printCsv(text: string): void {
  erase();
  console.log(text.trimEnd().replaceAll("\r\n", "\n"));
}

/** Says on standard error what is no result. */
export function tell(lines: Lines): void {
  if (!verbosity.quiet) say(lines);
}

/** The same of what only somebody wants to know who asks for it. */
export function tellMore(lines: Lines): void {
  if (verbosity.verbose) say(lines);
}

function say(lines: Lines): void {
  erase();
  console.error(shown(lines));
}

/** Says on standard error what went wrong. Operands are quoted in it, so that URLs lose their secrets here. */
export function tellError(error: unknown, file?: string): void {
  const message = error instanceof Error ? error.message : String(error);
  const [first, ...more] = linesOf(error) ?? [message];
  const line = ["error", ...file === undefined ? [] : [file], publicText(first!)].join(": ");
  say([line, ...more.map(publicText)]);
}

/** The lines of an error that says where its message has line breaks. */
function linesOf(error: unknown): string[] | undefined {
  return error instanceof RangeError && "lines" in error && Array.isArray(error.lines)
    ? error.lines
    : undefined;
}

/** Whether {@linkcode redraw} shows anything. */
export function canRedraw(): boolean {
  return !verbosity.quiet && Deno.stderr.isTerminal();
}

let isDrawn = false;

/** Shows a line on standard error in place of the last one, until anything else is written. */
export function redraw(line: string): void {
  if (!canRedraw()) return;
  write(ERASE + visible(line));
  isDrawn = true;
}

/** Removes the line that is redrawn. */
export function erase(): void {
  if (isDrawn) write(ERASE);
  isDrawn = false;
}

/** To the first column, and the rest of the line is cleared. */
const ERASE = "\r\x1b[K";

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

function shown(lines: Lines): string {
  return [lines].flat().map(visible).join("\n");
}
