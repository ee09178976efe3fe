/** What is said to somebody who does not know the commands yet. */

import { nearName, shortened } from "../options/closest.ts";
import { isThere } from "../platform.ts";
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

/** What is said of a first word that is no command: it may be a picture, or a word for one of them. */
export function unknownCommand(args: readonly string[]): UsageError {
  const [name = "", ...rest] = args, shown = shortened(name);
  if (name.startsWith("-")) {
    return new UsageError(`Expected a command first, found the option ${shown}`);
  }
  const synonym = SYNONYMS.get(name.toLowerCase());
  if (synonym !== undefined) {
    const meant = [...synonym.split(" "), ...rest];
    return new UsageError(`There is no command ${shown}: it is called ${synonym} here`, { meant });
  }
  if (isThere(name)) {
    const meant = ["classify", ...args];
    return new UsageError(`Expected a command first, found the path ${shown}`, { meant });
  }
  const nearest = nearName(name, Object.keys(COMMANDS));
  if (nearest === undefined) {
    return new UsageError(`There is no command ${shown}: --help lists them`);
  }
  const meant = [nearest, ...rest];
  return new UsageError(`There is no command ${shown}: did you mean ${nearest}?`, { meant });
}
