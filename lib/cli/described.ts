/** Options as people read them: what help, completions and the manual say of each. */

import { defaultText, flagName, type Option, type Table, valuesText } from "../options.ts";
import { flagOf, HELP_OPTION, isSwitch, SHORT_FLAGS } from "./arguments.ts";

/** A line that somebody may type. */
export interface Example {
  /** With `vgg16` for the program's name. */
  readonly line: string;
  readonly about?: string;
  /** What it needs to be permitted, if that is not what the command needs. */
  readonly permissions?: string;
}

/** What takes options: a command, or the service. */
export interface Helped<T extends Table = Table> {
  /** What follows its name, a line for each form. */
  readonly usage: string;
  /** What its operands are, where that needs words. */
  readonly operands?: Readonly<Record<string, string>>;
  readonly examples?: readonly Example[];
  /** In the order of its help, within each group. */
  readonly options: T;
  /** Titles of options that belong together, and not to the groups that all commands have. */
  readonly groups?: Readonly<Record<string, readonly (keyof T & string)[]>>;
  /** How its help ends, line by line: exit codes and the like. */
  readonly notes?: string;
}

/** An option as it is described. */
export interface Described {
  readonly option: Option;
  /** Its letter, `-k`. */
  readonly short: string | undefined;
  /** The long ways to write it, such as `--flip` and `--no-flip`. */
  readonly long: readonly string[];
  /** What a value is called; flags have none. */
  readonly value: string | undefined;
  /** What it is for. */
  readonly about: string;
  /** Which values there are, and what stands for none; may be empty. */
  readonly more: string;
}

/** Options that belong together. */
export interface Group {
  readonly title: string;
  readonly options: readonly Described[];
}

/** What options are called that any command may have, by what they are for. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  "What is shown": ["topK", "scoreThreshold", "allow", "deny", "threshold", "by", "draw"],
  "Output": [
    ...["out", "json", "jsonl", "csv", "tsv", "force", "dryRun"],
    ...["index", "rebuild", "quiet", "verbose"],
  ],
  "Which pictures": ["filesFrom", "hidden", "shard", "maxPixels", "truncated"],
  "Parts, for many machines": ["manifest", "part", "outDir", "as", "maxErrors", "partSize"],
  "How to look (slower, mostly better)": ["crops", "scales", "flip"],
  "Model and machine": [
    ...["model", "backend", "precision", "threads", "cacheDir", "baseUrl", "offline", "help"],
  ],
};

/** What is in no group. */
const OTHERS = "Options";

/** All options of a command and its help, in groups: its own, those that are in none, and those that many commands have. */
export function groupsOf({ options, groups = {} }: Pick<Helped, "options" | "groups">): Group[] {
  const all: Table = { ...options, ...HELP_OPTION };
  const titleOf = (name: string): string => {
    const has = ([, names]: [string, readonly string[]]): boolean => names.includes(name);
    return (Object.entries(groups).find(has) ?? Object.entries(SHARED).find(has))?.[0] ?? OTHERS;
  };
  const byTitle = Map.groupBy(Object.entries(all), ([name]) => titleOf(name));
  const titles = new Set([...Object.keys(groups), OTHERS, ...Object.keys(SHARED)]);
  return [...titles].flatMap((title) => {
    const named = byTitle.get(title) ?? [];
    return named.length === 0 ? [] : [{ title, options: named.map((one) => describe(...one)) }];
  });
}

function describe(name: string, option: Option): Described {
  const short = SHORT_FLAGS.get(name), flag = flagName(name);
  const isOn = option.kind === "boolean" && option.default === true;
  const fallback = isOn ? "on" : defaultText(option);
  return {
    ...{ option, about: option.about },
    short: short && `-${short}`,
    long: isSwitch(option) ? [`--${flag}`, `--no-${flag}`] : [`--${flagOf(name, option)}`],
    value: valueName(flag, option),
    more: [valuesText(option), fallback && `default: ${fallback}`].filter(Boolean).join("; "),
  };
}

/** Letters of a value's name at most, so that a column of options stays narrow. */
const SHORT_NAME = 6;

function valueName(flag: string, { kind, placeholder }: Option): string | undefined {
  if (kind === "boolean") return undefined;
  const usual = { integer: "N", number: "X", integers: "N,..." } as Partial<Record<string, string>>;
  const last = flag.split("-").at(-1)!.toUpperCase();
  return placeholder ?? usual[kind] ?? (last.length > SHORT_NAME ? last[0] : last);
}

/** `-k` and `--top-k`: all ways to write an option. */
export function flagsOf({ short, long }: Pick<Described, "short" | "long">): readonly string[] {
  return short === undefined ? long : [short, ...long];
}

/** `Labels of an image at most, best first (default: 5)` */
export function textOf({ about, more }: Described): string {
  return more === "" ? about : `${about} (${more})`;
}

/** What a command does, in a sentence. */
export function sentence(about: string): string {
  return `${about.slice(0, 1).toUpperCase()}${about.slice(1)}.`;
}

/** `--[no-]flip`, `--top-k N` */
export function writtenOf({ long, value }: Described): string {
  const [flag] = long, all = long.length > 1 ? flag!.replace("--", "--[no-]") : flag!;
  return value === undefined ? all : `${all} ${value}`;
}
