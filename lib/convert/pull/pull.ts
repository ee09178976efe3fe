/**
 * From a catalog id to a model file in the cache: download, verify, convert.
 *
 * @module
 */

import {
  CheckpointFormatError,
  WeightsDownloadError,
  WeightsIntegrityError,
} from "../../errors.ts";
import { IMAGENET_CLASSES } from "../../model/labels.ts";
import { AtomicFile } from "../../io/atomic_file.ts";
import {
  cachedModelPath,
  defaultCacheDir,
  exists,
  removeLeftovers,
  withLock,
} from "../../io/cache.ts";
import { type CatalogEntry, findModel } from "../../model/catalog.ts";
import { type HashAlgorithm, hashSource, type IncrementalHash, startHash } from "../../io/hash.ts";
import { checkOptions, PULL_OPTIONS } from "../../options.ts";
import { HttpSource, VersionChangedError } from "../../io/http_source.ts";
import { FileSource } from "../../io/byte_source.ts";
import type { ResolveOptions } from "../../open_model.ts";
import { ResumableSha256 } from "../../io/sha256.ts";
import { ConversionProgress } from "../quantize/progress.ts";
import { finishHash } from "../source.ts";
import { convert, convertInto, type ConvertOptions } from "../convert.ts";
import { sniffFormat } from "../formats/open_checkpoint.ts";
import { Part } from "./part.ts";
import { PartialModel, readSavedModel, type SavedModel } from "./partial_model.ts";

/** Options of {@linkcode pullModel}. */
export interface PullOptions extends Omit<ResolveOptions, "offline"> {
  /** Downloads again what is in the cache. */
  readonly force?: boolean;
  /** Entry to pull instead of the catalog's of this id. */
  readonly entry?: CatalogEntry;
  /** Replaces scheme and host of the URL. Default: `VGG_MODEL_BASE_URL`. */
  readonly baseUrl?: string;
}

/**
 * Puts a model into the cache, unless it is there.
 *
 * Safetensors are quantized as they arrive; other formats, which are not read from front to back, are
 * downloaded first. A pull that was broken off is taken up by the next one, also in another process:
 * where the download ended, or at the last part of a tensor that was quantized.
 *
 * @returns The model file's path.
 * @throws {RangeError} If the catalog does not know the id, or an option is unknown or wrong.
 * @throws {WeightsDownloadError} If it cannot be downloaded or stored.
 * @throws {WeightsIntegrityError} If its hash is not the catalog's.
 * @throws {CheckpointFormatError} If what was downloaded is not a VGG.
 */
export async function pullModel(id: string, options: PullOptions = {}): Promise<string> {
  checkOptions(PULL_OPTIONS, options);
  const entry = options.entry ?? findModel(id);
  if (entry?.url === undefined) {
    throw new RangeError(
      entry?.page === undefined
        ? `Cannot pull ${id}: the catalog knows no download of that name`
        : `Cannot pull ${id}: no program can download it. Get it from ${entry.page}, and convert it`,
    );
  }
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const path = cachedModelPath(id, cacheDir);
  try {
    await Deno.mkdir(cacheDir, { recursive: true });
    return await withLock(`${cacheDir}/${id}.lock`, options.signal, async () => {
      await removeLeftovers(path);
      // Another process may have pulled it while this one waited.
      if (options.force || !await exists(path)) await pullInto(path, entry, options);
      return path;
    });
  } catch (error) {
    throw explainDisk(error, cacheDir, entry.url);
  }
}

async function pullInto(path: string, entry: CatalogEntry, options: PullOptions): Promise<void> {
  const url = mirrored(entry.url!, options.baseUrl ?? Deno.env.get("VGG_MODEL_BASE_URL"));
  for (let attempt = 1;; attempt++) {
    try {
      return await pullOnce(path, url, entry, options);
    } catch (error) {
      // Once more from the start; a file that changes all the time is a server's trouble.
      if (!(error instanceof VersionChangedError) || attempt === 2) throw error;
    }
  }
}

/** The URL with the scheme and host of a mirror, below its path. */
function mirrored(url: string, base: string | undefined): URL {
  if (!base) return new URL(url);
  const { pathname, search } = new URL(url);
  return new URL(base.replace(/\/+$/, "") + pathname + search);
}

async function pullOnce(
  path: string,
  url: URL,
  entry: CatalogEntry,
  options: PullOptions,
): Promise<void> {
  const part = new Part(`${path}.part`, url);
  const conversion = conversionOptions(entry, url, options);
  const start = await startOf(part, entry, conversion);
  let source: HttpSource | undefined;
  try {
    source = await HttpSource.open(url, {
      ...start,
      signal: options.signal,
      onProgress: (loaded, total) => options.onProgress?.({ file: url.href, loaded, total }),
    });
    checkSize(source, entry);
    if (start.offset === 0 && await sniffFormat(source) === "safetensors") {
      return await quantizeStream(path, part, source, start, entry, conversion);
    }
    await download(part, source, start.offset);
    checkHash(start.hash.digest(), entry, url);
    await convert(part.path, { ...conversion, out: path });
    await part.remove();
  } catch (error) {
    // What is there is not what it should be, and of no use to the next attempt.
    const isWrong = error instanceof VersionChangedError ||
      error instanceof WeightsIntegrityError || error instanceof CheckpointFormatError;
    if (isWrong) await part.remove();
    throw error;
  } finally {
    source?.close();
  }
}

/** Where a pull begins. */
interface Start {
  /** The first byte to ask for. */
  readonly offset: number;
  /** Bytes that are in the hash. */
  readonly hashed: number;
  readonly hash: IncrementalHash;
  /** The version that these bytes are of. */
  readonly validator?: string;
  /** What of the model is there. */
  readonly saved?: SavedModel;
}

/** Takes up what another pull left, if it is of the same URL; otherwise it is removed. */
async function startOf(part: Part, entry: CatalogEntry, options: ConvertOptions): Promise<Start> {
  const saved = await readSavedModel(part, options);
  // The header is read anew, so that the connection begins at the start.
  if (saved !== undefined) return { ...saved, saved, offset: 0, hashed: saved.hash.length };
  const { algorithm } = hashOf(entry);
  const note = await part.readNote();
  if (note?.isDownload !== true) {
    await part.remove();
    // The one that can be written down is slower, so that it is taken only where it has to be.
    const isKept = algorithm === "sha256" && entry.format === "safetensors";
    return { offset: 0, hashed: 0, hash: isKept ? new ResumableSha256() : startHash(algorithm) };
  }
  const hash = startHash(algorithm);
  const file = new FileSource(part.path);
  try {
    await hashSource(file, hash);
    return { offset: file.size, hashed: file.size, hash, validator: note.validator };
  } finally {
    file.close();
  }
}

/** Converts while the bytes arrive; the model gets its name only if their hash is right. */
async function quantizeStream(
  path: string,
  part: Part,
  source: HttpSource,
  { hash, saved }: Start,
  entry: CatalogEntry,
  options: ConvertOptions,
): Promise<void> {
  const isKept = hash instanceof ResumableSha256 && source.validator !== undefined;
  using file = new AtomicFile(path, isKept ? part.path : undefined);
  const progress = isKept
    ? new PartialModel(part, file, source, hash, options, saved)
    : new ConversionProgress();
  const sha256 = async (): Promise<string> => {
    const actual = await finishHash(source, hash);
    checkHash(actual, entry, source.url);
    return actual;
  };
  const openSibling = (): never => {
    throw new TypeError("Safetensors have no siblings");
  };
  const checkpoint = { bytes: source, name: source.url.href, openSibling, sha256 };
  await convertInto(file, checkpoint, options, progress);
  await file.commit();
}

/** Downloads what is missing. */
async function download(part: Part, source: HttpSource, offset: number): Promise<void> {
  await part.writeNote(source.validator, { isDownload: true });
  using file = await Deno.open(part.path, { create: true, write: true, truncate: offset === 0 });
  await file.seek(offset, Deno.SeekMode.Start);
  for await (const bytes of source.stream(offset)) {
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
}

function conversionOptions(entry: CatalogEntry, url: URL, options: PullOptions): ConvertOptions {
  return {
    signal: options.signal,
    id: entry.id,
    labels: entry.labels === "imagenet" ? IMAGENET_CLASSES.map(({ label }) => label) : undefined,
    preprocessing: entry.preprocessing === "caffe" ? "caffe" : "torch",
    provenance: { source: url.href, license: entry.license, accuracy: entry.accuracy },
  };
}

function hashOf(entry: CatalogEntry): { algorithm: HashAlgorithm; expected: string } {
  const { sha256, sha256Prefix, md5 } = entry;
  return md5 === undefined
    ? { algorithm: "sha256", expected: sha256 ?? sha256Prefix ?? "" }
    : { algorithm: "md5", expected: md5 };
}

function checkHash(actual: string, entry: CatalogEntry, url: URL): void {
  const { algorithm, expected } = hashOf(entry);
  if (actual.startsWith(expected)) return;
  throw new WeightsIntegrityError(
    `${url.href} is not the file that the catalog means: expected ${algorithm} ${expected}, found ${actual}. Nothing was kept`,
    { expected, actual },
  );
}

function checkSize(source: HttpSource, entry: CatalogEntry): void {
  const { size, url } = source;
  if (entry.size === undefined || size === undefined || size === entry.size) return;
  throw new WeightsDownloadError(
    `${url.href} has ${size} bytes: the catalog expects ${entry.size}`,
    { url: url.href },
  );
}

/** Gives a full disk a name; Deno has none for it. */
function explainDisk(error: unknown, cacheDir: string, url: string): unknown {
  if (!(error instanceof Error) || !/os error (28|122)\b/.test(error.message)) return error;
  return new WeightsDownloadError(
    `There is no space left in ${cacheDir}: free some, or set VGG_CACHE_DIR to another folder`,
    { url, cause: error },
  );
}
