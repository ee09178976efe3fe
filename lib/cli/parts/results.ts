/** What came of a part, as files that are there once they are whole, under a name that tells what made them. */

import { join } from "node:path";
import { sha256 } from "../../io/sha256.ts";
import { isRecord } from "../../model/json.ts";
import { OpenFile } from "../../platform.ts";
import type { Settings } from "../settings.ts";
import { UsageError } from "../usage_error.ts";
import { type Part, partName } from "./manifest.ts";

/** The first line of a part's results. */
export type Head = Settings & {
  /** Its number. */
  readonly part: number;
  /** How many pictures it has. */
  readonly pictures: number;
  /** The SHA-256 of the file that lists them. */
  readonly list: string;
};

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

/** Of the names of {@linkcode resultPath}. */
export const RESULT = /^part-(\d{6,})\.([0-9a-f]{12})\.jsonl$/;

/** How the results of a part begin. */
export function headOf({ number, entries, sha256 }: Part, settings: Settings): Head {
  // A setting cannot be called so: those of the commands are known.
  return { ...settings, part: number, pictures: entries.length, list: sha256 } as Head;
}

/** Bytes of a first line at most. */
const MOST_HEAD = 2 ** 20;

/** The first line of a part's results; `undefined` if it is no such line. */
function readHead(path: string): Head | undefined {
  using file = new OpenFile(path);
  for (let size = 4096; size <= MOST_HEAD; size *= 4) {
    const bytes = new Uint8Array(size), begin = bytes.subarray(0, file.read(0, bytes));
    const end = begin.indexOf(10);
    if (end === -1) continue;
    try {
      const head: unknown = JSON.parse(new TextDecoder().decode(begin.subarray(0, end)));
      const isHead = isRecord(head) && typeof head.program === "string" &&
        typeof head.part === "number" && typeof head.list === "string";
      return isHead ? head as Head : undefined;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/**
 * The first line of the results of a part, that are there.
 *
 * @throws {UsageError} If they are of other pictures: the manifest was made anew.
 */
export function headFor(path: string, part: Part): Head {
  const head = readHead(path);
  if (head?.list === part.sha256 && head.part === part.number) return head;
  throw new UsageError(
    `${path} holds results of other pictures than the manifest has: name another --out-dir, or replace them ` +
      "with --force",
  );
}
