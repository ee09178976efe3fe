/** Opens what a conversion reads: a path, a URL, bytes or a stream. */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { CheckpointFormatError } from "../errors.ts";
import { kindOf, openStream } from "../platform.ts";
import { type ByteSource, BytesSource, FileSource, type SourceOptions } from "../io/byte_source.ts";
import { openSource, type PlainSource, sourceName } from "../io/open_source.ts";
import { spool } from "../io/spool.ts";
import { asPath, asUrl } from "../urls.ts";
import { Budget } from "./formats/budget.ts";
import type { OpenSibling } from "./formats/checkpoint.ts";
import type { ModelDescription } from "./repository/describe.ts";
import { fetchWhole } from "./repository/fetch_whole.ts";
import { asRepository, HubFiles } from "./repository/hub.ts";
import { openModelFiles } from "./repository/open.ts";

/**
 * A checkpoint: a path, a URL or a request for it, its bytes, a stream of them, or a repository of Hugging Face's,
 * `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.
 */
export type ConversionInput = PlainSource | ReadableStream<Uint8Array>;

/** What `pull` converts, too: a repository that it has chosen the host of. */
export type OpenableInput = ConversionInput | HubFiles;

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
  /** Names of the files that were opened so far, paths where they are on this machine. */
  readonly files: readonly string[];
  /** What files beside it say, where it is one of a model's with fixed names. */
  readonly model?: DescribedModel | undefined;
}

/** What is known of a model in several files. */
export interface DescribedModel extends ModelDescription {
  /** What to call it. */
  readonly id: string;
  /** Where it is from, for its provenance. */
  readonly source: string;
}

/** What stands for other models in their folders: TensorFlow.js', and of those that are not read. */
const FOLDER_FILES = ["model.json", "_METADATA", "_CHECKPOINT_METADATA", "Manifest.json"];

/** What a shell hands to a program already open: a pipe, or a file that another has read from. */
const INHERITED = /^\/dev\/(stdin|fd\/\d+)$/;

type OpenedInput = Omit<ConversionSource, "budget" | "files">;

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
  input: OpenableInput,
  options: SourceOptions,
): Promise<ConversionSource> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { bytes, name, ...source } = await open(input, options);
  const budget = new Budget(name, bytes.size!), files = [bytes.name];
  const openSibling: OpenSibling = async (name) => {
    const sibling = await source.openSibling(name);
    budget.addFile(sibling.size!);
    files.push(sibling.name);
    return sibling;
  };
  const stopped = signal === undefined ? bytes : stoppable(bytes, signal);
  return { bytes: stopped, name, openSibling, budget, files, model: source.model };
}

async function open(input: OpenableInput, options: SourceOptions): Promise<OpenedInput> {
  if (input instanceof HubFiles) return await openRepository(input);
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
      fetchWhole(new Request(siblingOf(new URL(input.url), name), input), options);
    return { bytes: await fetchWhole(input, options), name: sourceName(input), openSibling };
  }
  if (typeof input === "string" && INHERITED.test(input)) {
    const stream = await openStream(input);
    return { bytes: await spool(stream, input), name: input, openSibling: noSiblings };
  }
  const repository = typeof input === "string" ? asRepository(input) : undefined;
  if (repository !== undefined) return await openRepository(new HubFiles(repository, options));
  const given = asUrl(input);
  if (given === undefined || given.protocol === "file:") {
    const found = fileOf(given ?? input as string);
    if (is("folder", found)) return await openFolder(found);
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
    const model = found === given || found === input ? undefined : namedBy(sourceName(input));
    return { bytes: new FileSource(found), name: file, openSibling, model };
  }
  return {
    bytes: await fetchWhole(given, options),
    name: sourceName(given),
    openSibling: (name) => fetchWhole(siblingOf(given, name), options),
  };
}

async function openRepository(files: HubFiles): Promise<OpenedInput> {
  const { description, ...opened } = await openModelFiles(files);
  const { id, name, revision, commit = revision } = files;
  return { ...opened, model: { ...description, id, source: `${name}@${commit}` } };
}

async function openFolder(folder: string | URL): Promise<OpenedInput> {
  const name = sourceName(folder).replace(/[/\\]+$/, "");
  const id = name.replace(/^.*[/\\]/s, "");
  const open = (file: string): Promise<ByteSource | undefined> => {
    const path = below(folder, `/${file}`);
    return Promise.resolve(is("file", path) ? new FileSource(path) : undefined);
  };
  const problem = `Expected a file at ${name}: it is a folder, and has none of`;
  const files = { name, id, problem, open };
  const { description, ...opened } = await openModelFiles(files, FOLDER_FILES);
  return { ...opened, model: { ...description, id, source: id } };
}

/** The file to begin with of a TensorFlow model that is given by its folder, or a checkpoint by what its files begin with. */
function fileOf<T extends string | URL>(given: T): T {
  const candidates = [below(given, "/saved_model.pb"), below(given, ".index")];
  return is("file", given) ? given : candidates.find((path) => is("file", path)) ?? given;
}

/** A model that is called as what was given, not as the file in it: `saved_model`, `vgg_16.ckpt`. */
function namedBy(given: string): DescribedModel {
  const source = given.replace(/[/\\]+$/, "").replace(/^.*[/\\]/s, "");
  return { id: source.replace(/\.ckpt$/, ""), source };
}

/** The path with another ending. */
function below<T extends string | URL>(given: T, ending: string): T {
  if (typeof given === "string") return given.replace(/[/\\]+$/, "") + ending as T;
  const url = new URL(given);
  url.pathname = url.pathname.replace(/\/+$/, "") + ending;
  return url as T;
}

function is(kind: ReturnType<typeof kindOf>, path: string | URL): boolean {
  try {
    return kindOf(path) === kind;
  } catch {
    return false; // Whoever opens it says why.
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
