/**
 * All that the commands write to standard output and standard error. Their texts hold names, labels and
 * messages from outside, which are made visible here: a line is one line, and no terminal obeys it.
 */

import { system } from "../system/system.ts";
import { readPermitted } from "../environment.ts";
import { NO_COLOR } from "../platform.ts";
import { publicText } from "../public_url.ts";
import { missed, missingPermission } from "./missing_permission.ts";
import { visible, visibleJson } from "../report/visible.ts";
import { OutputStream, writeAll } from "./output_stream.ts";
import { cutEnd } from "./table.ts";

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

const output = new OutputStream(system.stdout);

/** Prints what was asked for. */
export function print(lines: Lines): void {
  write(shown(lines));
}

/** Prints a value as a line of JSON. */
export function printJson(value: unknown): void {
  write(visibleJson(value));
}

/** Prints text for programs, in which whoever composed it has made control characters visible. */
export function printText(text: string): void {
  write(text.replaceAll("\r\n", "\n").replace(/\n$/, ""));
}

function write(text: string): void {
  erase();
  output.write(text + "\n");
}

/**
 * Writes bytes for programs, and waits until their reader has taken them. Once nothing can be printed any more
 * they are dropped.
 */
export async function send(bytes: Uint8Array): Promise<void> {
  erase();
  await output.send(bytes);
}

/** Calls back once nothing can be printed any more: what a command still does is for nobody. */
export function onOutputLost(callback: () => void): Disposable {
  return output.onFailure(callback);
}

/**
 * Prints what waits, and says how the process ends, which would end with `code`. Where the reader of
 * standard output has left it is 128 and the number of SIGPIPE, as of `seq` and `grep`, which that signal
 * kills: a script that needs all results (`pipefail`) learns that these are not all.
 */
export function exitCodeOf(code: number): number {
  output.flush();
  if (output.isLeft) return 141;
  if (output.failure === undefined) return code;
  tellError(output.failure, "standard output");
  return code === 0 ? 1 : code;
}

/** Says on standard error what is no result. */
export function tell(lines: Lines): void {
  if (!verbosity.quiet) say(lines);
}

/** The same of what only somebody wants to know who asks for it. */
export function tellMore(lines: Lines): void {
  if (verbosity.verbose) say(lines);
}

/** The same of what may not be as it was meant. */
export function tellWarning(lines: Lines): void {
  if (!verbosity.quiet) say(lines, "warning");
}

/** Says on standard error what went wrong. Operands are quoted in it, so that URLs lose their secrets here. */
export function tellError(error: unknown, file?: string): void {
  const missing = missingPermission(error);
  if (missing !== undefined) missed.add(missing.flag);
  const message = missing?.message ?? (error instanceof Error ? error.message : String(error));
  const [first, ...more] = linesOf(error) ?? [message];
  const line = [...file === undefined ? [] : [file], publicText(first!)].join(": ");
  say([line, ...more.map(publicText)], "error");
}

/** The lines of an error that says where its message has line breaks. */
function linesOf(error: unknown): string[] | undefined {
  return error instanceof RangeError && "lines" in error && Array.isArray(error.lines)
    ? error.lines
    : undefined;
}

/** Nothing is said to somebody who has left. */
function say(lines: Lines, kind?: Kind): void {
  erase();
  output.flush();
  if (output.isLeft) return;
  const text = shown(lines);
  toError((kind === undefined ? text : `${paint(`${kind}:`, kind)} ${text}`) + "\n");
}

/** What stands out by its color. */
export type Kind = keyof typeof COLORS;

const COLORS = { error: 31, warning: 33 } as const;

/** A text in the color of its kind, where standard error has colors. */
export function paint(text: string, kind: Kind): string {
  return isColored(system.stderr.isTerminal()) ? `\x1b[${COLORS[kind]}m${text}\x1b[39m` : text;
}

/**
 * Whether there are colors, by what users ask of all programs. `FORCE_COLOR` wins, as in Deno and Node.
 *
 * @param isRefusedToDeno Whether Deno found `NO_COLOR`, which it reads also where this program may not.
 * @see {@link https://no-color.org} and {@link https://force-color.org}
 */
export function isColored(
  isTerminal: boolean,
  variable: (name: string) => string | undefined = readPermitted,
  isRefusedToDeno: boolean = NO_COLOR,
): boolean {
  if (!["", "0", "false"].includes(variable("FORCE_COLOR") ?? "")) return true;
  const isRefused = Boolean(variable("NO_COLOR")) || isRefusedToDeno;
  return isTerminal && !isRefused && variable("TERM") !== "dumb";
}

/** Whether {@linkcode redraw} shows anything. */
export function canRedraw(): boolean {
  return !verbosity.quiet && system.stderr.isTerminal() && readPermitted("TERM") !== "dumb";
}

/**
 * Columns that a line may take: of the terminal, or of 80 where nobody knows, all but what a terminal
 * writes for Ctrl-C, and one, as some begin a line after the last.
 */
export function columns(): number {
  return Math.max(1, terminalColumns() - "^C".length - 1);
}

function terminalColumns(): number {
  try {
    return system.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

let isDrawn = false;

/** Shows a line on standard error in place of the last one, until anything else is written: as much as fits. */
export function redraw(line: string): void {
  if (!canRedraw()) return;
  toError(ERASE + cutEnd(visible(line), columns()));
  isDrawn = true;
}

/** Removes the line that is redrawn. */
export function erase(): void {
  if (isDrawn) toError(ERASE);
  isDrawn = false;
}

/** To the first column, and the rest of the line is cleared. */
const ERASE = "\r\x1b[K";

function toError(text: string): void {
  try {
    writeAll(system.stderr, text);
  } catch {
    // There is nobody whom to tell that.
  }
}

function shown(lines: Lines): string {
  return [lines].flat().map(visible).join("\n");
}
