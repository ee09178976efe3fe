/**
 * What a command is: the options that it takes, and a function. Its help and its parsing come from
 * them.
 */

import { defaultText, flag, type Option, type Table, type Values, valuesText } from "../options.ts";
import type { CommandInfo } from "./commands.ts";
import { flagOf, HELP_OPTION, parseArguments } from "./arguments.ts";
import { withEnvironment } from "./environment.ts";
import { untilInterrupted } from "./run.ts";
import { print, setVerbosity, tell } from "./terminal.ts";

/** How much a command says. Every command has it. */
export const VERBOSITY = {
  quiet: flag({}, "Say nothing but errors"),
  verbose: flag({}, "Say more: which backend, model and threads work, and how long"),
} satisfies Table;

export interface Command<T extends Table = Table> {
  /** What follows its name, a line for each form. */
  readonly usage: string;
  /** What its operands are, where that needs words. */
  readonly operands?: Readonly<Record<string, string>>;
  /** In the order of its help. */
  readonly options: T;
  /** Titles, by the option that each stands above. */
  readonly titles?: Readonly<Record<string, string>>;
  /** How its help ends, line by line: exit codes and the like. */
  readonly notes?: string;
  /** Whether it goes on, if it is run again, where it was interrupted, and does not say so itself. */
  goesOn?(options: Values<T>): boolean;
  /** Does its work, until `signal` ends it. Resolves to the exit code. */
  run(operands: readonly string[], options: Values<T>, signal: AbortSignal): Promise<number>;
}

/**
 * Runs a command, or shows its help.
 *
 * @param name What it was called, and is for.
 * @throws {UsageError} If the command line is wrong.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
  name: string = "COMMAND",
  info: Pick<CommandInfo, "about"> = { about: "" },
): Promise<number> {
  const table = { ...command.options, ...VERBOSITY };
  const { operands, options: { quiet, verbose, ...given }, isHelp } = parseArguments(args, table);
  if (!isHelp) {
    setVerbosity({ quiet, verbose });
    const options = await withEnvironment(command.options, given);
    return await untilInterrupted(async (signal) => {
      try {
        return await command.run(operands, options, signal);
      } finally {
        if (signal.aborted && command.goesOn?.(options)) {
          tell("Stopped: run the same command to go on");
        }
      }
    });
  }
  print(helpOf(command, name, info.about).split("\n"));
  return 0;
}

/** Columns of a terminal that help takes at most. */
const WIDTH = 100;

export function helpOf(command: Omit<Command, "run">, name: string, about: string): string {
  const forms = command.usage.split("\n").map((form) => `${name} ${form}`);
  const operands = Object.entries(command.operands ?? {});
  const all = { ...command.options, ...VERBOSITY, ...HELP_OPTION };
  const options: [name: string, option: Option][] = Object.entries(all);
  const titles: Readonly<Record<string, string>> = command.titles ?? {};
  const flags = options.map(([name, option]) => flagText(name, option));
  const named = [...flags, ...operands.map(([what]) => what)];
  const indent = 4 + Math.max(...named.map((text) => text.length));
  const line = (what: string, text: string): string =>
    `  ${what}`.padEnd(indent) + wrap(text, WIDTH - indent).join("\n" + " ".repeat(indent));
  return [
    `${about}.`,
    `\nUsage: ${forms.join("\n       ")}`,
    ...operands.length > 0 ? ["", ...operands.map(([what, text]) => line(what, text))] : [],
    "\nOptions:",
    ...options.flatMap(([name, option]) => [
      ...name in titles ? [`\n${titles[name]}:`] : [],
      line(flagText(name, option), optionText(option)),
    ]),
    ...command.notes === undefined ? [] : [
      "",
      ...command.notes.split("\n").flatMap((text) => wrap(text, WIDTH)),
    ],
  ].join("\n");
}

/** `--top-k N` */
function flagText(name: string, option: Option): string {
  const flag = `--${flagOf(name, option)}`;
  if (option.kind === "boolean") return flag;
  const usual = { integer: "N", number: "X", integers: "N,..." } as Partial<Record<string, string>>;
  const last = flag.split("-").at(-1)!.toUpperCase();
  return `${flag} ${option.placeholder ?? usual[option.kind] ?? last}`;
}

/** `Labels of an image at most, best first (default: 5)` */
function optionText(option: Option): string {
  if (option.kind === "boolean" && option.off !== undefined) return option.off;
  const fallback = defaultText(option);
  const more = [valuesText(option), fallback && `default: ${fallback}`].filter(Boolean);
  return option.about + (more.length > 0 ? ` (${more.join("; ")})` : "");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
