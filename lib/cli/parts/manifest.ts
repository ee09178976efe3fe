/**
 * A set of pictures that is divided once, as files of JSON lines that never change: whichever machine does a
 * part, and how often, it is the same pictures.
 */

import { join } from "node:path";
import { writeWhole } from "../../io/atomic_file.ts";
import { sha256 } from "../../io/sha256.ts";
import { isRecord, isSize } from "../../model/json.ts";
import { fileNames, makeFolder, NotFound, readText, remove } from "../../platform.ts";
import { visibleJson } from "../../report/visible.ts";
import { isWebUrl } from "../../urls.ts";
import { VERSION } from "../../version.ts";
import { keepInputs } from "../outputs.ts";
import { UsageError } from "../usage_error.ts";
import { KnownIds } from "./known_ids.ts";

/** A picture of the set. */
export interface Entry {
  /** What it is called in results: no other is called so. */
  readonly id: string;
  /** Its path, or its `http(s)` URL. */
  readonly place: string;
  /** What it shows, where that is known. */
  readonly label?: string | undefined;
}

/** Pictures that are done together. */
export interface Part {
  /** From 1 on. */
  readonly number: number;
  readonly entries: readonly Entry[];
  /** The SHA-256 of the file that lists them. */
  readonly list: string;
}

/** How many pictures a part may have: it is held in memory. */
export const MOST_IN_PART = 1_000_000;

const ABOUT = "manifest.json", PART = /^part-(\d{6,})\.jsonl$/;

/** `part-000012`, which its lists and results begin with. */
export function partName(number: number): string {
  return `part-${String(number).padStart(6, "0")}`;
}

function listPath(folder: string, number: number): string {
  return join(folder, `${partName(number)}.jsonl`);
}

/** A set that is divided. */
export class Manifest {
  readonly folder: string;
  readonly pictures: number;
  readonly parts: number;
  readonly #partSize: number;
  readonly #lists: readonly string[];

  private constructor(
    folder: string,
    pictures: number,
    partSize: number,
    lists: readonly string[],
  ) {
    this.folder = folder;
    this.pictures = pictures;
    this.parts = lists.length;
    this.#partSize = partSize;
    this.#lists = lists;
  }

  /** @throws {UsageError} If there is none in the folder. */
  static async open(folder: string): Promise<Manifest> {
    const path = join(folder, ABOUT), found = parsed(await textOf(path, folder));
    const { pictures, parts, partSize, lists } = isRecord(found) ? found : {};
    const isOne = isSize(pictures) && isSize(partSize) && areTexts(lists) &&
      parts === lists.length && parts === Math.ceil(pictures / partSize);
    if (isOne) return new Manifest(folder, pictures, partSize, lists);
    throw new UsageError(
      `Expected ${path} to hold how many pictures and parts there are: make it anew with vgg16 manifest`,
    );
  }

  /** How many pictures a part has. */
  sizeOf(number: number): number {
    const isLast = number === this.parts;
    return isLast ? this.pictures - (this.parts - 1) * this.#partSize : this.#partSize;
  }

  /** The paths of the files that list its parts. */
  get files(): string[] {
    return this.#lists.map((_, n) => listPath(this.folder, n + 1));
  }

  /** The SHA-256 of the file that lists a part. */
  listOf(number: number): string {
    return this.#lists[number - 1]!; // Parts are from 1 to as many.
  }

  /** @throws {UsageError} If the part is not what the manifest says. */
  async part(number: number): Promise<Part> {
    const path = listPath(this.folder, number), text = await textOf(path, this.folder);
    const lines = text.split("\n").slice(0, -1), size = this.sizeOf(number);
    if (lines.length !== size) {
      throw new UsageError(`Expected ${size} pictures in ${path}: found ${lines.length} lines`);
    }
    const list = await sha256(text), entries = lines.map((line, n) => entryOf(line, path, n + 1));
    if (list === this.listOf(number)) return { number, entries, list };
    throw new UsageError(
      `${path} is not what ${ABOUT} says: it was changed, or two runs of vgg16 manifest wrote here. Make it anew`,
    );
  }
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

async function textOf(path: string, folder: string): Promise<string> {
  try {
    return await readText(path);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    throw new UsageError(
      `${folder} holds no whole manifest (no ${path}): make one with vgg16 manifest PICTURES --out-dir ${folder}`,
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function entryOf(line: string, path: string, number: number): Entry {
  const found = parsed(line);
  const { id, path: file, url, label } = isRecord(found) ? found : {};
  const isUrl = typeof url === "string" && isWebUrl(url) && file === undefined;
  const isFile = typeof file === "string" && file !== "" && url === undefined;
  const isLabel = label === undefined || typeof label === "string";
  if (typeof id === "string" && isLabel && (isUrl || isFile)) {
    return { id, place: String(file ?? url), ...label !== undefined && { label } };
  }
  throw new UsageError(
    `${path}, line ${number}: expected an id and a path or a URL, found ${line.slice(0, 80)}`,
  );
}

/** How a manifest is written. */
export interface DivideOptions {
  /** Pictures of a part, but for the last. */
  readonly partSize: number;
  /** Whether no two entries can have one id. */
  readonly areDifferent: boolean;
  /** Whether a manifest that is there is replaced. */
  readonly isReplaced: boolean;
  /** What is read meanwhile. */
  readonly reads: readonly string[];
  readonly signal: AbortSignal;
  /** Told how many pictures are written. */
  readonly onPictures?: (count: number) => void;
}

/**
 * Writes the parts of a set into a folder, and that they are whole last of all. Of the pictures no more are held
 * than of a part, and some 20 bytes of each id.
 *
 * @throws {UsageError} If the folder has a manifest already, two pictures have one id, or there is none at all.
 */
export async function divide(
  entries: AsyncIterable<Entry>,
  folder: string,
  { partSize, areDifferent, isReplaced, reads, signal, onPictures = () => {} }: DivideOptions,
): Promise<{ readonly pictures: number; readonly parts: number }> {
  await makeFolder(folder);
  const about = join(folder, ABOUT);
  const before = fileNames(folder).filter((name) => PART.test(name));
  await keepInputs(reads, before.map((name) => join(folder, name)));
  if (!isReplaced) await refuseOthers(folder, before);
  // A run that is killed leaves this, so that the next one may replace what it wrote.
  await writeWhole(about, visibleJson(UNFINISHED) + "\n");
  const ids = new KnownIds();
  const lists: string[] = [];
  let pictures = 0, lines: string[] = [];
  const write = async (): Promise<void> => {
    const text = lines.join("");
    lists.push(await sha256(text));
    await writeWhole(listPath(folder, lists.length), text);
    lines = [];
  };
  for await (const entry of entries) {
    signal.throwIfAborted();
    // Names that are no UTF-8 have the same mark for whatever is none.
    const mayBeSecond = !areDifferent || entry.id.includes("\ufffd");
    if (mayBeSecond && !ids.add(entry.id)) {
      await refuseSecond(entry.id, folder, lists.length, lines);
    }
    lines.push(lineOf(entry));
    onPictures(++pictures);
    if (lines.length === partSize) await write();
  }
  if (lines.length > 0) await write();
  if (pictures === 0) throw new UsageError("There is no picture: nothing is divided");
  for (const name of before) {
    if (Number(PART.exec(name)?.[1]) > lists.length) await remove(join(folder, name));
  }
  const counts = { pictures, parts: lists.length };
  await writeWhole(about, visibleJson({ ...UNFINISHED, ...counts, partSize, lists }) + "\n");
  return counts;
}

/** What a manifest begins with; its counts and lists follow once it is whole. */
const UNFINISHED = { program: "vgg16 manifest", version: VERSION };

/** @throws {UsageError} If a folder has a manifest, or files of that name that none has made. */
async function refuseOthers(folder: string, before: readonly string[]): Promise<void> {
  const path = join(folder, ABOUT);
  const text = await readText(path).catch((error) => {
    if (error instanceof NotFound) return undefined;
    throw error;
  });
  const found = text === undefined ? undefined : parsed(text);
  if (isRecord(found) && found.program === UNFINISHED.program && found.lists === undefined) return;
  const [first] = text === undefined ? before : [ABOUT];
  if (first === undefined) return;
  throw new UsageError(
    `${
      join(folder, first)
    } exists, and results may belong to it: name another folder, or replace it with --force`,
  );
}

function lineOf({ id, place, label }: Entry): string {
  const where = isWebUrl(place) ? { url: place } : { path: place };
  return visibleJson({ id, ...where, ...label !== undefined && { label } }) + "\n";
}

/** @throws {UsageError} If an id that looks as if it were there is there indeed. */
async function refuseSecond(
  id: string,
  folder: string,
  parts: number,
  lines: readonly string[],
): Promise<void> {
  const begin = visibleJson({ id }).slice(0, -1) + ",";
  const has = (lines: readonly string[]): boolean => lines.some((line) => line.startsWith(begin));
  let isThere = has(lines);
  for (let number = 1; number <= parts && !isThere; number++) {
    isThere = has((await readText(listPath(folder, number))).split("\n"));
  }
  if (!isThere) return;
  throw new UsageError(
    `Two pictures are called ${id}: results could not be told apart. Leave one out, or name them in a column "id"`,
  );
}
