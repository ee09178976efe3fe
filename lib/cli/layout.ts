/** How help is laid out: in columns and paragraphs of a terminal, and in commands that can be pasted. */

import type { Example } from "./described.ts";
import { programName } from "./program_name.ts";

/** Columns that help takes at most. */
const WIDTH = 80;
/** Columns before the texts of options, at most. */
const INDENT = 29;

/** The examples, as they are to be typed. */
export function exampleLines(
  examples: readonly Example[] = [],
  permissions: string | undefined,
): string[] {
  if (examples.length === 0) return [];
  const shown = examples.map(({ line, about, permissions: own = permissions }) => ({
    about,
    lines: commandLine("  ", calledBy(programName(own), line)),
  }));
  const wide = Math.max(...shown.map(({ about, lines }) => about ? lines.at(-1)!.length : 0)) + 3;
  return [
    "",
    "Examples",
    ...shown.flatMap(({ about, lines }) => {
      if (about === undefined) return lines;
      const fits = lines.length === 1 && wide + about.length <= WIDTH;
      return fits ? [lines[0]!.padEnd(wide) + about] : [...lines, `      (${about})`];
    }),
  ];
}

/** A line of an example, with what the program is called here. */
export function calledBy(program: string, line: string): string {
  return line.replaceAll(/\bvgg16 /g, `${program} `);
}

/** A command after `lead`, on several lines, as a shell takes them, if it is long. */
export function commandLine(lead: string, command: string): string[] {
  // What stands in quotes stays together, and so do an option and its value.
  const words = command.match(/(?:--\w\S* (?!-))?(?:"[^"]*"|'[^']*'|\S)+(?: \.\.\.)?/g) ?? [];
  const lines = fill(words, WIDTH - lead.length - 2);
  return lines.map((line, n) =>
    (n === 0 ? lead : " ".repeat(lead.length + 2)) + line + (n < lines.length - 1 ? " \\" : "")
  );
}

/** Two columns; the second begins on a line of its own where the first is too wide. */
export function columns(what: string, text: string, wide: number): string[] {
  const indent = Math.min(wide, INDENT), lines = fill(text.split(" "), WIDTH - indent);
  const isWide = what.length + 2 > indent;
  const indented = lines.map((line) => " ".repeat(indent) + line);
  return isWide ? [what, ...indented] : [what.padEnd(indent) + lines[0], ...indented.slice(1)];
}

/** A text in lines. */
export function paragraph(text: string): string[] {
  return fill(text.split(" "), WIDTH);
}

/** Words in lines that are as wide at most, if no word is wider. */
export function fill(words: readonly string[], width: number): string[] {
  const lines = [""];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
