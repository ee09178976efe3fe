/** What came of a part, as files that are there once they are whole, under a name that tells what made them. */

import { basename, dirname, join } from "node:path";
import { sha256 } from "../../io/sha256.ts";
import { isSize } from "../../model/json.ts";
import { fileNames, isThere, OpenFile } from "../../platform.ts";
import { visibleJson } from "../../report/visible.ts";
import type { Settings } from "../settings.ts";
import { UsageError } from "../usage_error.ts";
import { partName } from "./manifest.ts";

/** The first line of a part's results. */
export interface Head {
  /** What made them. */
  readonly settings: Settings;
  /** The part's number. */
  readonly part: number;
  /** How many pictures it has. */
  readonly pictures: number;
  /** The SHA-256 of the file that lists them. */
  readonly list: string;
  /** The file beside the lines, whose name tells its contents: that of another run is not taken for it. */
  readonly beside?: string | undefined;
  /** Its size. */
  readonly besideBytes?: number | undefined;
}

/** A first line. */
export function headLine({ settings, ...head }: Head): string {
  return visibleJson({ ...settings, ...head });
}

/** What decides what comes of a picture, in a few letters: a name for it, whatever version of the program runs. */
export async function nameOfSettings({ version: _, ...settings }: Settings): Promise<string> {
  return (await sha256(JSON.stringify(settings))).slice(0, 12);
}

/** `part-000012.3f2a9c1b5d7e.jsonl`, or what lies beside it. */
export function resultPath(
  folder: string,
  number: number,
  name: string,
  ending = ".jsonl",
): string {
  return join(folder, `${partName(number)}.${name}${ending}`);
}

/** A file of results. */
export interface ResultFile {
  readonly path: string;
  /** That of the settings. */
  readonly name: string;
  /** Whether it has the lines of a part, and does not lie beside them. */
  readonly isLines: boolean;
}

/** The files in a folder that are called as {@linkcode resultPath} calls them. */
export function resultFiles(folder: string): ResultFile[] {
  return fileNames(folder).flatMap((file) => {
    const [, name, ending] = /^part-\d{6,}\.([0-9a-f]{12})\.(.+)$/.exec(file) ?? [];
    return name === undefined
      ? []
      : [{ path: join(folder, file), name, isLines: ending === "jsonl" }];
  });
}

/** Bytes of a first line at most. */
const MOST_HEAD = 2 ** 20;

/** The first line of a part's results; `undefined` if it is no such line, as of a file that a disk has torn. */
function readHead(path: string): Head | undefined {
  using file = new OpenFile(path);
  for (let size = 4096; size <= MOST_HEAD; size *= 4) {
    const bytes = new Uint8Array(size), begin = bytes.subarray(0, file.read(0, bytes));
    const end = begin.indexOf(10);
    if (end !== -1) return parsedHead(new TextDecoder().decode(begin.subarray(0, end)));
  }
  return undefined;
}

function parsedHead(line: string): Head | undefined {
  try {
    const { part, pictures, list, beside, besideBytes = 0, ...settings } = JSON.parse(line);
    const areTexts = [list, beside ?? "", ...Object.values(settings)]
      .every((value) => typeof value === "string");
    if (!areTexts || ![part, pictures, besideBytes].every(isSize)) return undefined;
    return { settings, part, pictures, list, beside, besideBytes };
  } catch {
    return undefined;
  }
}

/**
 * The first line of the results of a part, where these are whole.
 *
 * @throws {UsageError} If they are of other pictures: the manifest was made anew.
 */
export function wholeHead(path: string, number: number, list: string): Head | undefined {
  const head = isThere(path) ? readHead(path) : undefined;
  if (head === undefined) return undefined;
  if (head.list !== list || head.part !== number) {
    throw new UsageError(
      `${path} holds results of other pictures than the manifest has: name another --out-dir, or replace them ` +
        "with --force",
    );
  }
  const { beside, besideBytes } = head;
  const isWhole = beside === undefined ||
    sizeOf(join(dirname(path), basename(beside))) === besideBytes;
  return isWhole ? head : undefined;
}

/** Bytes of a file; `undefined` if there is none. */
function sizeOf(path: string): number | undefined {
  if (!isThere(path)) return undefined;
  using file = new OpenFile(path);
  return file.describe().size;
}
