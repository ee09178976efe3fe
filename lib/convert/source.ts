/**
 * Opens what a conversion reads: a path, a URL, bytes or a stream.
 *
 * @module
 */

import { CheckpointFormatError } from "../errors.ts";
import {
  asUrl,
  type ByteSource,
  BytesSource,
  FileSource,
  openSource,
  type SourceOptions,
} from "../io/byte_source.ts";
import { hashSource, type IncrementalHash, startHash } from "../io/hash.ts";
import { HttpSource } from "../io/http_source.ts";
import type { OpenSibling } from "./formats/onnx/parse.ts";
import { sniffFormat } from "./formats/open_checkpoint.ts";
import { spool } from "./formats/spool.ts";

/** A checkpoint: a path, a URL, its bytes, or a stream of them. */
export type ConversionInput = string | URL | Uint8Array | ReadableStream<Uint8Array>;

/** An open input. */
export interface ConversionSource {
  /** The checkpoint. */
  readonly bytes: ByteSource;
  /** Name for messages and provenance. */
  readonly name: string;
  /** Opens files beside it. */
  readonly openSibling: OpenSibling;
  /** SHA-256 of all bytes. Called once, when the checkpoint is read. */
  sha256(): Promise<string>;
  /** Called with how much of the weights is converted, 0…1, where that is what takes the time. */
  readonly onConverted?: (part: number) => void;
}

/**
 * Opens an input. Safetensors are read from a URL as they arrive; other formats, and streams, go to a
 * temporary file first, since they are not read from front to back.
 */
export async function openConversionSource(
  input: ConversionInput,
  options: SourceOptions,
): Promise<ConversionSource> {
  if (input instanceof ReadableStream) {
    return local(await spool(input, "stream"), "stream", options, noSiblings);
  }
  if (input instanceof Uint8Array) {
    return local(new BytesSource(input), "bytes", options, noSiblings);
  }
  const url = asUrl(input);
  if (url === undefined || url.protocol === "file:") {
    const base = url ?? toFileUrl(input as string);
    const file = String(input);
    const openSibling: OpenSibling = async (name) => {
      try {
        return await openSource(siblingOf(base, name));
      } catch (cause) {
        throw new CheckpointFormatError(
          `${file} refers to ${name} beside it, which cannot be read: ${(cause as Error).message}`,
          { file, cause },
        );
      }
    };
    return local(new FileSource(url ?? input as string), file, options, openSibling);
  }
  return await remote(url, options);
}

async function remote(url: URL, options: SourceOptions): Promise<ConversionSource> {
  const hash = startHash("sha256");
  const bytes = await HttpSource.open(url, { ...options, hash });
  try {
    if (await sniffFormat(bytes) === "safetensors") {
      return {
        bytes,
        name: url.href,
        openSibling: noSiblings,
        sha256: () => finishHash(bytes, hash),
      };
    }
    const file = await spool(bytes.stream(0), url.href);
    bytes.close();
    const openSibling = async (name: string): Promise<ByteSource> => {
      const sibling = siblingOf(url, name);
      const source = await HttpSource.open(sibling, { signal: options.signal });
      return await spool(source.stream(0), sibling.href);
    };
    return {
      bytes: file,
      name: url.href,
      openSibling,
      sha256: () => Promise.resolve(hash.digest()),
    };
  } catch (error) {
    bytes.close();
    throw error;
  }
}

/** Reads what is left, which ends the hash. */
export async function finishHash(
  source: HttpSource,
  hash: IncrementalHash,
): Promise<string> {
  for await (const _ of source.stream(source.hashed));
  return hash.digest();
}

function local(
  bytes: ByteSource,
  name: string,
  { onProgress }: SourceOptions,
  openSibling: OpenSibling,
): ConversionSource {
  const sha256 = async (): Promise<string> => {
    const hash = startHash("sha256");
    await hashSource(bytes, hash);
    return hash.digest();
  };
  const size = bytes.size!;
  const onConverted = (part: number): void => onProgress?.(Math.round(part * size), size);
  return { bytes, name, openSibling, sha256, onConverted };
}

function noSiblings(name: string): Promise<ByteSource> {
  throw new TypeError(`The checkpoint refers to the file ${name} beside it: give its path or URL`);
}

function siblingOf(base: URL, name: string): URL {
  return new URL(encodeURIComponent(name), base);
}

function toFileUrl(path: string): URL {
  const absolute = /^([/\\]|[a-z]:)/i.test(path) ? path : `${Deno.cwd()}/${path}`;
  return new URL(
    `file:///${absolute.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/")}`,
  );
}
