/**
 * `models`: what the catalog and the cache hold.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import { cachedModelPath, defaultCacheDir, exists, removeModel } from "../io/cache.ts";
import { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
import { resolveModel } from "../open_model.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { untilInterrupted } from "./run.ts";

const HELP = `Shows the models that are known by name.

Usage: models [OPTIONS]              lists them; * marks those that are here
       models [OPTIONS] info ID      tells all about one
       models [OPTIONS] remove ID    removes one from the cache

Options:
  --cache-dir DIR    where models are kept (default: VGG_CACHE_DIR, or the user's cache)
  --json             prints JSON
  --help             shows this
`;

/** Runs the command. Resolves to the exit code. */
export async function modelsCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, { flags: ["json"], values: ["cache-dir"] });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  const cacheDir = parsed.values.get("cache-dir") ?? defaultCacheDir();
  const json = parsed.flags.has("json");
  const [action = "list", id, ...more] = parsed.operands;
  if (more.length > 0) throw new UsageError(`models ${action} takes one ID`);
  if (action === "list" && id === undefined) return await list(cacheDir, json);
  if (action !== "info" && action !== "remove") {
    throw new UsageError(
      `models knows list, info and remove: found "${parsed.operands.join(" ")}"`,
    );
  }
  const entry = id === undefined ? undefined : findModel(id);
  if (entry === undefined) {
    const nearest = id && closestString(id, CATALOG.map((known) => known.id));
    throw new UsageError(
      `models ${action} needs the ID of a model${nearest ? `: did you mean ${nearest}?` : ""}`,
    );
  }
  return action === "info" ? await info(entry, cacheDir, json) : await remove(entry, cacheDir);
}

async function isHere({ id, file }: CatalogEntry, cacheDir: string): Promise<boolean> {
  return file !== undefined || await exists(cachedModelPath(id, cacheDir));
}

async function list(cacheDir: string, json: boolean): Promise<number> {
  const width = Math.max(...CATALOG.map(({ id }) => id.length));
  for (const entry of CATALOG) {
    const here = await isHere(entry, cacheDir);
    if (json) console.log(JSON.stringify({ ...entry, here }));
    else console.log(`${here ? "*" : " "} ${entry.id.padEnd(width)}  ${entry.title}`);
  }
  return 0;
}

async function info(entry: CatalogEntry, cacheDir: string, json: boolean): Promise<number> {
  const here = await isHere(entry, cacheDir);
  const model = here ? await resolveModel(entry.id, { cacheDir, offline: true }) : undefined;
  const facts = {
    ...entry,
    path: here && entry.file === undefined ? cachedModelPath(entry.id, cacheDir) : undefined,
    architecture: model?.architecture,
    weightBytes: model?.weightBytes,
    provenance: model?.provenance,
    classes: model?.labels.length,
  };
  if (json) {
    console.log(JSON.stringify(facts));
    return 0;
  }
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null) continue;
    console.log(`${name.padEnd(14)} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  }
  if (!here) {
    console.log(
      entry.url === undefined
        ? `It is not here: get it from ${entry.page}, and convert it.`
        : `It is not here: pull ${entry.id} downloads it.`,
    );
  }
  return 0;
}

async function remove(entry: CatalogEntry, cacheDir: string): Promise<number> {
  if (entry.file !== undefined) throw new UsageError(`${entry.id} is part of the package`);
  return await untilInterrupted(async (signal) => {
    const removed = await removeModel(entry.id, cacheDir, signal);
    console.log(removed ? `${entry.id} is removed` : `${entry.id} was not here`);
    return 0;
  });
}
