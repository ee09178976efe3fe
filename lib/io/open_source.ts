/** Opens a file wherever it is: in memory, on a disk, behind a URL. */

import { isVggError } from "../errors.ts";
import { IS_DENO, isGranted, NotCapable } from "../platform.ts";
import { openModule, type PackagedFile, unwrapped } from "./wrapped_file.ts";
import { publicUrl } from "../public_url.ts";
import { asUrl } from "../urls.ts";
import {
  BlobSource,
  type ByteSource,
  BytesSource,
  FileSource,
  type ReadOptions,
} from "./byte_source.ts";
import { HttpSource } from "./http_source.ts";

/**
 * What can be opened: a path, a URL (also as a string that begins as one), a request for it, the bytes, or what
 * comes with code.
 */
export type SourceLike =
  | (string | URL | Request | Uint8Array | ArrayBuffer | Blob)
  | PackagedFile;

/** A file that does not come with code. */
export type PlainSource = Exclude<SourceLike, PackagedFile>;

/** Opens a file. A URL is read with range requests where the server knows them. */
export async function openSource(
  source: SourceLike,
  options: ReadOptions = {},
): Promise<ByteSource> {
  if (isPackaged(source)) return await openPackaged(source, options);
  const opened = await openPlain(source, options);
  try {
    return WRAPPED.test(opened.name) ? await unwrapped(opened) : opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Where files that come with code were found, if not where they should be. */
const found = new WeakMap<PackagedFile, URL>();

/**
 * The file, if it may be read: the runtime would keep a module's bytes, and again as the engine has them. Otherwise, or where
 * there is no URL, the module, if the runtime imports such.
 */
async function openPackaged(file: PackagedFile, options: ReadOptions): Promise<ByteSource> {
  const { url } = file;
  if (url === undefined) return await openModule(file);
  if (IS_DENO && !isReadable(url)) {
    try {
      return await openModule(file);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // There is none, as where its code was bundled.
    }
  }
  try {
    return await openSource(found.get(file) ?? url, options);
  } catch (error) {
    const { url: here }: { url?: string } = import.meta; // Cloudflare's Workers have none.
    if (!(isVggError(error) || error instanceof NotCapable) || here === undefined) throw error;
    const beside = new URL(nameOf(url), here);
    if (found.has(file) || beside.href === url.href) throw error;
    // Whoever bundles code puts the file beside the bundle.
    const source = await openSource(beside, options).catch(() => Promise.reject(error));
    found.set(file, beside);
    return source;
  }
}

function isReadable({ protocol, pathname }: URL): boolean {
  return protocol === "file:" && isGranted({ name: "read", path: decodeURIComponent(pathname) });
}

async function openPlain(source: PlainSource, options: ReadOptions): Promise<ByteSource> {
  if (source instanceof Uint8Array) return new BytesSource(source);
  if (source instanceof ArrayBuffer) return new BytesSource(new Uint8Array(source));
  if (source instanceof Blob) return new BlobSource(source, sourceName(source));
  if (isRequest(source)) return await HttpSource.open(source, options);
  const url = asUrl(source);
  if (url === undefined) return new FileSource(source as string);
  if (url.protocol === "file:") return new FileSource(url);
  return await HttpSource.open(url, options);
}

/** How the files are called that may hold another. */
const WRAPPED = /\.wasm$/i;

/** Whether a file comes with code. */
export function isPackaged(source: unknown): source is PackagedFile {
  return typeof source === "object" && source !== null && "module" in source && "name" in source;
}

/** The last part of a URL's path. */
function nameOf({ pathname }: URL): string {
  return decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1));
}

/** A name to show for a source. */
export function sourceName(source: SourceLike): string {
  if (isPackaged(source)) return source.name;
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) return "model bytes";
  if (source instanceof Blob) return source instanceof File ? source.name : "model bytes";
  if (isRequest(source)) return publicUrl(source.url);
  const url = asUrl(source);
  return url === undefined ? String(source) : publicUrl(url);
}

/** Deno loads all of its `fetch` where `Request` is first looked at, which takes milliseconds. */
function isRequest(source: string | URL | Request): source is Request {
  return typeof source !== "string" && !(source instanceof URL) && source instanceof Request;
}
