/** Opens what a conversion reads: a path, a URL, bytes or a stream. */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { CheckpointFormatError } from "../errors.ts";
import { type ByteSource, BytesSource, FileSource, type SourceOptions } from "../io/byte_source.ts";
import { HttpSource } from "../io/http_source.ts";
import { openSource, sourceName } from "../io/open_source.ts";
import { spool } from "../io/spool.ts";
import { asPath, asUrl } from "../urls.ts";
import type { OpenSibling } from "./formats/checkpoint.ts";

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
  /** Called with how much of the weights is converted, 0…1, where that is what takes the time. */
  readonly onConverted?: (part: number) => void;
}

/**
 * Opens an input. What comes from the network or in a stream goes to a temporary file first, since most
 * formats are not read from front to back.
 */
export async function openConversionSource(
  input: ConversionInput,
  options: SourceOptions,
): Promise<ConversionSource> {
  if (input instanceof ReadableStream) {
    // A pipe that brings nothing ends no loop over it, but may be aborted.
    const stoppable = input.pipeThrough(new TransformStream(), { signal: options.signal });
    return local(await spool(stoppable, "stream"), "stream", options, noSiblings);
  }
  if (input instanceof Uint8Array) {
    return local(new BytesSource(input), "bytes", options, noSiblings);
  }
  const url = asUrl(input);
  if (url === undefined || url.protocol === "file:") {
    const file = sourceName(input);
    const openSibling: OpenSibling = async (name) => {
      try {
        return await openSource(url === undefined ? siblingPath(file, name) : siblingOf(url, name));
      } catch (cause) {
        throw new CheckpointFormatError(
          `${file} refers to ${name} beside it, which cannot be read: ${(cause as Error).message}`,
          { file, cause },
        );
      }
    };
    return local(new FileSource(url ?? input as string), file, options, openSibling);
  }
  return {
    bytes: await fetched(url, options),
    name: sourceName(url),
    openSibling: (name) => fetched(siblingOf(url, name), { signal: options.signal }),
  };
}

async function fetched(url: URL, options: SourceOptions): Promise<ByteSource> {
  const source = await HttpSource.open(url, options);
  try {
    return await spool(source.stream(0), source.name);
  } finally {
    source.close();
  }
}

/** @param onProgress Gets what is converted, as all bytes are here. */
function local(
  bytes: ByteSource,
  name: string,
  { onProgress }: SourceOptions,
  openSibling: OpenSibling,
): ConversionSource {
  const size = bytes.size!;
  const onConverted = (part: number): void => onProgress?.(Math.round(part * size), size);
  return { bytes, name, openSibling, onConverted };
}

function noSiblings(name: string): Promise<ByteSource> {
  throw new TypeError(`The checkpoint refers to the file ${name} beside it: give its path or URL`);
}

/** A signature that is for a folder is for the files in it, as tfjs' own loader has it too. */
function siblingOf(base: URL, name: string): URL {
  return new URL(encodeURIComponent(name) + base.search, base);
}

function siblingPath(path: string, name: string): string {
  return asPath(join(dirname(path), name));
}
