/** Opens a file wherever it is: in memory, on a disk, behind a URL. */

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

/** What can be opened: a path, a URL (also as a string that begins as one), a request for it, or the bytes. */
export type SourceLike = string | URL | Request | Uint8Array | ArrayBuffer | Blob;

/** Opens a file. A URL is read with range requests where the server knows them. */
export async function openSource(
  source: SourceLike,
  options: ReadOptions = {},
): Promise<ByteSource> {
  if (source instanceof Uint8Array) return new BytesSource(source);
  if (source instanceof ArrayBuffer) return new BytesSource(new Uint8Array(source));
  if (source instanceof Blob) return new BlobSource(source, sourceName(source));
  if (isRequest(source)) return await HttpSource.open(source, options);
  const url = asUrl(source);
  if (url === undefined) return new FileSource(source as string);
  if (url.protocol === "file:") return new FileSource(url);
  return await HttpSource.open(url, options);
}

/** A name to show for a source. */
export function sourceName(source: SourceLike): string {
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
