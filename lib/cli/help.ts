/** What the command line says of itself. */

import { VERSION } from "../version.ts";
import { COMMAND_GROUPS, COMMANDS } from "./commands.ts";
import type { Example } from "./described.ts";
import { EXIT_CODES, SUMMARY, VARIABLES } from "./facts.ts";
import { columns, exampleLines, paragraph } from "./layout.ts";
import { READS, WRITES } from "./permissions.ts";
import { programName } from "./program_name.ts";

/** What people do first. */
const EXAMPLES: readonly Example[] = [
  { line: "vgg16 classify cat.jpg" },
  { line: "vgg16 classify photos --csv > labels.csv" },
  { line: "vgg16 fit pets --out pets.safetensors", permissions: WRITES },
  { line: "vgg16 classify new.jpg --model pets.safetensors" },
];

/** Columns before what a variable is for. */
const VARIABLE = 24;

/** The help of the whole program. */
export function programHelp(): string[] {
  const program = programName();
  const wide = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    `vgg16 ${VERSION}: ${SUMMARY}. No Python, no GPU needed.`,
    "",
    `Usage: ${program} COMMAND [OPTIONS] ...`,
    `       ${program} help COMMAND`,
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [
      "",
      title,
      ...Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(wide)}  ${about}`),
    ]),
    ...exampleLines(EXAMPLES, READS),
    "",
    "Options",
    "  -h, --help     this, or a command's own help",
    "  -V, --version  the version",
    "",
    "Environment (an option wins)",
    ...VARIABLES.flatMap(([names, about]) => columns(`  ${names}`, about, VARIABLE)),
    "",
    ...paragraph(`Exit codes: ${EXIT_CODES.map((row) => row.join(" ")).join("; ")}.`),
  ];
}
