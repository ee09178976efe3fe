/** What the command line says of itself, and to somebody who does not know it yet. */

import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { closestName, shortened } from "../options/closest.ts";
import { describePath } from "../platform.ts";
import { VERSION } from "../version.ts";
import { COMMAND_GROUPS } from "./commands.ts";
import { programName } from "./program_name.ts";
import { UsageError } from "./usage_error.ts";

/** Other names of commands, and what people look for that a command does. */
const SYNONYMS: ReadonlyMap<string, string> = new Map(Object.entries({
  ...{ predict: "classify", label: "classify", recognize: "classify", run: "classify" },
  ...{ features: "embed", embeddings: "embed", search: "similar", dedupe: "duplicates" },
  ...{ heatmap: "explain", gradcam: "explain", train: "fit", learn: "fit", "fine-tune": "fit" },
  ...{ test: "evaluate", accuracy: "evaluate", benchmark: "profile", import: "convert" },
  ...{ download: "pull", fetch: "pull", get: "pull", list: "models", ls: "models" },
  ...{ info: "models info", show: "models info", remove: "models remove", rm: "models remove" },
}));

/** The help of the whole program. */
export function programHelp(): string[] {
  const program = programName();
  return [
    `vgg16 ${VERSION}: labels pictures with int8 VGG networks. No Python, no GPU needed.`,
    "",
    `Usage: ${program} COMMAND [OPTIONS] ...`,
    `       ${program} help COMMAND`,
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [
      "",
      title,
      ...Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`),
    ]),
    "",
    "Examples",
    `  ${program} classify cat.jpg`,
    `  ${program} classify photos --csv > labels.csv`,
    `  ${program} fit pets --out pets.safetensors`,
    `  ${program} classify new.jpg --model pets.safetensors`,
    "",
    "Options",
    "  -h, --help     this, or a command's own help",
    "  -V, --version  the version",
    "",
    "Environment (an option wins)",
    "  VGG16_MODEL, VGG16_BACKEND, VGG16_THREADS, VGG16_OFFLINE",
    "  VGG16_CACHE_DIR  pulled models (default: edge-vgg16 in the user's cache)",
    "  NO_COLOR, FORCE_COLOR",
    "",
    "Exit codes: 0 all done; 1 something failed, the rest is done; 2 wrong command",
    "line or setting, nothing done; 128 + the signal's number when stopped",
    "(130: Ctrl-C; 141: whoever reads standard output has left).",
  ];
}

/** Letters by which a word may differ from the one that is meant. */
const NEAR = 2;

/** What is said of a first word that is no command: it may be a picture, or a word for one of them. */
export async function unknownCommand(
  name: string,
  known: readonly string[],
): Promise<UsageError> {
  const program = programName();
  if (name.startsWith("-")) {
    return new UsageError(
      `Expected a command first, found the option ${shortened(name)}: ${program} help lists them`,
    );
  }
  const meant = SYNONYMS.get(name.toLowerCase());
  if (meant !== undefined) {
    return new UsageError(`There is no command ${name}: it is called ${meant} here`);
  }
  if (await isThere(name)) {
    return new UsageError(
      `${shortened(name)} is no command: try ${program} classify ${shortened(name)}`,
    );
  }
  const nearest = closestName(name, known);
  const isNear = levenshteinDistance(shortened(name), nearest) <= NEAR;
  return new UsageError(
    `There is no command ${shortened(name)}: ` +
      (isNear ? `did you mean ${nearest}?` : `${program} help lists them`),
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    await describePath(path);
    return true;
  } catch {
    return false;
  }
}
