/**
 * From what a user names to a Model.
 *
 * @module
 */

import { WeightsDownloadError } from "../errors.ts";
import type { Model } from "../vgg/model.ts";
import { asUrl, type SourceLike, sourceName } from "./byte_source.ts";
import { openModel } from "./model_file.ts";

/** The model that comes with the package. Relative to this module, so that it works from https too. */
const EMBEDDED = new URL("../../weights/vgg16-cifar10.safetensors", import.meta.url);

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
  const source = model ?? EMBEDDED;
  if (options.offline && isRemote(source)) {
    throw new WeightsDownloadError(
      `${source} is on the network, which offline mode does not touch. Use a path, or a model that was pulled before`,
      { url: String(source) },
    );
  }
  return await openModel(source, {
    signal: options.signal,
    onProgress: (loaded, total) =>
      options.onProgress?.({ file: sourceName(source), loaded, total }),
  });
}

function isRemote(source: SourceLike): boolean {
  if (source instanceof Uint8Array) return false;
  return /^https?:$/.test(asUrl(source)?.protocol ?? "");
}
