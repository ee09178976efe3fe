/**
 * From what a user names to a Model.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import { WeightsDownloadError } from "./errors.ts";
import { pickOptions, PULL_OPTIONS } from "./options.ts";
import type { Model } from "./model/model.ts";
import { asUrl, type SourceLike, sourceName } from "./io/byte_source.ts";
import { cachedModelPath, exists } from "./io/cache.ts";
import { CATALOG, findModel } from "./model/catalog.ts";
import { openModel } from "./model/file.ts";

/** The model that comes with the package. Relative to this module, so that it works from https too. */
const EMBEDDED = new URL("../weights/vgg16-cifar10.safetensors", import.meta.url);

/** How far a model is loaded. */
export interface LoadProgress {
  /** What is read: a path, or a URL. */
  readonly file: string;
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes in all; `undefined` where a server does not say. */
  readonly total: number | undefined;
}

/** Options of {@linkcode resolveModel}. */
export interface ResolveOptions {
  /** Where downloaded models are kept. */
  readonly cacheDir?: string;
  /** Never touch the network. */
  readonly offline?: boolean;
  /** Stops a download. */
  readonly signal?: AbortSignal;
  /** Called while something is downloaded. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Opens a model by its catalog id, path, URL or bytes; without a name the embedded one.
 *
 * @throws {CheckpointFormatError} If it is not a model file, or is cut short.
 * @throws {WeightsIntegrityError} If it is damaged.
 * @throws {WeightsDownloadError} If it cannot be downloaded, or must not be.
 * @throws {Deno.errors.NotFound} If there is no such file.
 */
export async function resolveModel(
  model: string | URL | Uint8Array | undefined,
  options: ResolveOptions = {},
): Promise<Model> {
  const source = await locate(model, options);
  if (options.offline && isRemote(source)) throw isOffline(String(source), String(source));
  return await openModel(source, {
    signal: options.signal,
    onProgress: (loaded, total) =>
      options.onProgress?.({ file: sourceName(source), loaded, total }),
  });
}

/** Where a model is, after it was pulled if it has to be. */
async function locate(
  model: string | URL | Uint8Array | undefined,
  options: ResolveOptions,
): Promise<SourceLike> {
  if (model === undefined) return EMBEDDED;
  if (typeof model !== "string") return model;
  const entry = findModel(model);
  if (entry?.file !== undefined) return EMBEDDED;
  if (entry !== undefined) {
    const path = cachedModelPath(entry.id, options.cacheDir);
    if (await exists(path)) return path;
    if (options.offline) throw isOffline(`Model ${entry.id}`, entry.url ?? entry.page!);
    // Whoever never pulls does not load the converter.
    const { pullModel } = await import("./convert/pull/pull.ts");
    return await pullModel(entry.id, pickOptions(PULL_OPTIONS, options));
  }
  const isName = asUrl(model) === undefined && !/[./\\]/.test(model);
  if (isName && !await exists(model)) {
    const nearest = closestString(model, CATALOG.map(({ id }) => id));
    throw new Deno.errors.NotFound(
      `Expected a catalog id, a path or a URL of a model: found "${model}", which is none. Did you mean ${nearest}?`,
    );
  }
  return model;
}

function isOffline(what: string, url: string): WeightsDownloadError {
  return new WeightsDownloadError(
    `${what} is on the network, which offline mode does not touch. Pull it first, or use a path`,
    { url },
  );
}

function isRemote(source: SourceLike): boolean {
  if (source instanceof Uint8Array) return false;
  return /^https?:$/.test(asUrl(source)?.protocol ?? "");
}
