/** Which files of a folder are pictures: one rule for all that reads folders. */

import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import { beginsAsPicture } from "../image/decode.ts";
import { IMAGE_EXTENSIONS } from "../image/image.ts";
import { describePath, type FolderEntry, listFolder, OpenFile } from "../platform.ts";
import { asPath } from "../urls.ts";

/**
 * Endings of photographs that are not decoded, in lower case. Whoever has them in a folder wants to hear
 * that they were not read.
 */
const UNREAD_EXTENSIONS: ReadonlySet<string> = new Set(
  ".heic .heif .hif .jxl .jp2 .j2k .dng .cr2 .cr3 .nef .arw .raf .orf .rw2".split(" "),
);

/** What systems put into folders, in lower case. */
const LITTER: ReadonlySet<string> = new Set([
  ...["__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"],
  ...["system volume information", "lost+found", "@eadir"],
]);

/** First bytes of a file that tell what it is: those of AVIF and HEIC may be as many. */
const START_BYTES = 256;

/** What a folder holds, without what systems put there and whatever begins with a dot. */
export interface FolderContents {
  /** Paths of pictures, also of those that cannot be read, in the order of code points. */
  readonly pictures: string[];
  /** Names of what is none: other files, and links to folders, which are not followed. */
  readonly others: string[];
}

/**
 * Finds the pictures in a folder and in those below it. A picture has the ending of one, whatever it
 * holds, or the first bytes of one, whatever it is called.
 *
 * @param withHidden Whether names count that begin with a dot; those that macOS puts beside others (`._cat.jpg`)
 *   never do.
 * @throws {Deno.errors.NotFound} If there is no such folder.
 */
export async function picturesBelow(
  folder: string,
  signal?: AbortSignal,
  withHidden: boolean = false,
): Promise<FolderContents> {
  const pictures: string[] = [], others: string[] = [], folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const found = await picturesIn(next, signal, withHidden);
    for (const path of found.pictures) pictures.push(path);
    for (const name of [...found.others, ...found.linkedFolders]) others.push(name);
    for (const name of found.folders) folders.push(asPath(join(next, name)));
  }
  return { pictures: pictures.sort(byCodePoint), others };
}

/**
 * The paths of the pictures in a folder and in those below it, one after the other: of each folder its own in the
 * order of code points, then those of its folders likewise. Only the contents of the folders on the way are held.
 *
 * @param withHidden As {@linkcode picturesBelow} has it.
 * @param onLink Told of each link to a folder, which is not followed.
 */
export async function* walkPictures(
  folder: string,
  signal: AbortSignal | undefined,
  withHidden: boolean = false,
  onLink: (path: string) => void = () => {},
): AsyncGenerator<string, void, undefined> {
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { pictures, folders, linkedFolders } = await picturesIn(next, signal, withHidden);
    for (const name of linkedFolders) onLink(join(next, name));
    yield* pictures.sort(byCodePoint);
    for (const name of folders.sort(byCodePoint).reverse()) waiting.push(asPath(join(next, name)));
  }
}

/** What a folder itself holds. */
export interface FolderEntries extends FolderContents {
  /** Names of folders. */
  readonly folders: string[];
  /** Names of links to folders. */
  readonly linkedFolders: string[];
}

/** Finds the pictures in a folder itself, and the names of the folders in it. */
export async function picturesIn(
  folder: string,
  signal?: AbortSignal,
  withHidden: boolean = false,
): Promise<FolderEntries> {
  const found: FolderEntries = { pictures: [], others: [], folders: [], linkedFolders: [] };
  for await (const entry of listFolder(folder)) {
    signal?.throwIfAborted();
    const { name, isLink } = entry;
    const isHidden = name.startsWith(withHidden ? "._" : ".");
    if (isHidden || LITTER.has(name.toLowerCase())) continue;
    const path = asPath(join(folder, name)), kind = await kindOf(path, entry);
    if (kind === "folder") (isLink ? found.linkedFolders : found.folders).push(name);
    else if (kind === "picture") found.pictures.push(path);
    else found.others.push(name);
  }
  return found;
}

async function kindOf(
  path: string,
  { name, isFile, isFolder, isLink }: FolderEntry,
): Promise<"folder" | "picture" | "other"> {
  if (isLink) {
    const target = await describePath(path).catch(() => undefined);
    // A link that leads nowhere is a picture by its name: whoever reads it says what is wrong with it.
    isFile = target?.isFile ?? true;
    isFolder = target?.isFolder ?? false;
  }
  if (isFolder) return "folder";
  return isFile && (isNamedAsPicture(name) || beginsAsPicture(startOf(path))) ? "picture" : "other";
}

/** Whether a file's name ends as that of a picture, also of one that cannot be read. */
export function isNamedAsPicture(name: string): boolean {
  const ending = extname(name).toLowerCase();
  return IMAGE_EXTENSIONS.has(ending) || UNREAD_EXTENSIONS.has(ending);
}

/** The first bytes of a file; none of one that cannot be opened. */
function startOf(path: string): Uint8Array {
  try {
    using file = new OpenFile(path);
    const start = new Uint8Array(START_BYTES);
    return start.subarray(0, file.read(0, start));
  } catch {
    return new Uint8Array(0);
  }
}

/** Of which kinds files are, the most frequent ones: `12 .txt, 1 without an ending`. */
export function kindsOf(names: readonly string[]): string {
  const byEnding = Map.groupBy(names, (name) => extname(name).toLowerCase());
  const kinds = [...byEnding].sort(([, a], [, b]) => b.length - a.length)
    .map(([ending, { length }]) => `${length} ${ending || "without an ending"}`);
  return [...kinds.slice(0, 5), ...kinds.length > 5 ? ["…"] : []].join(", ");
}

/** Orders texts by their code points, as no locale and no version of a system changes it. */
export function byCodePoint(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at === end ? a.length - b.length : rankAt(a, at) - rankAt(b, at);
}

/** The rank of a code unit: surrogates stand for what comes after all that is written in one unit. */
function rankAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
