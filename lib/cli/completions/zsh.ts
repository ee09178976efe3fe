/** Completions for zsh: a file `_vgg16` of its `fpath`, or what `source` reads. */

import {
  type CompletedCommand,
  type CompletedOption,
  type CompletedProgram,
  ENDINGS,
  functionName,
  IDS,
  OWN_OPTIONS,
  type Values,
} from "./program.ts";
import { flagsOf } from "../described.ts";
import { inQuotes } from "../program_name.ts";

/** The script, line by line. */
export function zshCompletions({ name, commands }: CompletedProgram): string[] {
  const own = functionName(name);
  return [
    `#compdef ${name}`,
    `# Completions of ${name} for zsh.`,
    // Of ids and files both are offered, which takes a function of its own.
    `${own}_models() {`,
    "  local expl ret=1",
    `  _wanted ids expl id compadd -- ${IDS.join(" ")} && ret=0`,
    `  ${filesOf("models")} && ret=0`,
    "  return ret",
    "}",
    `${own}() {`,
    "  local -a commands=(",
    ...commands.map(({ name, about }) => `    ${inQuotes(`${name}:${escaped(about)}`)}`),
    "  )",
    "  if ((CURRENT == 2)); then",
    "    _describe -t commands command commands",
    `    compadd -- ${OWN_OPTIONS.join(" ")}`,
    "    return",
    "  fi",
    "  local command=$words[2]",
    "  shift words",
    "  ((CURRENT--))",
    "  case $command in",
    ...commands.flatMap((command) => commandCase(own, command)),
    "  esac",
    "}",
    `if [[ $funcstack[1] == ${own} ]]; then ${own} "$@"; else compdef ${own} ${name}; fi`,
  ];
}

function commandCase(own: string, { name, options, operands }: CompletedCommand): string[] {
  const specs = [
    ...options.flatMap((option) => optionSpecs(own, option)),
    ...[actionOf(own, operands)].filter(Boolean).map((action) => inQuotes(`*:operand:${action}`)),
  ];
  return [
    `    ${name})`,
    "      _arguments -S \\",
    ...specs.map((spec, n) => `        ${spec}${n < specs.length - 1 ? " \\" : ""}`),
    "      ;;",
  ];
}

function optionSpecs(own: string, option: CompletedOption): string[] {
  const { about, value } = option, all = flagsOf(option);
  const end = `[${escaped(about)}]` +
    (value === undefined ? "" : `:${escaped(value.name)}:${actionOf(own, value)}`);
  return all.map((flag) => {
    const way = value === undefined ? "" : flag.startsWith("--") ? "=" : "+";
    return inQuotes(`(${all.join(" ")})${flag}${way}${end}`);
  });
}

/** What `_arguments` does for a value. */
function actionOf(own: string, { words, paths }: Values): string {
  if (paths === "models") return `${own}_models`;
  return paths === undefined ? words.length > 0 ? `(${words.join(" ")})` : "" : filesOf(paths);
}

function filesOf(paths: NonNullable<Values["paths"]>): string {
  if (paths === "folders") return "_files -/";
  if (paths === "files") return "_files";
  // A last part in parentheses says which kind of file; it is never taken for an ending then.
  return `_files -g \\(\\#i\\)\\*.\\(${ENDINGS[paths].join("\\|")}\\)\\(-.\\)`;
}

/** A text in which colons and brackets end nothing. */
function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, "\\$&");
}
