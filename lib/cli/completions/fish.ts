/** Completions for fish. */

import {
  type CompletedCommand,
  type CompletedProgram,
  ENDINGS,
  functionName,
  OWN_OPTIONS,
  type Values,
} from "./program.ts";

/** The script, line by line. */
export function fishCompletions({ name, commands }: CompletedProgram): string[] {
  const is = `_${functionName(name)}_is`;
  const first = `complete -c ${name} -n '${is}'`;
  return [
    `# Completions of ${name} for fish.`,
    `function ${is}`,
    "    set -l words (commandline -opc)",
    '    test "$words[2]" = "$argv[1]"',
    "end",
    `complete -c ${name} -f`,
    ...commands.map(({ name, about }) => `${first} -a ${name} -d ${quoted(about)}`),
    ...OWN_OPTIONS.map((option) => `${first} -l ${option.slice(2)}`),
    ...commands.flatMap((command) =>
      commandLines(`complete -c ${name} -n '${is} ${command.name}'`, command)
    ),
  ];
}

function commandLines(of: string, { options, operands }: CompletedCommand): string[] {
  const own = offers(operands);
  return [
    ...options.flatMap(({ short, long, about, value }) =>
      long.map((flag, n) =>
        [
          ...[of, `-l ${flag.slice(2)}`],
          ...short !== undefined && n === 0 ? [`-s ${short.slice(1)}`] : [],
          ...value === undefined ? [] : ["-r", offers(value) || "-f"],
          `-d ${quoted(about)}`,
        ].join(" ")
      )
    ),
    ...own === "" ? [] : [`${of} ${own}`],
  ];
}

/** Options of `complete` for what is offered: files with the right endings first. */
function offers({ words, paths }: Values): string {
  const list = words.join(" ");
  switch (paths) {
    case undefined:
      return list === "" ? "" : `-f -a '${list}'`;
    case "files":
      return "-F";
    case "folders":
      return "-f -a '(__fish_complete_directories)'";
    default: {
      const endings = ENDINGS[paths].map((ending) => `.${ending}`).join(" ");
      return `-f -k -a '${list}${list && " "}(__fish_complete_suffix ${endings})'`;
    }
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
