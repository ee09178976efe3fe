/** What is said of an error that ends the program, and what to type then. */

import { publicText } from "../public_url.ts";
import { isGranted } from "../platform.ts";
import { OF_DENO } from "./arguments.ts";
import { COMMANDS } from "./commands.ts";
import { inWords } from "./error_words.ts";
import { missed } from "./missing_permission.ts";
import { READS } from "./permissions.ts";
import { denoRun, programName, quoted } from "./program_name.ts";
import { tell, tellError } from "./terminal.ts";
import { MisplacedOption, UsageError } from "./usage_error.ts";

/**
 * Says what went wrong.
 *
 * @param args All that was typed after the program's name.
 * @returns The exit code
 */
export async function tellFailure(thrown: unknown, args: readonly string[]): Promise<number> {
  const error = await inWords(thrown);
  tellError(error);
  const advice = adviceFor(error, args);
  if (advice === undefined) tellMissed(args);
  else tell(advice);
  return error instanceof UsageError ? 2 : 1;
}

/** Says how to run the same with the permissions that were missing, if any were. */
export function tellMissed(args: readonly string[]): void {
  if (missed.size > 0) tell(rerun(args, [...missed]));
}

function adviceFor(error: unknown, args: readonly string[]): string | undefined {
  if (error instanceof MisplacedOption) {
    return rerun(
      args.filter((word) => !OF_DENO.test(word)),
      args.filter((word) => OF_DENO.test(word)),
    );
  }
  if (!(error instanceof UsageError)) return undefined;
  const [name = ""] = args;
  const help = Object.hasOwn(COMMANDS, name) ? [name, "--help"] : ["--help"];
  const words = error.meant ?? help;
  return `Try: ${programName(permissionsOf(words[0]!))} ${typed(words)}`;
}

/** Words as they are typed; without those that follow the first if a URL among them has what is secret. */
function typed(words: readonly string[]): string {
  // Its public form is also written as browsers do: that alone is no secret.
  const isPublic = (word: string): boolean =>
    [word, URL.parse(word)?.href].includes(publicText(word));
  return words.every(isPublic) ? words.map(quoted).join(" ") : `${quoted(words[0]!)} ...`;
}

/** What is known to be needed by a command, whatever its options are. */
function permissionsOf(name: string): string {
  const permissions = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]!.permissions : undefined;
  return permissions ?? READS;
}

const KINDS = ["read", "write", "net", "env", "sys"] as const;

/**
 * What is permitted, for all files, hosts or variables. Deno does not list those of which only some are; but it tells
 * of the files that were named.
 */
function granted(args: readonly string[]): string[] {
  const has = (name: typeof KINDS[number]): boolean => {
    if (isGranted({ name })) return true;
    if (name !== "read" && name !== "write") return false;
    return args.some((path) => path !== "" && isGranted({ name, path }));
  };
  return KINDS.filter(has).map((name) => `--allow-${name}`);
}

/** Where a permission stands among others. */
function placeOf(flag: string): number {
  const place = KINDS.findIndex((kind) => flag.startsWith(`--allow-${kind}`));
  return place === -1 ? KINDS.length : place;
}

/** The same command line with more permissions. */
function rerun(args: readonly string[], more: readonly string[]): string {
  const all = new Set([...granted(args), ...permissionsOf(args[0] ?? "").split(" "), ...more]);
  // What a command needs is known, and it is never all.
  const some = [...all].filter((flag) => !/^(-A|--allow-all)$/.test(flag))
    .sort((a, b) => placeOf(a) - placeOf(b));
  return `Run: ${denoRun(some.join(" "))} ${typed(args)}`;
}
