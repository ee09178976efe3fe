/**
 * Downloads to the disk that go on where they were broken off, also in another process. Beside the file a
 * note says of which version it is a part. Only one process at a time may download a file.
 */

import { WeightsDownloadError, WeightsIntegrityError } from "../errors.ts";
import { describePath, NotFound, OpenFile, readText, remove, writeText } from "../platform.ts";
import { FileSource, type SourceOptions } from "./byte_source.ts";
import { exists } from "./cache.ts";
import { type HashAlgorithm, hashSource } from "./hash.ts";
import { HttpSource, VersionChangedError } from "./http_source.ts";

/** What is known of a file before it is here. */
export interface ExpectedFile {
  /** Bytes, where they are published. */
  readonly size?: number;
  readonly algorithm: HashAlgorithm;
  /** The hash in hex, or its beginning; empty where none is published. */
  readonly hash: string;
}

/**
 * Downloads what is missing of a file, and verifies all of it.
 *
 * @throws {WeightsDownloadError} If the server does not give it, or it has another size.
 * @throws {WeightsIntegrityError} If it has another hash. Then nothing of it is kept.
 */
export async function download(
  url: URL,
  path: string,
  expected: ExpectedFile,
  options: SourceOptions = {},
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    const part = await findPart(path, url);
    try {
      await fetchRest(url, path, part, expected, options);
      return await verify(url, path, expected, options.signal);
    } catch (error) {
      const isChanged = error instanceof VersionChangedError;
      if (!isChanged && !(error instanceof WeightsIntegrityError)) throw error;
      await removeDownload(path);
      // What another process left may be anything: once more, from the start.
      if (attempt === 2 || !isChanged && part.offset === 0) throw error;
    }
  }
}

/** Removes a file and its note. */
export async function removeDownload(path: string): Promise<void> {
  for (const file of [notePath(path), path]) if (await exists(file)) await remove(file);
}

/** What is there of a file. */
interface Part {
  /** The first byte to ask for. */
  readonly offset: number;
  /** The version that the bytes before are of. */
  readonly validator?: string;
}

/** Finds what another download left, if it is of the same URL and says of which version. */
async function findPart(path: string, url: URL): Promise<Part> {
  if (await exists(path)) {
    const note = await readNote(path);
    if (note?.url === url.href && typeof note.validator === "string") {
      return { offset: (await describePath(path)).size, validator: note.validator };
    }
  }
  await removeDownload(path);
  return { offset: 0 };
}

async function fetchRest(
  url: URL,
  path: string,
  part: Part,
  expected: ExpectedFile,
  options: SourceOptions,
): Promise<void> {
  const source = await HttpSource.open(url, { ...part, ...options });
  try {
    checkDownloadSize(source, expected.size);
    if (part.offset === 0) {
      const note = JSON.stringify({ url: url.href, validator: source.validator });
      await writeText(notePath(path), note);
    }
    using file = new OpenFile(path, "change");
    // A server that knows no ranges begins at the start.
    let end = source.position;
    file.truncate(end);
    for await (const bytes of source.stream(end)) {
      file.write(end, bytes);
      end += bytes.length;
    }
  } finally {
    source.close();
  }
}

function checkDownloadSize({ size, url }: HttpSource, expected: number | undefined): void {
  if (expected === undefined || size === undefined || size === expected) return;
  throw new WeightsDownloadError(`${url.href} has ${size} bytes: ${expected} are expected`, {
    url: url.href,
    retryable: false,
  });
}

async function verify(
  url: URL,
  path: string,
  { algorithm, hash }: ExpectedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = new FileSource(path);
  try {
    const actual = await hashSource(file, algorithm, signal);
    if (actual.startsWith(hash)) return;
    throw new WeightsIntegrityError(
      `${url.href} is not the file that is meant: expected ${algorithm} ${hash}, found ${actual}. Nothing was kept`,
      { expected: hash, actual },
    );
  } finally {
    file.close();
  }
}

function notePath(path: string): string {
  return `${path}.json`;
}

/** The note; a process that was killed may have left half of one. */
async function readNote(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readText(notePath(path))) ?? undefined;
  } catch (error) {
    if (error instanceof NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
