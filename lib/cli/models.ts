/** `models`: what the catalog and the cache hold. */

import { fromFileUrl } from "@std/path";
import { cachedModelPath, defaultCacheDir, exists, removeModel } from "../io/cache.ts";
import { headOf } from "../model/architecture.ts";
import { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
import type { Model } from "../model/model.ts";
import { describeReadout } from "../model/readout.ts";
import { ownFile, resolveModel } from "../open_model.ts";
import { closestName, flag, RESOLVE_OPTIONS, type Table } from "../options.ts";
import { describePreprocessing } from "./describe_preprocessing.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { print, printJson } from "./terminal.ts";

const OPTIONS = {
  cacheDir: RESOLVE_OPTIONS.cacheDir,
  json: flag({}, "Print JSON"),
} satisfies Table;

export const modelsCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]\n[OPTIONS] info ID|FILE\n[OPTIONS] remove ID",
  operands: {
    "(nothing)": "Lists them; * marks those that are here",
    "info ID|FILE": "Tells all about one, or about a model file",
    "remove ID": "Removes one from the cache",
  },
  options: OPTIONS,

  async run(operands, { cacheDir = defaultCacheDir(), json = false }, signal) {
    const [action = "list", id, ...more] = operands;
    if (more.length > 0) throw new UsageError(`models ${action} takes one ID`);
    if (action === "list" && id === undefined) return await list(cacheDir, json);
    if (action !== "info" && action !== "remove") {
      throw new UsageError(`models knows list, info and remove: found "${operands.join(" ")}"`);
    }
    if (id === undefined) throw new UsageError(`models ${action} needs the ID of a model`);
    const entry = findModel(id);
    if (entry === undefined && action === "info" && await exists(id)) {
      tellFacts(factsOf(await resolveModel(id)), json);
      return 0;
    }
    if (entry === undefined) {
      const nearest = closestName(id, CATALOG.map((known) => known.id));
      throw new UsageError(`The catalog has no model ${id}: did you mean ${nearest}?`);
    }
    return action === "info"
      ? await info(entry, cacheDir, json)
      : await remove(entry, cacheDir, signal);
  },
};

async function isHere(entry: CatalogEntry, cacheDir: string): Promise<boolean> {
  const own = ownFile(entry);
  if (own === undefined) return await exists(cachedModelPath(entry.id, cacheDir));
  return own.protocol === "file:" ? await exists(fromFileUrl(own)) : entry.package === undefined;
}

async function list(cacheDir: string, json: boolean): Promise<number> {
  const width = Math.max(...CATALOG.map(({ id }) => id.length));
  for (const entry of CATALOG) {
    const here = await isHere(entry, cacheDir);
    if (json) printJson({ ...entry, here });
    else print(`${here ? "*" : " "} ${entry.id.padEnd(width)}  ${entry.title}`);
  }
  return 0;
}

async function info(entry: CatalogEntry, cacheDir: string, json: boolean): Promise<number> {
  const here = await isHere(entry, cacheDir);
  const offline = entry.file === undefined;
  const model = here ? await resolveModel(entry.id, { cacheDir, offline }) : undefined;
  const path = here && entry.file === undefined ? cachedModelPath(entry.id, cacheDir) : undefined;
  tellFacts({ ...entry, path, ...model && factsOf(model) }, json);
  if (json) return 0;
  if (!here) {
    print(
      entry.package !== undefined
        ? `It is not here, but in the package ${entry.package}.`
        : entry.url === undefined
        ? `It is not here: get it from ${entry.page}, and convert it.`
        : `It is not here: pull ${entry.id} downloads it.`,
    );
  }
  return 0;
}

/** What a model file says about itself. */
function factsOf(model: Model) {
  const { id, architecture, preprocessing, weightBytes, provenance, labels, readout } = model;
  const from = provenance.preprocessing;
  return {
    id,
    architecture,
    pooling: architecture.pooling,
    head: labels.length > 0 ? headOf(architecture) : undefined,
    readout: readout && describeReadout(readout),
    temperature: model.temperature,
    sureScore: model.sureScore,
    images: describePreprocessing(preprocessing) + (from === undefined ? "" : ` (${from})`),
    weightBytes,
    provenance,
    classes: labels.length,
  };
}

function tellFacts(facts: Readonly<Record<string, unknown>>, json: boolean): void {
  if (json) return printJson(facts);
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null) continue;
    print(`${name.padEnd(14)} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  }
}

async function remove(entry: CatalogEntry, cacheDir: string, signal: AbortSignal): Promise<number> {
  if (entry.file !== undefined) throw new UsageError(`${entry.id} is part of a package`);
  const removed = await removeModel(entry.id, cacheDir, signal);
  print(removed ? `${entry.id} is removed` : `${entry.id} was not here`);
  return 0;
}
