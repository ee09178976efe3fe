/** Completions for bash, from 3.2 on, which macOS has. */

import {
  type CompletedCommand,
  type CompletedProgram,
  ENDINGS,
  functionName,
  OWN_OPTIONS,
  type Values,
} from "./program.ts";
import { flagsOf } from "../described.ts";
import { inQuotes } from "../program_name.ts";

/** The script, line by line. */
export function bashCompletions({ name, commands }: CompletedProgram): string[] {
  const own = functionName(name);
  const first = [...commands.map(({ name }) => name), ...OWN_OPTIONS];
  return [
    `# Completions of ${name} for bash.`,
    ...helpers(own),
    `${own}() {`,
    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
    "  local IFS=$' \\t\\n'",
    "  COMPREPLY=()",
    "  # Bash takes --option=value for three words.",
    "  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi",
    `  if ((COMP_CWORD == 1)); then ${own}_words ${inQuotes(first.join(" "))}; return; fi`,
    '  case "${COMP_WORDS[1]} $before" in',
    ...commands.flatMap((command) => valueCases(own, command)),
    "  esac",
    '  case "${COMP_WORDS[1]} $word" in',
    ...commands.flatMap((command) => wordCases(own, command)),
    "  esac",
    "}",
    `complete -F ${own} ${name}`,
  ];
}

/** Functions that offer words, folders, and files of some endings. */
function helpers(own: string): string[] {
  return [
    `${own}_words() { COMPREPLY+=($(compgen -W "$1" -- "$word")); }`,
    `${own}_paths() {`,
    "  local path",
    "  compopt -o filenames 2>/dev/null",
    "  while IFS= read -r path; do",
    '    if [[ -d ${path/#\\~/$HOME} ]]; then COMPREPLY+=("$path"); continue; fi',
    '    case "$1 $path" in',
    ...Object.entries(ENDINGS).map(([kind, endings]) =>
      `      ${
        endings.map((ending) => `${kind}\\ *.${anyCase(ending)}`).join("|")
      }) COMPREPLY+=("$path") ;;`
    ),
    '      files\\ *) COMPREPLY+=("$path") ;;',
    "    esac",
    '  done < <(compgen -f -- "$word")',
    "}",
  ];
}

/** `[jJ][pP][gG]` */
function anyCase(ending: string): string {
  return ending.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

function valueCases(own: string, { name, options }: CompletedCommand): string[] {
  return options.flatMap((option) => {
    const { value } = option;
    if (value === undefined) return [];
    const pattern = flagsOf(option).map((flag) => inQuotes(`${name} ${flag}`)).join("|");
    return [`    ${pattern}) ${offers(own, value)}return ;;`];
  });
}

function wordCases(own: string, { name, options, operands }: CompletedCommand): string[] {
  const flags = options.flatMap(flagsOf);
  return [
    `    ${inQuotes(`${name} `)}-*) ${own}_words ${inQuotes(flags.join(" "))} ;;`,
    `    ${inQuotes(`${name} `)}*) ${offers(own, operands)};;`,
  ];
}

/** Calls that offer values, each with its `; `. */
function offers(own: string, { words, paths }: Values): string {
  const calls = [
    ...words.length > 0 ? [`${own}_words ${inQuotes(words.join(" "))}`] : [],
    ...paths !== undefined ? [`${own}_paths ${paths}`] : [],
  ];
  return calls.map((call) => `${call}; `).join("");
}
