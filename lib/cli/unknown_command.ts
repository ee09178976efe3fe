/** What is said to somebody who does not know the commands yet. */

import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { closestName, shortened } from "../options/closest.ts";
import { describePath } from "../platform.ts";
import { COMMANDS } from "./commands.ts";
import { UsageError } from "./usage_error.ts";

/** Other names of commands, and what people look for that a command does. */
const SYNONYMS: ReadonlyMap<string, string> = new Map(Object.entries({
  ...{ predict: "classify", label: "classify", recognize: "classify", run: "classify" },
  ...{ features: "embed", embeddings: "embed", search: "similar", dedupe: "duplicates" },
  ...{ heatmap: "explain", gradcam: "explain", train: "fit", learn: "fit", "fine-tune": "fit" },
  ...{ test: "evaluate", accuracy: "evaluate", benchmark: "profile", import: "convert" },
  ...{
    version: "--version",
    download: "pull",
    fetch: "pull",
    get: "pull",
    list: "models",
    ls: "models",
  },
  ...{ info: "models info", show: "models info", remove: "models remove", rm: "models remove" },
}));

/** Letters by which a word may differ from the one that is meant, if it is no short one. */
const NEAR = 2;

/** What is said of a first word that is no command: it may be a picture, or a word for one of them. */
export async function unknownCommand(args: readonly string[]): Promise<UsageError> {
  const [name = "", ...rest] = args, shown = shortened(name);
  if (name.startsWith("-")) {
    return new UsageError(`Expected a command first, found the option ${shown}`);
  }
  const synonym = SYNONYMS.get(name.toLowerCase());
  if (synonym !== undefined) {
    const meant = [...synonym.split(" "), ...rest];
    return new UsageError(`There is no command ${shown}: it is called ${synonym} here`, { meant });
  }
  if (await isThere(name)) {
    const meant = ["classify", ...args];
    return new UsageError(`Expected a command first, found the path ${shown}`, { meant });
  }
  const nearest = closestName(name, Object.keys(COMMANDS));
  if (levenshteinDistance(shown, nearest) > Math.min(NEAR, shown.length >> 1)) {
    return new UsageError(`There is no command ${shown}: --help lists them`);
  }
  const meant = [nearest, ...rest];
  return new UsageError(`There is no command ${shown}: did you mean ${nearest}?`, { meant });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await describePath(path);
    return true;
  } catch {
    return false;
  }
}
