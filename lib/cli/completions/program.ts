/** What a shell has to know of the program, whichever shell it is. */

import { IMAGE_EXTENSIONS } from "../../image/image.ts";
import { CATALOG } from "../../model/catalog.ts";
import { allOptions, type CommandInfo } from "../command.ts";
import { type Described, groupsOf } from "../described.ts";

/** What may follow an option, or be an operand: words, or paths, or both. */
export interface Values {
  readonly words: readonly string[];
  /** Folders are offered with all of them, as a way to what is in them. */
  readonly paths?: "pictures" | "models" | "files" | "folders";
}

/** An option, as it is completed. */
export interface CompletedOption {
  readonly short: string | undefined;
  readonly long: readonly string[];
  readonly about: string;
  /** What its value is called, and may be; flags have none. */
  readonly value?: Values & { readonly name: string };
}

/** A command, as it is completed. */
export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly CompletedOption[];
  readonly operands: Values;
}

/** The program, as a shell knows it. */
export interface CompletedProgram {
  /** What is typed for it. */
  readonly name: string;
  readonly commands: readonly CompletedCommand[];
}

/** How files are called that are offered, without the dots. */
export const ENDINGS = {
  pictures: [...IMAGE_EXTENSIONS].map((ending) => ending.slice(1)),
  models: ["safetensors"],
} as const;

/** What is typed where a command could be. */
export const OWN_OPTIONS: readonly string[] = ["--help", "--version"];

/** Reads it from the tables of all commands. */
export async function programOf(
  name: string,
  table: Readonly<Record<string, CommandInfo>>,
): Promise<CompletedProgram> {
  const commands = Object.entries(table).map(async ([name, { about, completed = {}, load }]) => {
    const command = await load();
    const groups = groupsOf({ ...command, options: allOptions(command) });
    const { paths, ids = false, words = [] } = completed;
    return {
      ...{ name, about },
      options: groups.flatMap(({ options }) => options).map(optionOf),
      operands: { words: [...words, ...ids ? IDS : []], ...paths && { paths } },
    };
  });
  const help = { name: "help", about: "shows the help of a command", options: [] };
  const operands = { words: Object.keys(table) };
  return { name, commands: [...await Promise.all(commands), { ...help, operands }] };
}

/** What models of the catalog are called. */
export const IDS: readonly string[] = CATALOG.map(({ id }) => id);

function optionOf(described: Described): CompletedOption {
  const { short, long, about, value } = described;
  if (value === undefined) return { short, long, about };
  return { short, long, about, value: { name: value, ...valuesOf(described) } };
}

/** What the placeholders of options' values stand for. */
const PATHS: Readonly<Record<string, Values["paths"]>> = {
  FILE: "files",
  MODEL: "files",
  WHAT: "files",
  DIR: "folders",
};

function valuesOf({ option, long: [flag], value }: Described): Values {
  if (option.kind === "choice" || option.kind === "choices") {
    return { words: option.choices.map(String) };
  }
  if (flag === "--model" || flag === "--fuse") return { words: IDS, paths: "models" };
  const paths = PATHS[value ?? ""];
  return {
    words: option.kind === "integer" && option.or !== undefined ? [option.or] : [],
    ...paths && { paths },
  };
}

/** A name as functions of a shell may have it. */
export function functionName(name: string): string {
  return `_${name.replaceAll(/\W/g, "_")}`;
}
