/** A directory with one folder per class. */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { asPath } from "../urls.ts";
import {
  byCodePoint,
  type FolderContents,
  type FolderEntries,
  kindsOf,
  picturesBelow,
  picturesIn,
} from "./picture_files.ts";

/** A class's folder. */
export interface ClassFolder extends FolderContents {
  readonly name: string;
}

/** What a directory holds. */
export interface ClassFolders {
  /** Those with pictures, in the order of their names' code points. */
  readonly folders: readonly ClassFolder[];
  /** What was left out, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Finds the pictures of each class.
 *
 * @param areKnown Whether the names of the classes are known: then no folder is taken for anything else.
 * @throws {RangeError} If there are no folders, no pictures in them, or their folders are the classes.
 * @throws {Deno.errors.NotFound} If there is no such directory.
 */
export async function readClassFolders(
  path: string,
  areKnown: boolean,
  signal: AbortSignal | undefined,
): Promise<ClassFolders> {
  const top = await picturesIn(path, signal);
  const names = [...top.folders, ...top.linkedFolders].sort(byCodePoint);
  if (names.length === 0) {
    throw new RangeError(
      `Expected one folder per class in ${path}: found no folders, but ${contentsOf(top)}`,
    );
  }
  const all: ClassFolder[] = [];
  for (const name of names) {
    all.push({ name, ...await picturesBelow(asPath(join(path, name)), signal) });
  }
  const folders = all.filter(({ pictures }) => pictures.length > 0);
  if (folders.length === 0) {
    const found = contentsOf({ others: all.flatMap(({ others }) => others) });
    const count = counted(names.length, "folder");
    throw new RangeError(
      `There are no images in the folders in ${path}: found ${count}, and in them ${found}`,
    );
  }
  if (!areKnown) checkAreClasses(path, folders);
  return { folders, warnings: warningsOf(path, top, all) };
}

/** What people call the parts of a data set. */
const PARTS = /^(train|training|val|valid|validation|dev|test|testing|eval|held.?out|hold.?out)$/i;

/**
 * Checks that folders are classes, and not what holds their folders: the parts of a data set, or the one
 * folder of an archive.
 *
 * @throws {RangeError} If they are not.
 */
function checkAreClasses(path: string, folders: readonly ClassFolder[]): void {
  const isDeep = ({ name, pictures }: ClassFolder): boolean =>
    pictures.every((picture) => dirname(picture) !== join(path, name));
  const areParts = folders.length === 1 || folders.every(({ name }) => PARTS.test(name));
  const deep = folders.find(isDeep);
  if (!areParts || deep === undefined) return;
  const names = folders.map(({ name }) => `"${name}"`).join(", ");
  throw new RangeError(
    `Expected one folder per class in ${path}: found ${names}, whose pictures are in folders of ` +
      `their own. If these are the classes, give ${join(path, deep.name)}`,
  );
}

function warningsOf(path: string, top: FolderEntries, folders: readonly ClassFolder[]): string[] {
  const warnings: string[] = [];
  const empty = folders.filter(({ pictures }) => pictures.length === 0);
  if (empty.length > 0) {
    const each = empty.map((folder) => `"${folder.name}" holds ${contentsOf(folder)}`);
    warnings.push(`Left out as folders without pictures: ${few(each)}`);
  }
  if (top.pictures.length > 0) {
    const pictures = counted(top.pictures.length, "picture");
    warnings.push(`Left out as in no class's folder, but in ${path} itself: ${pictures}`);
  }
  const others = folders.flatMap(({ pictures, others }) => pictures.length > 0 ? others : []);
  if (others.length > 0) warnings.push(`Left out beside the pictures: ${contentsOf({ others })}`);
  return warnings;
}

function contentsOf({ pictures = [], others = [] }: Partial<FolderContents>): string {
  const found = [
    ...pictures.length === 0 ? [] : [counted(pictures.length, "picture")],
    ...others.length === 0 ? [] : [`${counted(others.length, "other file")} (${kindsOf(others)})`],
  ];
  return found.join(" and ") || "nothing at all";
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** The first of many texts, and how many there are. */
export function few(texts: readonly string[]): string {
  const shown = texts.slice(0, 5).join("; ");
  return texts.length > 5 ? `${shown}; … (${texts.length} in all)` : shown;
}
