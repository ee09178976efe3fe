/** `man`: the manual page of the whole program. */

import { allOptions, type Command, type CommandInfo } from "./command.ts";
import { type Described, groupsOf, sentence, textOf, writtenOf } from "./described.ts";
import { EXIT_CODES, SUMMARY, VARIABLES } from "./facts.ts";
import { calledBy, fill } from "./layout.ts";
import { installedName } from "./program_name.ts";
import { print } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "../version.ts";

/** The command, for a table of commands, which it is itself in. */
export function manCommand(table: Readonly<Record<string, CommandInfo>>): Command {
  return {
    usage: "",
    examples: [
      { line: "vgg16 man > vgg16.1 && man ./vgg16.1" },
      { line: "vgg16 man > ~/.local/share/man/man1/vgg16.1", about: "for man vgg16" },
    ],
    options: {},

    async run(operands) {
      if (operands.length > 0) throw new UsageError("man takes no operands: it is one page");
      const program = installedName() ?? "vgg16";
      const commands = Object.entries(table).map(async ([name, info]) =>
        sectionOf(program, name, info, await info.load())
      );
      print(pageOf(program, (await Promise.all(commands)).flat(), new Date()));
      return 0;
    },
  };
}

/** In macros of man(7), which groff and mandoc know. */
function pageOf(name: string, commands: readonly string[], made: Date): string[] {
  const day = made.toISOString().slice(0, 10);
  return [
    `.TH ${name.toUpperCase()} 1 "${day}" "vgg16 ${VERSION}" "User Commands"`,
    ".SH NAME",
    `${text(name)} \\- ${text(SUMMARY)}`,
    ".SH SYNOPSIS",
    `${bold(name)} ${italic("COMMAND")} [${italic("OPTIONS")}] ...`,
    ".br",
    `${bold(`${name} help`)} ${italic("COMMAND")}`,
    ".br",
    bold(`${name} --version`),
    ".SH COMMANDS",
    ...commands,
    ".SH ENVIRONMENT",
    "An option wins over its variable.",
    ...VARIABLES.flatMap(([names, about]) => [".TP", bold(names), text(about)]),
    ".SH EXIT STATUS",
    ...EXIT_CODES.flatMap(([code, about]) => [".TP", bold(code), text(about)]),
  ];
}

function sectionOf(
  program: string,
  name: string,
  { about }: CommandInfo,
  command: Command,
): string[] {
  const groups = groupsOf({ ...command, options: allOptions(command) });
  const { operands = {}, examples = [], notes } = command;
  return [
    `.SS ${text(name)}`,
    text(sentence(about)),
    ...command.usage.split("\n").flatMap((form) => [
      ".PP",
      bold(`${program} ${name} ${form}`.trimEnd()),
    ]),
    ...Object.entries(operands).flatMap(([what, about]) => [".TP", italic(what), ...lines(about)]),
    ...groups.flatMap(({ title, options }) => [
      ".PP",
      `${text(title)}:`,
      ...options.flatMap(optionLines),
    ]),
    ...examples.flatMap(({ line, about }) => [
      ".PP",
      `${about === undefined ? "Example" : `Example (${text(about)})`}:`,
      ...[".PP", ".nf", ".RS", text(calledBy(program, line)), ".RE", ".fi"],
    ]),
    ...notes === undefined
      ? []
      : notes.split("\n").filter(Boolean).flatMap((note) => [".PP", ...lines(note)]),
  ];
}

function optionLines(described: Described): string[] {
  const { short, value } = described;
  const flags = writtenOf({ ...described, value: undefined });
  const named = [...short === undefined ? [] : [short], flags].map(bold).join(", ");
  return [
    ".TP",
    value === undefined ? named : `${named} ${italic(value)}`,
    ...lines(`${textOf(described)}.`),
  ];
}

/** Bytes of a line of text before its escapes, which the page may have none of that are longer than 80. */
const LINE = 60;

function lines(plain: string): string[] {
  return fill(plain.split(" "), LINE).map(text);
}

/** A text in which nothing is a request, an escape or more than ASCII, and each dash is one that can be copied. */
function text(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/, "\\&")
    .replaceAll(/[^\x20-\x7e]/gu, (sign) => {
      const code = sign.codePointAt(0)!.toString(16).toUpperCase();
      return `\\[u${code.padStart(4, "0")}]`;
    });
}

function bold(plain: string): string {
  return `\\fB${text(plain)}\\fR`;
}

function italic(plain: string): string {
  return `\\fI${text(plain)}\\fR`;
}
