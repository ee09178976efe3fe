/** From a catalog id to a model file in the cache: download, verify, convert. */

import {
  CheckpointFormatError,
  DiskFullError,
  ModelNotFoundError,
  OfflineError,
} from "../../errors.ts";
import { environmentVariable, makeFolder } from "../../platform.ts";
import type { LoadProgress } from "../../io/byte_source.ts";
import {
  cachedModelPath,
  defaultCacheDir,
  exists,
  removeLeftovers,
  withModelLock,
} from "../../io/cache.ts";
import { download, type ExpectedFile, removeDownload } from "../../io/download.ts";
import { type CatalogEntry, findModel } from "../../model/catalog.ts";
import { IMAGENET_CLASSES } from "../../model/labels.ts";
import { checkOptions, PULL_OPTIONS } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import { convert, type ConvertOptions } from "../convert.ts";

/** Options of {@linkcode pullModel}. */
export interface PullOptions {
  /** Where models are kept. Default: `VGG_CACHE_DIR`, or the user's folder for caches. */
  readonly cacheDir?: string;
  /** Stops the download or the conversion. What is there is kept for the next pull. */
  readonly signal?: AbortSignal;
  /** Called while the checkpoint is downloaded. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Never touch the network: what is not in the cache is an error. Default: false. */
  readonly offline?: boolean;
  /** Downloads again what is in the cache. */
  readonly force?: boolean;
  /** Entry to pull instead of the catalog's of this id. */
  readonly entry?: CatalogEntry;
  /** Replaces scheme and host of the URL. Default: `VGG_MODEL_BASE_URL`. */
  readonly baseUrl?: string;
}

/**
 * Puts a model into the cache, unless it is there. A download that was broken off is taken up by the next
 * pull, also in another process.
 *
 * @returns The model file's path.
 * @throws {RangeError} If an option is unknown or wrong.
 * @throws {ModelNotFoundError} If the catalog does not know the id, or no program can download it.
 * @throws {WeightsDownloadError} If it cannot be downloaded.
 * @throws {DiskFullError} If there is no space for it.
 * @throws {OfflineError} If it is not in the cache, and `offline` is set.
 * @throws {WeightsIntegrityError} If its hash is not the catalog's.
 * @throws {CheckpointFormatError} If what was downloaded is not a VGG.
 */
export async function pullModel(id: string, options: PullOptions = {}): Promise<string> {
  checkOptions(PULL_OPTIONS, options);
  const { entry = findModel(id), cacheDir = defaultCacheDir(), signal, onProgress } = options;
  if (entry?.url === undefined) {
    throw new ModelNotFoundError(
      entry?.page === undefined
        ? `Cannot pull ${id}: the catalog knows no download of that name`
        : `Cannot pull ${id}: no program can download it. Get it from ${entry.page}, and convert it`,
    );
  }
  const url = mirrored(entry.url, options.baseUrl ?? environmentVariable("VGG_MODEL_BASE_URL"));
  const path = cachedModelPath(id, cacheDir);
  if (options.offline) {
    if (!options.force && await exists(path)) return path;
    throw new OfflineError(`Model ${id}`, publicUrl(url));
  }
  const part = `${path}.part`;
  try {
    await makeFolder(cacheDir);
    await withModelLock(id, cacheDir, signal, async () => {
      await removeLeftovers(id, cacheDir);
      // Another process may have pulled it while this one waited.
      if (options.force || !await exists(path)) {
        await download(url, part, expectedFile(entry), {
          signal,
          onProgress: (loaded, total) => onProgress?.({ file: url.href, loaded, total }),
        });
        await convertPart(part, path, { ...descriptionOf(entry, url), signal });
      }
      await removeDownload(part);
    });
    return path;
  } catch (error) {
    throw explainDisk(error, cacheDir);
  }
}

/** The URL with the scheme and host of a mirror, below its path. */
function mirrored(url: string, base: string | undefined): URL {
  if (!base) return new URL(url);
  const { pathname, search } = new URL(url);
  return new URL(base.replace(/\/+$/, "") + pathname + search);
}

function expectedFile({ size, sha256, sha256Prefix, md5 }: CatalogEntry): ExpectedFile {
  return md5 === undefined
    ? { size, algorithm: "sha256", hash: sha256 ?? sha256Prefix ?? "" }
    : { size, algorithm: "md5", hash: md5 };
}

/** What the catalog says of the model. */
function descriptionOf(entry: CatalogEntry, url: URL): ConvertOptions {
  return {
    id: entry.id,
    labels: entry.labels === "imagenet" ? IMAGENET_CLASSES.map(({ label }) => label) : undefined,
    preprocessing: entry.preprocessing === "caffe" ? "caffe" : "torch",
    provenance: { source: url.href, license: entry.license, accuracy: entry.accuracy },
  };
}

async function convertPart(part: string, out: string, options: ConvertOptions): Promise<void> {
  try {
    await convert(part, { ...options, out });
  } catch (error) {
    // Of no use to the next pull; whatever else went wrong may be over then.
    if (error instanceof CheckpointFormatError) await removeDownload(part);
    throw error;
  }
}

/** Says what else there is to do. */
function explainDisk(error: unknown, cacheDir: string): unknown {
  if (!(error instanceof DiskFullError)) return error;
  return new DiskFullError(
    `There is no space left in ${cacheDir}: free some, or set VGG_CACHE_DIR to another folder`,
    { cause: error },
  );
}
