/** Where labeled images lie: one folder per class, or a list of files. */

import { dirname } from "@std/path/dirname";
import { extname } from "@std/path/extname";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { parse } from "@std/csv";
import { describePath, listFolder, readText } from "../platform.ts";
import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import {
  IMAGE_EXTENSIONS,
  type ImageInput,
  type ImageOptions,
  type LazyImage,
  type Pixels,
} from "../image/image.ts";
import { checkOptions, IMAGE_OPTIONS, pickOptions, SIGNAL_OPTION } from "../options.ts";
import { isRawPixels, readBytes, readImage } from "../image/read.ts";
import { openImage, stoppable } from "./batches.ts";
import { classesOf, type ClassInfo, type ClassName, findClass } from "../model/classes.ts";
import { PublicNames, publicText, publicUrl } from "../public_url.ts";
import { asPath, isWebUrl } from "../urls.ts";

/** An image and what it shows. */
export interface Sample {
  /** Its path or URL, or another name that no other sample has. */
  readonly file: string;
  /** The image, or what opens it, where it is not in a file. */
  readonly image?: LazyImage | undefined;
  /** The class: its index, or another of its names. */
  readonly label: ClassName;
}

/** Labeled images as they come, and the names of their classes. */
export interface LabeledImages {
  /** Any number of them, in memory or one after the other. */
  readonly samples: Iterable<Sample> | AsyncIterable<Sample>;
  /** What the indices of the samples stand for. */
  readonly labels: readonly string[];
}

/** A sample whose class is told by its index. */
export interface IndexedSample extends Sample {
  /** Index of the class. */
  readonly label: number;
}

/** Labeled images that are listed. */
export interface Dataset extends LabeledImages {
  /** In the order of folders and names, or of the list. */
  readonly samples: readonly IndexedSample[];
}

/** ImageNet's folders are named by WordNet ids, whose order is that of the classes. */
const WORDNET_ID = /^n\d{8}$/;

/** Options of {@linkcode listSamples}. */
export interface ListOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Lists labeled images, sorted by folder and name.
 *
 * A directory holds one folder per class, named by its label, id or synonym, or by WordNet ids, as
 * many as there are classes. A file ending in `.csv` or `.txt` holds a line per image: its path, from
 * the list's own directory, or its `http(s)` URL, and its class, by the same names or by its index,
 * with a comma or (ImageNet's `val.txt`) a space between.
 *
 * @param known The classes that a model knows, or their labels. Default: the folders' names, sorted.
 * @throws {RangeError} If a folder or a line names no class or several, or there are no images.
 * @throws {Deno.errors.NotFound} If there is no such directory or file.
 */
export async function listSamples(
  path: string,
  known?: readonly string[] | readonly ClassInfo[],
  options: ListOptions = {},
): Promise<Dataset> {
  checkOptions(SIGNAL_OPTION, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const isList = [".csv", ".txt"].includes(extname(path).toLowerCase());
  const dataset = isList
    ? await fromList(path, known, signal)
    : await fromFolders(path, known, signal);
  if (dataset.samples.length === 0) throw new RangeError(`There are no images in ${path}`);
  return dataset;
}

type Known = readonly string[] | readonly ClassInfo[];

async function fromFolders(
  path: string,
  known: Known | undefined,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const folders = (await names(path, "isFolder", signal)).filter((name) => !name.startsWith("."));
  if (folders.length === 0) {
    throw new RangeError(`Expected one folder per class in ${path}: found no folders`);
  }
  const classes = toClasses(known ?? folders);
  const byPosition = folders.length === classes.length && classes[0]?.id === undefined &&
    folders.every((name) => WORDNET_ID.test(name));
  const samples: IndexedSample[] = [];
  for (const [position, folder] of folders.entries()) {
    const label = byPosition ? position : findClass(folder, classes).index;
    for (const name of await names(join(path, folder), "isFile", signal)) {
      if (!IMAGE_EXTENSIONS.has(extname(name).toLowerCase())) continue;
      samples.push({ file: asPath(join(path, folder, name)), label });
    }
  }
  return { samples, labels: classes.map(({ label }) => label) };
}

function toClasses(known: Known): readonly ClassInfo[] {
  const [first] = known;
  return typeof first === "string"
    ? classesOf({ labels: known as readonly string[] })
    : known as readonly ClassInfo[];
}

async function names(
  path: string,
  kind: "isFile" | "isFolder",
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of listFolder(path)) {
    signal?.throwIfAborted();
    const isKind = entry.isLink ? (await describePath(join(path, entry.name)))[kind] : entry[kind];
    if (isKind) found.push(entry.name);
  }
  // By code units: WordNet ids and padded numbers keep their order in every locale.
  return found.sort();
}

async function fromList(
  path: string,
  known: Known | undefined,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const text = await readText(path, signal);
  const rows = path.toLowerCase().endsWith(".csv")
    ? parse(text) as string[][]
    : text.split(/\r?\n/).filter((line) => line.trim() !== "").map(splitAtLastSpace);
  const entries = rows.map(([file = "", label = ""]) => ({ file, text: label.trim() }))
    .filter(({ file }) => isWebUrl(file) || IMAGE_EXTENSIONS.has(extname(file).toLowerCase()));
  const classes = toClasses(known ?? [...new Set(entries.map(({ text }) => text))].sort());
  const shown = new PublicNames();
  const samples = entries.map(({ file, text }) => {
    const label = indexOf(text, classes, isWebUrl(file) ? publicUrl(file) : file);
    if (isWebUrl(file)) return { file: shown.name(file), image: file, label };
    return { file: isAbsolute(file) ? file : asPath(join(dirname(path), file)), label };
  });
  return { samples, labels: classes.map(({ label }) => label) };
}

function splitAtLastSpace(line: string): string[] {
  const at = line.trim().lastIndexOf(" ");
  return [line.trim().slice(0, at), line.trim().slice(at + 1)];
}

function indexOf(label: string, classes: readonly ClassInfo[], file: string): number {
  if (label === "") throw new RangeError(`${file} has no label in its list`);
  return classOf({ file, label }, classes);
}

/**
 * The index of the class that a sample names.
 *
 * @throws {RangeError} If there is none of that name, or several. The message names the file.
 */
export function classOf({ file, label }: Sample, classes: readonly ClassInfo[]): number {
  try {
    return findClass(label, classes).index;
  } catch (cause) {
    const found = `${publicText(file)} has label ${label}`;
    throw new RangeError(`${found}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Samples whose classes are told as a classifier knows them: an index of theirs stands for a label, which
 * may be at another index there.
 *
 * @throws {RangeError} If a sample names no class of both, or several.
 */
export function namedSamples(
  { samples, labels }: LabeledImages,
  classes: readonly ClassInfo[],
  signal?: AbortSignal,
): Iterable<Sample> | AsyncIterable<Sample> {
  const isSame = labels.length === classes.length &&
    classes.every(({ label }, index) => label === labels[index]);
  if (isSame) return samples;
  const own = classesOf({ labels });
  return (async function* () {
    for await (const sample of stoppable(samples, signal)) {
      yield { ...sample, label: labels[classOf(sample, own)]! };
    }
  })();
}

/**
 * Collects samples whose pictures may then be read more than once: of a stream or a response, which can
 * be read once, the bytes are kept from the first time on, and what comes one after the other is copied,
 * as it may be one array with other contents each time.
 *
 * @throws {TypeError} If it is no dataset.
 * @throws {RangeError} If a sample names no class, or several.
 */
export async function collectSamples(
  { samples, labels }: LabeledImages,
  signal?: AbortSignal,
): Promise<IndexedSample[]> {
  if (labels === undefined || samples === undefined) {
    throw new TypeError("Expected a dataset { labels, samples }, as listSamples() gives it");
  }
  const classes = classesOf({ labels }), collected: IndexedSample[] = [];
  for await (const sample of stoppable(samples, signal)) {
    const { image } = sample;
    const isReadOnce = image instanceof ReadableStream || image instanceof Response;
    const lasting = isReadOnce ? keeping(image) : Array.isArray(samples) ? image : copyOf(image);
    collected.push({ ...sample, image: lasting, label: classOf(sample, classes) });
  }
  return collected;
}

function copyOf(image: LazyImage | undefined): LazyImage | undefined {
  if (image instanceof Uint8Array || image instanceof ArrayBuffer) return image.slice();
  if (typeof image !== "object" || !isRawPixels(image)) return image;
  return { ...image, data: image.data.slice() };
}

function keeping(image: ReadableStream<Uint8Array> | Response): () => Promise<Uint8Array> {
  let bytes: Promise<Uint8Array> | undefined;
  return () => bytes ??= readBytes(image, {});
}

/** Opens the picture of a sample. */
export async function openSample(
  { file, image }: Pick<Sample, "file" | "image">,
  signal?: AbortSignal,
): Promise<ImageInput> {
  return await openImage(image ?? file, signal);
}

/**
 * Reads the picture of a sample.
 *
 * @param shorterSide How many pixels of the shorter side are needed. Default: all.
 * @throws {ImageDecodeError} If it is damaged or of an unknown format. The message names the file.
 * @throws {ImageTooLargeError} If it has more pixels than allowed, likewise.
 */
export async function readSample(
  sample: Sample,
  options: ImageOptions = {},
  shorterSide?: number,
): Promise<Pixels> {
  try {
    const reading = { ...pickOptions(IMAGE_OPTIONS, options), shorterSide };
    return await readImage(await openSample(sample, options.signal), reading);
  } catch (error) {
    if (error instanceof ImageDecodeError || error instanceof ImageTooLargeError) {
      error.message = `${publicText(sample.file)}: ${error.message}`;
    }
    throw error;
  }
}
