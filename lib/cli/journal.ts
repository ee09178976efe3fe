/**
 * What an evaluation has found so far, as a file: a run that was interrupted goes on from there.
 */

import { join } from "node:path";
import type { EvaluationRecord } from "../evaluate/metrics.ts";
import { sha256 } from "../io/sha256.ts";
import { listFolder } from "../platform.ts";
import { KnownImages, type Stamp } from "./known_images.ts";
import { removeUnused } from "./line_file.ts";
import type { Settings } from "./settings.ts";
import type { Share } from "./parts/share.ts";

/** One file of JSON lines: the settings, then a record a line. */
export class Journal implements Disposable {
  /** Records of earlier runs with the same settings, of images that are still what they were. */
  readonly records: readonly EvaluationRecord[];
  readonly #known: KnownImages;

  private constructor(known: KnownImages, records: readonly EvaluationRecord[]) {
    this.#known = known;
    this.records = records;
  }

  /**
   * Opens the journal of some settings in a directory, or begins it. A part of the work has a journal of its own;
   * that of all the work believes the parts, too.
   *
   * @param stamps Of the images that this run is about, each with its class.
   * @param isReplaced Whether what is there is forgotten.
   * @throws {Error} If another run has it.
   */
  static async open(
    directory: string,
    settings: Settings,
    stamps: ReadonlyMap<string, Stamp>,
    { index, count }: Share = { index: 1, count: 1 },
    isReplaced: boolean = false,
  ): Promise<Journal> {
    const name = await nameOf(settings);
    const own = count === 1 ? `${name}.jsonl` : `${name}-${index}-of-${count}.jsonl`;
    const path = join(directory, own);
    const names = await Array.fromAsync(listFolder(directory), ({ name }) => name);
    const isPart = new RegExp(`^${name}-\\d+-of-\\d+\\.jsonl$`);
    const parts = count > 1
      ? []
      : names.filter((part) => isPart.test(part)).sort().map((part) => join(directory, part));
    if (isReplaced) { for (const gone of parts) await removeUnused(gone); }
    const records: EvaluationRecord[] = [];
    const known = await KnownImages.open(path, settings, stamps, {
      isReplaced,
      take: ({ file, label, top, score, scores }) => {
        if (!Array.isArray(top) || typeof score !== "number") return false;
        const own = scores === undefined ? {} : { scores };
        records.push({ file, label, top, score, ...own } as EvaluationRecord); // As a journal writes them.
        return true;
      },
      others: isReplaced ? [] : parts,
    });
    return new Journal(known, records);
  }

  append(records: readonly EvaluationRecord[]): void {
    this.#known.append(...records.map((record) => ({ ...record })));
  }

  [Symbol.dispose](): void {
    this.#known[Symbol.dispose]();
  }
}

/** The name of the journals of some settings, whatever version of the program writes them. */
async function nameOf({ version: _, ...settings }: Settings): Promise<string> {
  return `records-${(await sha256(JSON.stringify(settings))).slice(0, 12)}`;
}
