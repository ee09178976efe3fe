/**
 * From what a user names to a Model, in four steps: locate it; bring it here, whole or not at all; convert
 * it, if it is another's checkpoint; open it.
 */

import { provided } from "./provided.ts";
import type { PackagedFile } from "./io/wrapped_file.ts";
import { isVggError, ModelNotFoundError } from "./errors.ts";
import type { ProgressOptions } from "./progress.ts";
import { cachedModelPath, exists } from "./io/cache.ts";
import type { SourceLike } from "./io/open_source.ts";
import { asUrl, type Fetch } from "./urls.ts";
import { CATALOG, type CatalogEntry, findModel } from "./model/catalog.ts";
import { openModel } from "./model/file.ts";
import { nearName, shortened } from "./options.ts";
import type { Model } from "./model/model.ts";
import { describePath, isGranted, NotFound } from "./platform.ts";
import { VERSION } from "./version.ts";

/**
 * Where this module lies; those of Cloudflare's Workers do not know. It is not said where it is used: a bundler that reads
 * that would look for the folder.
 */
const HERE: string | undefined = (import.meta as { url?: string }).url;
/** The models' folder of a checkout. */
const WEIGHTS = HERE === undefined ? undefined : new URL("../weights/", HERE);
/** The model that comes with the package. `entries/model.ts` puts it into the module graph, where Deno has it at hand. */
export const EMBEDDED: PackagedFile = {
  name: "vgg16-imagenet200.wasm",
  url: HERE === undefined
    ? undefined
    : new URL("../weights/vgg16-imagenet200.wasm", import.meta.url),
  module: () => import(EMBEDDED.url!.href),
};
const EMBEDDED_ID = "vgg16-imagenet200";

/** A model's catalog id, path, URL or a request for it, bytes, what a package of models exports, or an open one. */
export type ModelSource = SourceLike | Model;

/** How a model is found and brought here. */
export interface ResolveOptions extends ProgressOptions {
  /** Where downloaded models are kept. */
  readonly cacheDir?: string | undefined;
  /** Mirror that replaces scheme and host of the catalog's URLs. */
  readonly baseUrl?: string | undefined;
  /** Never touch the network. */
  readonly offline?: boolean | undefined;
  /** Asks servers for a model, such as with a key in the headers. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Stops a download. */
  readonly signal?: AbortSignal | undefined;
  /** Called, once, where the hash that is known of a checkpoint that is pulled does not rule out a forgery. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Opens a model by its catalog id, path, URL or bytes, unless it is open; without a name the embedded
 * one.
 *
 * @throws {CheckpointFormatError} If it is not a model file, or is cut short.
 * @throws {WeightsIntegrityError} If it is damaged.
 * @throws {WeightsDownloadError} If it cannot be downloaded.
 * @throws {OfflineError} If it is on the network, and `offline` is set.
 * @throws {ModelNotFoundError} If there is no such model.
 */
export async function resolveModel(
  model: ModelSource | undefined,
  { cacheDir, baseUrl, offline, fetch, signal, onProgress, onWarning }: ResolveOptions = {},
): Promise<Model> {
  if (isModel(model)) return model;
  const place = await locate(model, cacheDir);
  const pulling = { cacheDir, baseUrl, offline, fetch, signal, onProgress, onWarning };
  const file = "id" in place ? await bringAndConvert(place.id, pulling) : place.file;
  try {
    return await openModel(file, { offline, fetch, signal, onProgress });
  } catch (error) {
    if ("entry" in place && place.entry) throw asMissing(error, place.entry);
    throw typeof model === "string" ? await withNearFile(error, model) : error;
  }
}

/** Where a model of the catalog is, if it is one of its own. */
export function ownFile({ id, file }: CatalogEntry): URL | undefined {
  if (id === EMBEDDED_ID) return EMBEDDED.url;
  return file === undefined || WEIGHTS === undefined ? undefined : new URL(file, WEIGHTS);
}

/** What file a model is in that is named: its path, its URL or what comes with code; `undefined` if it has to be pulled first. */
export async function modelFile(
  model: string | undefined,
  cacheDir: string | undefined,
): Promise<string | URL | PackagedFile | undefined> {
  const place = await locate(model, cacheDir);
  // A name stands for nothing else.
  return "id" in place ? undefined : place.file as string | URL | PackagedFile;
}

/** What to do where a model of another package is asked for by its id, and only a checkout has its file. */
function asMissing(error: unknown, { id, package: name }: CatalogEntry): unknown {
  if (name === undefined || !isVggError(error, "model-not-found")) return error;
  return new ModelNotFoundError(
    `${id} is in a package of its own: add jsr:${name}@${VERSION}, and write ` +
      `import { model } from "${name}", and { model } for { model: "${id}" }`,
    { cause: error },
  );
}

/** A model file, which may be one of the catalog's own; or the id of a checkpoint that is not here yet. */
type Place =
  | { readonly file: SourceLike; readonly entry?: CatalogEntry | undefined }
  | { readonly id: string };

/** Whether this is an open model. */
function isModel(model: ModelSource | undefined): model is Model {
  return typeof model === "object" && "weights" in model;
}

/** Where it does not know where it lies, a program has no file of the package. */
function checkedEmbedded(): PackagedFile {
  if (HERE !== undefined) return EMBEDDED;
  throw new ModelNotFoundError(
    "Expected a model: none comes with the package here, so give that of @edge/vgg16-small, or another",
  );
}

async function locate(
  model: SourceLike | undefined,
  cacheDir: string | undefined,
): Promise<Place> {
  if (model === undefined && provided.model !== undefined) return { file: provided.model };
  if (model === undefined || model === EMBEDDED_ID) return { file: checkedEmbedded() };
  if (typeof model !== "string") return { file: model };
  const entry = findModel(model);
  const own = entry && ownFile(entry);
  if (own !== undefined) return { file: own, entry };
  if (entry !== undefined) {
    const path = cachedModelPath(entry.id, cacheDir);
    return await exists(path) ? { file: path } : { id: entry.id };
  }
  if (model.startsWith("hf:")) {
    throw new ModelNotFoundError(
      `Expected a model, but ${
        shortened(model)
      } is a repository of checkpoints: pull or convert it, and give the file`,
    );
  }
  const isName = asUrl(model) === undefined && !/[./\\]/.test(model);
  if (isName && !await isThere(model)) {
    const packed = CATALOG.find(({ package: name }) => name?.endsWith(`/${model}`));
    const meant = packed?.id ?? nearName(model, CATALOG.map(({ id }) => id)) ??
      await nearFile(model);
    throw new ModelNotFoundError(
      `Expected a catalog id, a path or a URL of a model: found "${
        shortened(model)
      }", which is none. ` +
        (meant === undefined ? "The command models lists the ids" : `Did you mean ${meant}?`),
    );
  }
  return { file: model };
}

/** Whether a path leads to anything: what is no file is told as what it is. */
async function isThere(path: string): Promise<boolean> {
  try {
    await describePath(path);
    return true;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}

/** The model file that is called so but for its ending, if there is one. */
async function nearFile(path: string): Promise<string | undefined> {
  const near = `${path}.safetensors`;
  return isGranted({ name: "read", path: near }) && await exists(near) ? near : undefined;
}

/** The error of a path where there is nothing, with what was meant. */
async function withNearFile(error: unknown, path: string): Promise<unknown> {
  if (!(error instanceof ModelNotFoundError) || asUrl(path) !== undefined) return error;
  const near = await nearFile(path);
  if (near === undefined) return error;
  return new ModelNotFoundError(`${error.message}. Did you mean ${near}?`, { cause: error });
}

async function bringAndConvert(
  id: string,
  options: ResolveOptions,
): Promise<string> {
  if (provided.pull === undefined) {
    throw new ModelNotFoundError(
      `${id} has to be pulled and converted, which this entry of the package does not: import @edge/vgg16`,
    );
  }
  const { pullModel } = await provided.pull();
  return await pullModel(id, options);
}
