/** The help of one command. */

import { type Described, groupsOf, type Helped, sentence, textOf, writtenOf } from "./described.ts";
import { columns, commandLine, exampleLines, paragraph } from "./layout.ts";
import { programName } from "./program_name.ts";

/** The help of a command, line by line. */
export function commandHelp(
  command: Helped,
  name: string,
  { about, permissions }: { readonly about: string; readonly permissions?: string },
): string[] {
  return helpOf(command, `${programName(permissions)} ${name}`, about, permissions);
}

/**
 * The help of whatever takes options, line by line.
 *
 * @param called What has to be typed before the options.
 * @param about What it does.
 */
export function helpOf(
  command: Helped,
  called: string,
  about: string,
  permissions?: string,
): string[] {
  const operands = Object.entries(command.operands ?? {}), groups = groupsOf(command);
  const wide = Math.max(0, ...operands.map(([what]) => what.length + 4));
  const long = Math.max(
    ...groups.flatMap(({ options }) => options).map((o) => flagsText(o).length),
  );
  return [
    sentence(about),
    "",
    ...command.usage.split("\n").flatMap((form, n) =>
      commandLine(n === 0 ? "Usage: " : "       ", `${called} ${form}`)
    ),
    ...operands.length === 0
      ? []
      : ["", ...operands.flatMap(([what, text]) => columns(`  ${what}`, text, wide))],
    ...exampleLines(command.examples, permissions),
    ...groups.flatMap(({ title, options }) => [
      "",
      title,
      ...options.flatMap((o) => columns(flagsText(o), textOf(o), long + 2)),
    ]),
    ...command.notes === undefined ? [] : ["", ...command.notes.split("\n").flatMap(paragraph)],
  ];
}

/** `  -k, --top-k N` */
function flagsText(described: Described): string {
  const { short } = described;
  return `  ${short === undefined ? "    " : `${short}, `}${writtenOf(described)}`;
}
