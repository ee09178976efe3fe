/**
 * From a catalog id to a model file in the cache: download, verify, convert.
 *
 * @module
 */

import { WeightsDownloadError, WeightsIntegrityError } from "../errors.ts";
import { IMAGENET_CLASSES } from "../vgg/labels.ts";
import { AtomicFile } from "../weights/atomic_file.ts";
import { cachedModelPath, defaultCacheDir, exists, withLock } from "../weights/cache.ts";
import { type CatalogEntry, findModel } from "../weights/catalog.ts";
import {
  type HashAlgorithm,
  hashSource,
  type IncrementalHash,
  startHash,
} from "../weights/hash.ts";
import { HttpSource, VersionChangedError } from "../weights/http_source.ts";
import { FileSource } from "../weights/byte_source.ts";
import type { ResolveOptions } from "../weights/resolve.ts";
import { finishHash } from "./conversion_source.ts";
import { convert, convertInto, type ConvertOptions } from "./convert.ts";
import { sniffFormat } from "./open_checkpoint.ts";

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
 * downloaded first, and a download that was broken off is taken up at the next call.
 *
 * @returns The model file's path.
 * @throws {RangeError} If the catalog does not know the id.
 * @throws {WeightsDownloadError} If it cannot be downloaded or stored.
 * @throws {WeightsIntegrityError} If its hash is not the catalog's.
 * @throws {CheckpointFormatError} If what was downloaded is not a VGG.
 */
export async function pullModel(id: string, options: PullOptions = {}): Promise<string> {
  const entry = options.entry ?? findModel(id);
  if (entry?.url === undefined) {
    throw new RangeError(`Cannot pull ${id}: the catalog knows no download of that name`);
  }
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const path = cachedModelPath(id, cacheDir);
  try {
    await Deno.mkdir(cacheDir, { recursive: true });
    return await withLock(`${cacheDir}/${id}.lock`, options.signal, async () => {
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
  const partial = new PartialDownload(`${path}.part`, url, hashOf(entry).algorithm);
  const { offset, validator, hash } = await partial.resume();
  const source = await HttpSource.open(url, {
    signal: options.signal,
    hash,
    offset,
    validator,
    onProgress: (loaded, total) => options.onProgress?.({ file: url.href, loaded, total }),
  });
  try {
    checkSize(source, entry);
    const conversion = conversionOptions(entry, url, options);
    if (offset === 0 && await sniffFormat(source) === "safetensors") {
      return await quantizeStream(path, source, hash, entry, conversion);
    }
    await partial.download(source, offset);
    try {
      checkHash(hash.digest(), entry, url);
      await convert(partial.path, { ...conversion, out: path });
    } finally {
      // Whole, and of no further use: converted, or not what it should be.
      await partial.remove();
    }
  } catch (error) {
    if (error instanceof VersionChangedError) await partial.remove();
    throw error;
  } finally {
    source.close();
  }
}

/** Converts while the bytes arrive; the model gets its name only if their hash is right. */
async function quantizeStream(
  path: string,
  source: HttpSource,
  hash: IncrementalHash,
  entry: CatalogEntry,
  options: ConvertOptions,
): Promise<void> {
  using file = new AtomicFile(path);
  const sha256 = async (): Promise<string> => {
    const actual = await finishHash(source, hash);
    checkHash(actual, entry, source.url);
    return actual;
  };
  const openSibling = (): never => {
    throw new TypeError("Safetensors have no siblings");
  };
  await convertInto(file, { bytes: source, name: source.url.href, openSibling, sha256 }, options);
  await file.commit();
}

/** A download on its way: the bytes so far, and beside them what version they are of. */
class PartialDownload {
  constructor(
    readonly path: string,
    private readonly url: URL,
    private readonly algorithm: HashAlgorithm,
  ) {}

  /** What is there already; from the start if that is of another URL or version. */
  async resume(): Promise<{ offset: number; validator?: string; hash: IncrementalHash }> {
    const hash = startHash(this.algorithm);
    const note = await this.#note();
    if (note?.url !== this.url.href || !note.validator || !await exists(this.path)) {
      await this.remove();
      return { offset: 0, hash };
    }
    const file = new FileSource(this.path);
    try {
      await hashSource(file, hash);
      return { offset: file.size, validator: note.validator, hash };
    } finally {
      file.close();
    }
  }

  async download(source: HttpSource, offset: number): Promise<void> {
    await Deno.writeTextFile(
      `${this.path}.json`,
      JSON.stringify({ url: this.url.href, validator: source.validator }),
    );
    using file = await Deno.open(this.path, { create: true, write: true, truncate: offset === 0 });
    await file.seek(offset, Deno.SeekMode.Start);
    for await (const part of source.stream(offset)) {
      for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
    }
  }

  async remove(): Promise<void> {
    for (const path of [this.path, `${this.path}.json`]) {
      if (await exists(path)) await Deno.remove(path);
    }
  }

  async #note(): Promise<{ url?: unknown; validator?: string } | undefined> {
    try {
      return JSON.parse(await Deno.readTextFile(`${this.path}.json`)) ?? undefined;
    } catch (error) {
      // None, or one that was being written when the power failed.
      if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
      throw error;
    }
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
