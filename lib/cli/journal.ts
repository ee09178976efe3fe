/**
 * What an evaluation has found so far, as a file: a run that was interrupted goes on from there.
 */

import { join } from "node:path";
import { sha256 } from "../io/sha256.ts";
import { listFolder, readText } from "../platform.ts";
import type { EvaluationRecord } from "../evaluate/metrics.ts";
import { LineFile } from "./line_file.ts";
import type { Shard } from "./shard.ts";

/** One file of JSON lines: the settings, then a record a line. */
export class Journal implements Disposable {
  /** Records of earlier runs with the same settings. */
  readonly records: readonly EvaluationRecord[];
  readonly #lines: LineFile;

  private constructor(lines: LineFile, records: readonly EvaluationRecord[]) {
    this.#lines = lines;
    this.records = records;
  }

  /**
   * Opens the journal of some settings in a directory, or begins it. A part of the work has a journal of its own;
   * that of all the work begins with what the parts have found.
   *
   * @throws {Error} If another run has it.
   */
  static async open(
    directory: string,
    settings: Record<string, unknown>,
    { index, count }: Shard = { index: 1, count: 1 },
  ): Promise<Journal> {
    const head = JSON.stringify(settings);
    const name = `records-${(await sha256(head)).slice(0, 12)}`;
    const own = count === 1 ? `${name}.jsonl` : `${name}-${index}-of-${count}.jsonl`;
    const records: EvaluationRecord[] = [];
    let isBegun = false;
    const lines = await LineFile.open(join(directory, own), {
      about: `records of ${head}`,
      begin: '{"',
      take(value) {
        if (isBegun) records.push(value as unknown as EvaluationRecord); // Written by a journal.
        else if (JSON.stringify(value) !== head) return false;
        isBegun = true;
        return true;
      },
    });
    const journal = new Journal(lines, records);
    try {
      if (!isBegun) lines.append([head]);
      if (count > 1) return journal;
      const known = new Set(records.map(({ file }) => file));
      for await (const { name: part } of listFolder(directory)) {
        if (!part.startsWith(`${name}-`)) continue;
        const found = await readRecords(join(directory, part));
        const added = found.filter(({ file }) => !known.has(file));
        added.forEach(({ file }) => known.add(file));
        records.push(...added);
        journal.append(added);
      }
      return journal;
    } catch (error) {
      lines[Symbol.dispose]();
      throw error;
    }
  }

  append(records: readonly EvaluationRecord[]): void {
    this.#lines.append(records.map((record) => JSON.stringify(record)));
  }

  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }
}

/** The records of a part's journal, which may still be written. */
async function readRecords(path: string): Promise<EvaluationRecord[]> {
  const text = await readText(path);
  // A line without an end was cut off as it was written, or is not whole yet.
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(1, -1);
  return lines.map((line) => JSON.parse(line));
}
