/** Models that are known by name: those of the catalog, and of repositories. */

import { fromFileUrl } from "@std/path";
import { cachedModelPath, exists, userCacheDir } from "../io/cache.ts";
import { CATALOG, type CatalogEntry, findModel } from "../model/catalog.ts";
import { ownFile } from "../open_model.ts";
import { nearName, shortened } from "../options.ts";
import { programName } from "./program_name.ts";
import { UsageError } from "./usage_error.ts";

/** A model that is known by name. */
export interface KnownModel {
  /** What its file in the cache is called. */
  readonly id: string;
  /** Of a repository there is none. */
  readonly entry?: CatalogEntry | undefined;
}

/**
 * What a name stands for: an id of the catalog, `hf:OWNER/NAME`, or the name that such a model has in the cache.
 *
 * @throws {UsageError} If it is none of these.
 */
export async function knownModel(name: string): Promise<KnownModel> {
  const entry = findModel(name);
  if (entry !== undefined) return { id: name, entry };
  if (isRepositoryId(name)) return { id: name };
  const { asRepository, cachedIdOf } = await import("../convert/repository/hub.ts");
  try {
    const repository = asRepository(name);
    if (repository !== undefined) return { id: cachedIdOf(repository) };
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
  throw new UsageError(`There is no model ${shortened(name)} in the catalog: ${instead(name)}`);
}

/** Whether a name is what the model of a repository is called in the cache. */
export function isRepositoryId(name: string): boolean {
  return /^hf--[\w.-]+--[\w.-]+--[\w.+-]+$/.test(name);
}

/** Where a model's file is, if it is here: a path, or the URL of one that comes with the program. */
export async function placeOf(
  { id, entry }: KnownModel,
  cacheDir: string | undefined = userCacheDir(),
): Promise<string | undefined> {
  const own = entry && ownFile(entry);
  if (own === undefined) {
    if (cacheDir === undefined) return undefined;
    const path = cachedModelPath(id, cacheDir);
    return await exists(path) ? path : undefined;
  }
  if (own.protocol === "file:") {
    return await exists(fromFileUrl(own)) ? fromFileUrl(own) : undefined;
  }
  return entry?.package === undefined ? own.href : undefined;
}

/** The command that downloads a model. */
export function pulling(name: string): string {
  return `${programName("--allow-read --allow-write --allow-net --allow-env")} pull ${name}`;
}

/** What to do about a name that no model has. */
export function instead(name: string): string {
  const near = nearName(name, CATALOG.map(({ id }) => id));
  return near === undefined ? `${programName()} models lists them` : `did you mean ${near}?`;
}
