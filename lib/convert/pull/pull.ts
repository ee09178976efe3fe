/** From a catalog id to a model file in the cache: download, verify, convert. */

import {
  CheckpointFormatError,
  DiskFullError,
  isVggError,
  ModelNotFoundError,
  OfflineError,
} from "../../errors.ts";
import { BASE_URL, readVariable } from "../../environment.ts";
import { makeFolder, NotCapable } from "../../platform.ts";
import { type ProgressOptions, ProgressTeller } from "../../progress.ts";
import { cachedModelPath, defaultCacheDir, exists, withModelLock } from "../../io/cache.ts";
import { download, type ExpectedFile, removeDownload } from "../../io/download.ts";
import { isPlainHttp } from "../../io/http_source.ts";
import { type CatalogEntry, findModel } from "../../model/catalog.ts";
import { IMAGENET_CLASSES } from "../../model/labels.ts";
import type { Verification } from "../../model/model.ts";
import { checkOptions, PULL_OPTIONS } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import type { Fetch } from "../../urls.ts";
import { type ConvertOptions, convertToFile } from "../convert.ts";
import { asRepository, cachedIdOf, HubFiles, type RepositoryName } from "../repository/hub.ts";
import { checkEntry, verificationOf } from "./entry.ts";

/** Bytes of a checkpoint whose size is not published, at most: VGG19's float32 take 575 million. */
const MAX_BYTES = 2 ** 30;

/** What is said, once, where a checkpoint cannot be told for certain. */
const WARNINGS: Readonly<Partial<Record<Verification, string>>> = {
  md5: "only its MD5 is published, which tells damage, but not a forgery",
  sha256Prefix:
    "only the beginning of its SHA-256 is published, which tells damage, but not a forgery",
  nothing: "no hash of it is published: nothing tells it from another file",
};

/** Options of {@linkcode pullModel}. */
export interface PullOptions extends ProgressOptions {
  /** Where models are kept. Default: `VGG16_CACHE_DIR`, or the user's folder for caches. */
  readonly cacheDir?: string | undefined;
  /** Stops the download or the conversion. What is there is kept for the next pull. */
  readonly signal?: AbortSignal | undefined;
  /** Never touch the network: what is not in the cache is an error. Default: false. */
  readonly offline?: boolean | undefined;
  /** Asks the server, such as with a key in the headers. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Called, once, before a checkpoint is downloaded whose known hash does not rule out a forgery. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Downloads again what is in the cache. */
  readonly force?: boolean | undefined;
  /** Entry to pull instead of the catalog's of this id. */
  readonly entry?: CatalogEntry | undefined;
  /**
   * Replaces scheme and host of the URL. Plain http only where all of a SHA-256 is known, or from this
   * machine. Default: `VGG16_BASE_URL`.
   */
  readonly baseUrl?: string | undefined;
  /** Whether a checkpoint is taken of which no hash is known. Default: `false`. */
  readonly unverified?: boolean | undefined;
}

/**
 * Puts a model of the catalog, or of a repository of Hugging Face's (`hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`),
 * into the cache, unless it is there. A download that was broken off is taken up by the next
 * pull, also in another process.
 *
 * @returns The model file's path.
 * @throws {RangeError} If an option is unknown or wrong, or nothing would tell the checkpoint from another and
 *   `unverified` is not given.
 * @throws {ModelNotFoundError} If the catalog does not know the id, or no program can download it.
 * @throws {WeightsDownloadError} If it cannot be downloaded.
 * @throws {DiskFullError} If there is no space for it.
 * @throws {OfflineError} If it is not in the cache, and `offline` is set.
 * @throws {WeightsIntegrityError} If its hash is not the catalog's.
 * @throws {CheckpointFormatError} If what was downloaded is not a VGG.
 */
export async function pullModel(id: string, options: PullOptions = {}): Promise<string> {
  checkOptions(PULL_OPTIONS, options);
  const repository = options.entry === undefined ? asRepository(id) : undefined;
  if (repository !== undefined) return await pullRepository(repository, options);
  const { entry = findModel(id), cacheDir = defaultCacheDir(), fetch, signal } = options;
  if (entry !== undefined) checkEntry(entry);
  if (entry?.url === undefined) {
    throw new ModelNotFoundError(
      entry?.page === undefined
        ? `Cannot pull ${id}: the catalog knows no download of that name`
        : `Cannot pull ${id}: no program can download it. Get it from ${entry.page}, and convert it`,
    );
  }
  const url = mirrored(entry.url, options.baseUrl ?? readVariable(BASE_URL));
  const file = publicUrl(url);
  const path = cachedModelPath(id, cacheDir);
  if (options.offline) {
    if (!options.force && await exists(path)) return path;
    throw new OfflineError(`Model ${id}`, file);
  }
  const part = `${path}.part`;
  try {
    await makeCache(cacheDir);
    await withModelLock(id, cacheDir, signal, async () => {
      // Another process may have pulled it while this one waited.
      if (options.force || !await exists(path)) {
        const expected = expectedFile(entry, url, options.unverified ?? false);
        const warning = WARNINGS[verificationOf(entry)];
        if (warning !== undefined) options.onWarning?.(`${id}: ${warning}`);
        const progress = new ProgressTeller(options, { stage: "pull", unit: "bytes", file });
        progress.reach(0, expected.size); // Before a server that may take long to answer.
        const sha256 = await download(url, part, expected, { fetch, signal, progress });
        await convertPart(part, path, entry, sha256, options);
      }
      await removeDownload(part);
    });
    return path;
  } catch (error) {
    throw explainDisk(error, cacheDir);
  }
}

/** Puts a repository's model into the cache, unless it is there. */
async function pullRepository(
  repository: RepositoryName,
  options: PullOptions,
): Promise<string> {
  const { cacheDir = defaultCacheDir(), baseUrl, offline, fetch, signal, onProgress } = options;
  const { owner, name } = repository, id = cachedIdOf(repository);
  const path = cachedModelPath(id, cacheDir);
  const isThere = async (): Promise<boolean> => !options.force && await exists(path);
  if (offline && !await isThere()) throw new OfflineError(`Model hf:${owner}/${name}`, path);
  try {
    await makeCache(cacheDir);
    await withModelLock(id, cacheDir, signal, async () => {
      if (await isThere()) return;
      const files = new HubFiles(repository, { baseUrl, fetch, signal, onProgress, keepAs: path });
      try {
        await convertToFile(files, path, { signal, onProgress });
      } catch (error) {
        // It may be another file the next time, as nobody but the host says what it has to be.
        if (error instanceof CheckpointFormatError) await files.forget();
        throw error;
      }
      await files.forget();
    });
    return path;
  } catch (error) {
    throw explainDisk(error, cacheDir);
  }
}

/** The URL with the scheme and host of a mirror, below its path, and with what its query grants. */
function mirrored(url: string, base: string | undefined): URL {
  const original = new URL(url);
  if (!base) return original;
  const mirror = URL.parse(base);
  if (mirror === null || !/^https?:$/.test(mirror.protocol)) {
    throw new RangeError(`baseUrl must be an http or https URL: found "${publicUrl(base)}"`);
  }
  mirror.pathname = mirror.pathname.replace(/\/+$/, "") + original.pathname;
  const queries = [mirror.search, original.search].map((query) => query.slice(1));
  mirror.search = queries.filter(Boolean).join("&");
  return mirror;
}

/**
 * What a download is held to.
 *
 * @throws {RangeError} If that would be nothing and nobody has said that this will do, or whoever is on the
 *   way to a mirror could change the file unnoticed.
 */
function expectedFile(entry: CatalogEntry, url: URL, unverified: boolean): ExpectedFile {
  const { id, size, sha256, sha256Prefix, md5 } = entry;
  const verification = verificationOf(entry);
  if (verification === "nothing" && !unverified) {
    const how = "To take it all the same, say --unverified (in a program, unverified: true)";
    throw new RangeError(`Cannot pull ${id}: ${WARNINGS.nothing}. ${how}`);
  }
  const isMirror = url.origin !== new URL(entry.url!).origin;
  const isSecure = verification !== "sha256" && (isMirror || !isPlainHttp(url));
  if (isSecure && isPlainHttp(url)) {
    const why = `${WARNINGS[verification]}. Use one over https`;
    throw new RangeError(`Cannot pull ${id} from a mirror over plain http: ${why}`);
  }
  const maxBytes = size === undefined ? MAX_BYTES : undefined;
  return { size, maxBytes, sha256: sha256 ?? sha256Prefix, md5, isSecure };
}

const PREPROCESSINGS: Readonly<
  Record<CatalogEntry["preprocessing"], ConvertOptions["preprocessing"]>
> = {
  torch: "torch",
  caffe: "caffe",
  mean: { colors: "rgb", scale: 1, mean: [123.68, 116.779, 103.939], std: [1, 1, 1] },
  // The model in the package is no checkpoint.
  embedded: undefined,
};

/** What the catalog says of the model. The file's own address is the catalog's, whoever gave it. */
function descriptionOf(entry: CatalogEntry): ConvertOptions {
  return {
    id: entry.id,
    labels: entry.labels === "imagenet" ? IMAGENET_CLASSES.map(({ label }) => label) : undefined,
    preprocessing: PREPROCESSINGS[entry.preprocessing],
    provenance: {
      source: entry.url,
      sourceVerifiedBy: verificationOf(entry),
      license: entry.license,
      accuracy: entry.accuracy,
    },
  };
}

async function convertPart(
  part: string,
  out: string,
  entry: CatalogEntry,
  sha256: string,
  { signal, onProgress }: PullOptions,
): Promise<void> {
  try {
    const described = { ...descriptionOf(entry), signal, onProgress };
    await convertToFile(part, out, described, sha256);
  } catch (error) {
    // What a hash has verified would only be downloaded again, and what took too long may not the next time.
    const isSound = verificationOf(entry) !== "nothing" || isVggError(error, "budget");
    if (error instanceof CheckpointFormatError && !isSound) await removeDownload(part);
    throw error;
  }
}

/** Makes the folder of pulled models. */
async function makeCache(cacheDir: string): Promise<void> {
  try {
    await makeFolder(cacheDir);
  } catch (error) {
    if (isVggError(error) || error instanceof NotCapable) throw error;
    throw new Error(
      `Cannot make the folder ${cacheDir} for models: set VGG16_CACHE_DIR to one that may be written`,
      { cause: error },
    );
  }
}

/** Says what else there is to do. */
function explainDisk(error: unknown, cacheDir: string): unknown {
  if (!(error instanceof DiskFullError)) return error;
  return new DiskFullError(
    `There is no space left in ${cacheDir}: free some, or set VGG16_CACHE_DIR to another folder`,
    { cause: error },
  );
}
