/** What Deno did not permit, in words. */

/** What the program wanted, by the kinds of Deno's permissions. */
const WORDS: Readonly<Record<string, string>> = {
  read: "read",
  write: "write to",
  net: "reach",
  env: "read the variable",
  sys: "ask the system for",
  run: "run",
  ffi: "load",
  import: "load code from",
};

/** What Deno calls without a name. */
const PLACES: Readonly<Record<string, string>> = {
  TMP: "the folder for temporary files",
  CWD: "the current folder",
};

/** A permission that is missing. */
export interface Missing {
  /** What it is for: `this needs to read cat.png`. */
  readonly message: string;
  /** Its option: `--allow-read`. */
  readonly flag: string;
}

/** The permission for whose lack there is an error, or an error that has caused it. */
export function missingPermission(error: unknown): Missing | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name !== "NotCapable") continue;
    const [, kind, name, place] = /Requires (\w+) access(?: to (?:"(.*)"|<(\w+)>))?/s
      .exec(cause.message) ?? [];
    if (kind === undefined || !Object.hasOwn(WORDS, kind)) continue;
    const what = name ?? (place === undefined ? undefined : PLACES[place] ?? place);
    const does = what === undefined ? `${kind} access` : `to ${WORDS[kind]} ${what}`;
    return { message: `this needs ${does}`, flag: `--allow-${kind}` };
  }
}

/** The options of all permissions that errors were told of. */
export const missed: Set<string> = new Set();
