/** Where labeled images lie: one folder per class, or a list of files. */

import { dirname } from "@std/path/dirname";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { describePath, isThere, readBytes } from "../platform.ts";
import { checkOptions, SIGNAL_OPTION } from "../options.ts";
import { classesOf, type ClassInfo, findClass } from "../model/classes.ts";
import { imagenetIds } from "../model/labels.ts";
import { PublicNames, publicText } from "../public_url.ts";
import { asPath, beginsAsUrl, isWebUrl } from "../urls.ts";
import { few, readClassFolders } from "./class_folders.ts";
import type { Dataset, IndexedSample } from "./dataset.ts";
import { type ListedImage, parseList } from "./list_file.ts";
import { byCodePoint } from "./picture_files.ts";

/** Options of {@linkcode listSamples}. */
export interface ListOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/** The classes that a model knows, or their labels. */
type Known = readonly string[] | readonly ClassInfo[];

/**
 * Lists labeled images, sorted by folder and name.
 *
 * A directory holds one folder per class, named by its label, id, synonym or WordNet id. Folders in these
 * count as that class. A picture has the ending of one, whatever it holds, or the first bytes of one,
 * whatever it is called; it is listed also if it cannot be read. What systems put into folders
 * (`__MACOSX`, `Thumbs.db`, whatever begins with a dot) is left out.
 *
 * A file is a list, of an image on each line: its path, from the list's own directory, or its `http(s)`
 * URL, and its class, by the same names or by its index. Commas, semicolons, tabs or (ImageNet's `val.txt`)
 * the last space separate them. The first line may name the columns, and others are left out then.
 *
 * @param known The classes that a model knows, or their labels. Default: those that are found, in the order
 *   of code points, and in Unicode's composed form (NFC).
 * @returns The samples, and in `warnings` what was left out, but for what systems put there.
 * @throws {RangeError} If a folder or a line names no class or several, a list has columns of unknown names,
 *   or there are no images. The message says what there is.
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
  const { isFolder } = await describePath(path);
  return isFolder ? await fromFolders(path, known, signal) : await fromList(path, known, signal);
}

async function fromFolders(
  path: string,
  known: Known | undefined,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const { folders, warnings } = await readClassFolders(path, known !== undefined, signal);
  const classes = classesFor(known, folders.map(({ name }) => name));
  const samples = folders.flatMap(({ name, pictures }) => {
    const label = classes.indexOf(name);
    return pictures.map((file) => ({ file, label }));
  });
  return { samples, labels: classes.labels, warnings: [...warnings, ...classes.warnings] };
}

async function fromList(
  path: string,
  known: Known | undefined,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const text = textOf(await readBytes(path, signal), path), folder = dirname(path);
  const { images, unused } = parseList(text, path, (file) => isThere(join(folder, file)));
  if (images.length === 0) throw new RangeError(`There are no images in ${path}: it has no lines`);
  const classes = classesFor(known, images.map(({ label }) => label));
  const placeOf = placesFrom(folder, images);
  const names = new PublicNames(), seen = new Map<string, IndexedSample>(), again: string[] = [];
  for (const image of images) {
    const place = placeOf(image.file), label = labelOf(image, classes, path);
    const { line } = image, first = seen.get(place);
    if (first !== undefined) again.push(repeated(image, first, first.label === label));
    else if (!isWebUrl(place)) seen.set(place, { file: place, label, line });
    else seen.set(place, { file: names.name(place), image: place, label, line });
  }
  const warnings = [
    ...unused.length === 0 ? [] : [`Columns of ${path} that are not used: ${unused.join(", ")}`],
    ...again.length === 0
      ? []
      : [`${path} names pictures more than once, of which the first line counts: ${few(again)}`],
    ...classes.warnings,
  ];
  return { samples: [...seen.values()], labels: classes.labels, warnings };
}

/** Spreadsheets write UTF-16 too, with a mark at the beginning. */
function textOf(bytes: Uint8Array, path: string): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe
    ? "utf-16le"
    : first === 0xfe && second === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RangeError(
      `Expected a list of images in UTF-8, or a directory: ${path} is neither. Spreadsheets have ` +
        '"CSV UTF-8" among the formats that they save',
      { cause },
    );
  }
}

/** Tells where the images of a list are: at a path from here on, or a URL. */
function placesFrom(folder: string, images: readonly ListedImage[]): (file: string) => string {
  const placeOf = (file: string): string =>
    beginsAsUrl(file) || isAbsolute(file) ? file : asPath(join(folder, file));
  const slashed = (file: string): string => placeOf(file.replaceAll("\\", "/"));
  // One that goes with the whole list: whether it was written on Windows.
  const first = images.find(({ file }) => file.includes("\\"))?.file;
  const isFromWindows = first !== undefined && !isThere(placeOf(first)) && isThere(slashed(first));
  return isFromWindows ? slashed : placeOf;
}

function labelOf({ line, file, label }: ListedImage, classes: Classes, path: string): number {
  try {
    return classes.indexOf(label);
  } catch (cause) {
    const found = `${path}, line ${line}: ${publicText(file)} has label ${label}`;
    throw new RangeError(`${found}: ${(cause as Error).message}`, { cause });
  }
}

function repeated({ line, file }: ListedImage, first: IndexedSample, isSame: boolean): string {
  const what = `${publicText(file)} in lines ${first.line} and ${line}`;
  return isSame ? what : `${what}, with another class`;
}

/** The classes of a data set. */
export interface Classes {
  readonly labels: readonly string[];
  readonly warnings: readonly string[];
  /**
   * The index of the class that a folder or a list calls so.
   *
   * @throws {RangeError} If there is none, or several.
   */
  readonly indexOf: (name: string) => number;
}

/** @param names Those in folders or a list, in any order and number. */
export function classesFor(known: Known | undefined, names: readonly string[]): Classes {
  const found = (): string[] => [...new Set(names.map((name) => name.normalize()))];
  const given = known ?? found().sort(byCodePoint);
  const infos = typeof given[0] === "string"
    ? classesOf({ labels: given as readonly string[] })
    : given as readonly ClassInfo[];
  const labels = infos.map(({ label }) => label), ids = imagenetIds(labels);
  // ImageNet's folders are named by WordNet ids, which a model of its classes may have without them.
  const classes = infos.map((info, n) => ({ ...info, id: info.id ?? ids?.[n] }));
  const alike = [...Map.groupBy(labels, (label) => label.trim().toLowerCase()).values()];
  const pairs = alike.filter(({ length }) => known === undefined && length > 1)
    .map((same) => same.map((label) => `"${label}"`).join(" and "));
  const warnings = pairs.length === 0 ? [] : [`Classes of their own are ${few(pairs)}`];
  return { labels, warnings, indexOf: (name) => findClass(name, classes).index };
}
