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
  type Pixels,
} from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { indexOfLabel } from "../model/find_label.ts";

/** An image and what it shows. */
export interface Sample {
  /** Its path, or another name that no other sample has. */
  readonly file: string;
  /** The image, where it is not in a file. */
  readonly image?: ImageInput;
  /** Index of the class. */
  readonly label: number;
}

/** Labeled images, and the names of their classes. */
export interface Dataset {
  /** In the order of folders and names, or of the list. */
  readonly samples: readonly Sample[];
  /** What the indices of the samples stand for. */
  readonly labels: readonly string[];
}

/** ImageNet's folders are named by WordNet ids, whose order is that of the classes. */
const WORDNET_ID = /^n\d{8}$/;

/**
 * Lists labeled images, sorted by folder and name.
 *
 * A directory holds one folder per class, named by a label or, with ImageNet's 1000 classes, by its
 * WordNet id. A file ending in `.csv` or `.txt` holds a line per image: its path, from the list's own
 * directory, and its label or the label's index, with a comma or (ImageNet's `val.txt`) a space
 * between.
 *
 * @param labels The labels that a model knows. Default: the folders' names, sorted.
 * @throws {RangeError} If a folder or a line names no label, or there are no images.
 * @throws {Deno.errors.NotFound} If there is no such directory or file.
 */
export async function listSamples(path: string, labels?: readonly string[]): Promise<Dataset> {
  const isList = [".csv", ".txt"].includes(extname(path).toLowerCase());
  const dataset = isList ? await fromList(path, labels) : await fromFolders(path, labels);
  if (dataset.samples.length === 0) throw new RangeError(`There are no images in ${path}`);
  return dataset;
}

async function fromFolders(path: string, known?: readonly string[]): Promise<Dataset> {
  const folders = (await names(path, "isFolder")).filter((name) => !name.startsWith("."));
  if (folders.length === 0) {
    throw new RangeError(`Expected one folder per class in ${path}: found no folders`);
  }
  const labels = known ?? folders;
  const byId = folders.every((name) => WORDNET_ID.test(name)) && folders.length === labels.length;
  const samples: Sample[] = [];
  for (const [position, folder] of folders.entries()) {
    const label = byId ? position : indexOfLabel(folder, labels);
    for (const name of await names(join(path, folder), "isFile")) {
      if (!IMAGE_EXTENSIONS.has(extname(name).toLowerCase())) continue;
      samples.push({ file: join(path, folder, name), label });
    }
  }
  return { samples, labels };
}

async function names(path: string, kind: "isFile" | "isFolder"): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of listFolder(path)) {
    const isKind = entry.isLink ? (await describePath(join(path, entry.name)))[kind] : entry[kind];
    if (isKind) found.push(entry.name);
  }
  // By code units: WordNet ids and padded numbers keep their order in every locale.
  return found.sort();
}

async function fromList(path: string, known?: readonly string[]): Promise<Dataset> {
  const text = await readText(path);
  const rows = path.toLowerCase().endsWith(".csv")
    ? parse(text) as string[][]
    : text.split(/\r?\n/).filter((line) => line.trim() !== "").map(splitAtLastSpace);
  const entries = rows.map(([file = "", label = ""]) => ({ file, text: label.trim() }))
    .filter(({ file }) => IMAGE_EXTENSIONS.has(extname(file).toLowerCase()));
  const labels = known ?? [...new Set(entries.map(({ text }) => text))].sort();
  const samples = entries.map(({ file, text }) => ({
    file: isAbsolute(file) ? file : join(dirname(path), file),
    label: labelOf(text, labels, file),
  }));
  return { samples, labels };
}

function splitAtLastSpace(line: string): string[] {
  const at = line.trim().lastIndexOf(" ");
  return [line.trim().slice(0, at), line.trim().slice(at + 1)];
}

function labelOf(text: string, labels: readonly string[], file: string): number {
  if (text === "") throw new RangeError(`${file} has no label in its list`);
  const exact = labels.indexOf(text);
  if (exact >= 0) return exact;
  const index = /^\d+$/.test(text) ? Number(text) : indexOfLabel(text, labels);
  if (index >= labels.length) {
    throw new RangeError(`${file} has the label ${index}: expected 0 to ${labels.length - 1}`);
  }
  return index;
}

/**
 * Reads the picture of a sample.
 *
 * @throws {ImageDecodeError} If it is damaged or of an unknown format. The message names the file.
 * @throws {ImageTooLargeError} If it has more pixels than allowed, likewise.
 */
export async function readSample(sample: Sample, options: ImageOptions = {}): Promise<Pixels> {
  try {
    return await readImage(sample.image ?? sample.file, options);
  } catch (error) {
    if (error instanceof ImageDecodeError || error instanceof ImageTooLargeError) {
      error.message = `${sample.file}: ${error.message}`;
    }
    throw error;
  }
}
