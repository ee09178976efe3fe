/** `models`: what the catalog and the cache hold. */

import { defaultCacheDir, exists, removeModel, userCacheDir } from "../io/cache.ts";
import { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
import { resolveModel } from "../open_model.ts";
import { flag, RESOLVE_OPTIONS, shortened, type Table } from "../options.ts";
import { clearCache, describeAll, describeCached, listCache, summaryOf } from "./cache_contents.ts";
import type { Command } from "./command.ts";
import { knownModel, placeOf, pulling } from "./known_models.ts";
import { factsOf, tellFacts } from "./model_facts.ts";
import { WRITES } from "./permissions.ts";
import { print, printJson, tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  cacheDir: RESOLVE_OPTIONS.cacheDir,
  all: flag({}, "Remove all that was pulled or computed; only with remove"),
  json: flag({}, "Print one JSON document"),
} satisfies Table;

/** What an action is given. */
interface Given {
  /** None where nothing says where it is. */
  readonly cacheDir: string | undefined;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

type Action = (name: string | undefined, given: Given) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = { list, info, path, remove };
const SYNONYMS: Readonly<Record<string, string>> = { ls: "list", show: "info", rm: "remove" };

export const modelsCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]\n[OPTIONS] info ID|FILE\n[OPTIONS] path [ID]\n[OPTIONS] remove ID|--all",
  operands: {
    "(nothing)": "Lists them; * marks those that are here. Then what the cache holds",
    "info ID|FILE": "Tells all about one, or about a model file",
    "path [ID]": "Prints where the cache is, or a model's file; exit code 1 if that is not here",
    "remove ID": "Removes one from the cache, or what a pull of it left that was broken off",
    "remove --all":
      "Removes all of them, kernel times and indexes; nothing that is somebody else's",
  },
  examples: [
    { line: "vgg16 models" },
    { line: "vgg16 models info vgg16-imagenet200" },
    { line: "vgg16 models remove vgg16-imagenet", permissions: `${WRITES} --allow-env` },
  ],
  options: OPTIONS,

  async run(operands, { cacheDir = userCacheDir(), all = false, json = false }, signal) {
    const [word = "list", name, ...more] = operands;
    const action = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word]! : word;
    if (!Object.hasOwn(ACTIONS, action)) throw noAction(word);
    if (more.length > 0 || action === "list" && name !== undefined) {
      throw new UsageError(`models ${action} takes ${action === "list" ? "no" : "one"} ID`);
    }
    const given = { cacheDir, json, signal };
    if (all && action !== "remove") throw new UsageError("Option --all goes with models remove");
    if (all && name !== undefined) throw new UsageError("models remove takes an ID or --all");
    if (all) return await removeAll(given);
    return await ACTIONS[action]!(name, given);
  },
};

function noAction(word: string): UsageError {
  const meant = findModel(word) ? `: did you mean models info ${word}?` : "";
  return new UsageError(
    `models knows list, info, path and remove: found ${shortened(word)}${meant}`,
  );
}

async function list(_: undefined | string, { cacheDir, json }: Given): Promise<number> {
  const width = Math.max(...CATALOG.map(({ id }) => id.length));
  const models: (CatalogEntry & { readonly here: boolean })[] = [];
  for (const entry of CATALOG) {
    models.push({ ...entry, here: await placeOf({ id: entry.id, entry }, cacheDir) !== undefined });
  }
  const contents = cacheDir === undefined ? [] : await listCache(cacheDir);
  if (json) {
    printJson({ cache: { path: cacheDir ?? null, ...summaryOf(contents) }, models });
    return 0;
  }
  const cache = cacheDir === undefined
    ? "not known: set HOME or VGG16_CACHE_DIR, or give --cache-dir"
    : `${cacheDir}, ${contents.length === 0 ? "empty" : describeAll(contents)}`;
  print([
    ...models.map(({ here, id, title }) => `${here ? "*" : " "} ${id.padEnd(width)}  ${title}`),
    "",
    `Cache: ${cache}`,
    ...contents.map((file) => `  ${describeCached(file)}`),
  ]);
  return 0;
}

async function path(
  name: string | undefined,
  { cacheDir = defaultCacheDir(), json }: Given,
): Promise<number> {
  const model = name === undefined ? undefined : await knownModel(name);
  const place = model === undefined ? cacheDir : await placeOf(model, cacheDir);
  if (json) printJson({ path: place ?? null });
  else if (place !== undefined) print(place);
  if (place !== undefined) return 0;
  tellError(`${name} is not here. ${whereFrom(name!, model!.entry)}`);
  return 1;
}

/** How to get a model that is not here. */
function whereFrom(name: string, entry: CatalogEntry | undefined): string {
  if (entry?.package !== undefined) return `It is in the package ${entry.package}`;
  if (entry?.page !== undefined) return `Get it from ${entry.page}, and convert it`;
  return `To download it: ${pulling(name)}`;
}

async function info(name: string | undefined, { cacheDir, json }: Given): Promise<number> {
  if (name === undefined) throw new UsageError("models info needs the ID of a model, or a file");
  if (findModel(name) === undefined && await exists(name)) {
    tellFacts(factsOf(await resolveModel(name)), json);
    return 0;
  }
  const known = await knownModel(name), { entry } = known;
  const place = await placeOf(known, cacheDir), isOwn = entry?.file !== undefined;
  const source = isOwn ? entry.id : place;
  const model = place === undefined ? undefined : await resolveModel(source, { offline: !isOwn });
  tellFacts({ ...entry, path: isOwn ? undefined : place, ...model && factsOf(model) }, json);
  if (place === undefined && !json) print(`It is not here. ${whereFrom(name, entry)}.`);
  return place === undefined && entry === undefined ? 1 : 0;
}

async function remove(
  name: string | undefined,
  { cacheDir = defaultCacheDir(), json, signal }: Given,
): Promise<number> {
  if (name === undefined) throw new UsageError("models remove needs the ID of a model, or --all");
  const { id, entry } = await knownModel(name);
  if (entry?.file !== undefined) {
    throw new UsageError(
      `${id} is part of a package, not of the cache: there is nothing to remove`,
    );
  }
  const files = (await listCache(cacheDir)).filter(({ model }) => model === id);
  const isRemoved = await removeModel(id, cacheDir, signal);
  if (json) printJson({ removed: files });
  else if (files.length > 0) print(files.map((file) => `Removed: ${describeCached(file)}`));
  else print(isRemoved ? `${name} is removed` : `${name} was not here`);
  return 0;
}

async function removeAll({ cacheDir = defaultCacheDir(), json, signal }: Given): Promise<number> {
  const files = await clearCache(cacheDir, signal);
  if (json) printJson({ removed: files });
  else if (files.length === 0) print(`There was nothing to remove in ${cacheDir}`);
  else {
    print([
      ...files.map((file) => `Removed: ${describeCached(file)}`),
      `${describeAll(files)} of ${cacheDir}`,
    ]);
  }
  return 0;
}
