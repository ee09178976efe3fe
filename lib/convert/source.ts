/** Opens what a conversion reads: a path, a URL, bytes or a stream. */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { CheckpointFormatError } from "../errors.ts";
import { kindOf, openStream } from "../platform.ts";
import { type ByteSource, BytesSource, FileSource, type SourceOptions } from "../io/byte_source.ts";
import { HttpSource } from "../io/http_source.ts";
import { openSource, type SourceLike, sourceName } from "../io/open_source.ts";
import { spool } from "../io/spool.ts";
import { ProgressTeller } from "../progress.ts";
import { asPath, asUrl } from "../urls.ts";
import { Budget } from "./formats/budget.ts";
import type { OpenSibling } from "./formats/checkpoint.ts";

/** A checkpoint: a path, a URL or a request for it, its bytes, or a stream of them. */
export type ConversionInput = SourceLike | ReadableStream<Uint8Array>;

/** An open input. */
export interface ConversionSource {
  /** The checkpoint. */
  readonly bytes: ByteSource;
  /** Name for messages and provenance. */
  readonly name: string;
  /** Opens files beside it. */
  readonly openSibling: OpenSibling;
  /** What its conversion may cost. */
  readonly budget: Budget;
}

/** What a shell hands to a program already open: a pipe, or a file that another has read from. */
const INHERITED = /^\/dev\/(stdin|fd\/\d+)$/;

type OpenedInput = Omit<ConversionSource, "budget">;

/** Refuses to read once a signal is aborted, so that no reader of a format needs to know of it. */
function stoppable(source: ByteSource, signal: AbortSignal): ByteSource {
  return {
    name: source.name,
    size: source.size,
    read(offset, into) {
      signal.throwIfAborted();
      return source.read(offset, into);
    },
    close: () => source.close(),
  };
}

/**
 * Opens an input. What comes from the network or in a stream goes to a temporary file first, since most
 * formats are not read from front to back.
 */
export async function openConversionSource(
  input: ConversionInput,
  options: SourceOptions,
): Promise<ConversionSource> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { bytes, name, ...source } = await open(input, options);
  const budget = new Budget(name, bytes.size!);
  const openSibling: OpenSibling = async (name) => {
    const sibling = await source.openSibling(name);
    budget.addFile(sibling.size!);
    return sibling;
  };
  const stopped = signal === undefined ? bytes : stoppable(bytes, signal);
  return { bytes: stopped, name, openSibling, budget };
}

async function open(input: ConversionInput, options: SourceOptions): Promise<OpenedInput> {
  if (input instanceof ReadableStream) {
    // A pipe that brings nothing ends no loop over it, but may be aborted.
    const parts = input.pipeThrough(new TransformStream(), { signal: options.signal });
    return {
      bytes: await spool(parts, "stream"),
      name: "stream",
      openSibling: noSiblings,
    };
  }
  if (input instanceof Uint8Array || input instanceof ArrayBuffer) {
    const bytes = new BytesSource(input instanceof ArrayBuffer ? new Uint8Array(input) : input);
    return { bytes, name: "bytes", openSibling: noSiblings };
  }
  if (input instanceof Blob) {
    const name = input instanceof File ? input.name : "bytes";
    return { bytes: await spool(input.stream(), name), name, openSibling: noSiblings };
  }
  if (input instanceof Request) {
    const openSibling: OpenSibling = (name) =>
      fetched(new Request(siblingOf(new URL(input.url), name), input), options);
    return { bytes: await fetched(input, options), name: sourceName(input), openSibling };
  }
  if (typeof input === "string" && INHERITED.test(input)) {
    const stream = await openStream(input);
    return { bytes: await spool(stream, input), name: input, openSibling: noSiblings };
  }
  const given = asUrl(input);
  if (given === undefined || given.protocol === "file:") {
    const found = fileOf(given ?? input as string);
    const url = found instanceof URL ? found : undefined;
    const file = sourceName(found);
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
    return { bytes: new FileSource(found), name: file, openSibling };
  }
  return {
    bytes: await fetched(given, options),
    name: sourceName(given),
    openSibling: (name) => fetched(siblingOf(given, name), options),
  };
}

/** The file to begin with of a TensorFlow model that is given by its folder, or a checkpoint by what its files begin with. */
function fileOf<T extends string | URL>(given: T): T {
  const followed = (ending: string): T => {
    if (typeof given === "string") return given + ending as T;
    const url = new URL(given);
    url.pathname += ending;
    return url as T;
  };
  const candidates = [followed("/saved_model.pb"), followed(".index")];
  return isFile(given) ? given : candidates.find(isFile) ?? given;
}

function isFile(path: string | URL): boolean {
  try {
    return kindOf(path) === "file";
  } catch {
    return false; // Whoever opens it says why.
  }
}

async function fetched(url: URL | Request, options: SourceOptions): Promise<ByteSource> {
  const source = await HttpSource.open(url, options);
  const about = { stage: "pull", unit: "bytes", file: source.name } as const;
  const progress = new ProgressTeller(options, about);
  try {
    const spooled = await spool(source.stream(0), source.name, (size) => {
      progress.reach(size, source.size);
    });
    progress.end();
    return spooled;
  } finally {
    source.close();
  }
}

function noSiblings(name: string): Promise<ByteSource> {
  throw new TypeError(`The checkpoint refers to the file ${name} beside it: give its path or URL`);
}

/** A signature that is for a folder is for the files in it, as tfjs' own loader has it too. */
function siblingOf(base: URL, name: string): URL {
  return new URL(name.split("/").map(encodeURIComponent).join("/") + base.search, base);
}

function siblingPath(path: string, name: string): string {
  return asPath(join(dirname(path), name));
}
