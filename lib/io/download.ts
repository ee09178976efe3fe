/**
 * Downloads to the disk that go on where they were broken off, also in another process. Beside the file a
 * note says of which version it is a part. Only one process at a time may download a file.
 */

import { WeightsIntegrityError } from "../errors.ts";
import { describePath, isLink, NotFound, OpenFile, readText, remove } from "../platform.ts";
import { publicUrl } from "../public_url.ts";
import type { Fetch } from "../urls.ts";
import { writeWhole } from "./atomic_file.ts";
import { FileSource } from "./byte_source.ts";
import { exists } from "./cache.ts";
import type { ProgressTeller } from "../progress.ts";
import { type HashAlgorithm, hashSource } from "./hash.ts";
import {
  type HttpOptions,
  HttpSource,
  VersionChangedError,
  WrongSizeError,
} from "./http_source.ts";

/** What is known of a file before it is here. */
export interface ExpectedFile extends Pick<HttpOptions, "size" | "maxBytes" | "isSecure"> {
  /** Its SHA-256 in hex, or the beginning of it. */
  readonly sha256?: string;
  /** Its MD5 in hex. */
  readonly md5?: string;
}

/** Options of {@linkcode download}. */
export interface DownloadOptions {
  /** Asks the server. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Stops it; what is there is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how many bytes of how many are there. */
  readonly progress?: ProgressTeller;
}

/**
 * Downloads what is missing of a file, and verifies all of it.
 *
 * @returns Its SHA-256, in hex.
 * @throws {WeightsDownloadError} If the server does not give it, or it has another size.
 * @throws {WeightsIntegrityError} If it has another hash.
 *   Of what has another size or hash nothing is kept.
 */
export async function download(
  url: URL,
  path: string,
  expected: ExpectedFile,
  options: DownloadOptions = {},
): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const part = await findPart(path, url);
    try {
      await fetchRest(url, path, part, expected, options);
      return await verify(url, path, expected, options.signal);
    } catch (error) {
      const isChanged = error instanceof VersionChangedError;
      const isWrong = error instanceof WrongSizeError || error instanceof WeightsIntegrityError;
      if (!isChanged && !isWrong) throw error;
      await removeDownload(path);
      // What another process left may be anything: once more, from the start.
      if (attempt === 2 || !isChanged && part.offset === 0) throw error;
    }
  }
}

/** Removes a file and its note. */
export async function removeDownload(path: string): Promise<void> {
  for (const file of [notePath(path), path]) {
    try {
      await remove(file);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
  }
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
  // A link leads to where nobody has asked to write.
  if (await exists(path) && !await isLink(path)) {
    const note = await readNote(path), offset = (await describePath(path)).size;
    // One that was killed before its first bytes has left an empty file, which is none.
    if (offset > 0 && note?.url === publicUrl(url) && typeof note.validator === "string") {
      return { offset, validator: note.validator };
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
  { fetch, signal, progress }: DownloadOptions,
): Promise<void> {
  const { size, maxBytes, isSecure } = expected;
  const oneVersion = expected.sha256 === undefined && expected.md5 === undefined;
  const options = { ...part, fetch, signal, size, maxBytes, isSecure, oneVersion };
  const source = await HttpSource.open(url, options);
  try {
    if (part.offset === 0) {
      const note = JSON.stringify({ url: source.name, validator: source.validator });
      await writeWhole(notePath(path), note);
    }
    using file = new OpenFile(path, part.offset === 0 ? "new" : "change");
    // A server that knows no ranges begins at the start.
    let end = source.position;
    file.truncate(end);
    for await (const bytes of source.stream(end)) {
      file.write(end, bytes);
      end += bytes.length;
      progress?.reach(end, source.size);
    }
    progress?.end();
  } finally {
    source.close();
  }
}

/** Hashes a file once, and holds it against what is known of it. Returns its SHA-256. */
async function verify(
  url: URL,
  path: string,
  { sha256, md5 }: ExpectedFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const file = new FileSource(path);
  try {
    const algorithms: HashAlgorithm[] = md5 === undefined ? ["sha256"] : ["sha256", "md5"];
    const found = await hashSource(file, algorithms, signal);
    checkHash(url, "SHA-256", sha256, found.sha256);
    checkHash(url, "MD5", md5, found.md5);
    return found.sha256;
  } finally {
    file.close();
  }
}

function checkHash(url: URL, name: string, expected: string | undefined, actual: string): void {
  if (expected === undefined || actual.startsWith(expected)) return;
  throw new WeightsIntegrityError(
    `${
      publicUrl(url)
    } is not the file that is meant: expected ${name} ${expected}, found ${actual}. Nothing was kept`,
    { expected, actual },
  );
}

function notePath(path: string): string {
  return `${path}.json`;
}

/** The note, if it is one. */
async function readNote(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readText(notePath(path))) ?? undefined;
  } catch (error) {
    if (error instanceof NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
