/**
 * What an evaluation has found so far, as a file: a run that was interrupted goes on from there.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path/join";
import { listFolder, NotFound, OpenFile, readText } from "../platform.ts";
import type { EvaluationRecord } from "../evaluate/metrics.ts";
import type { Shard } from "./shard.ts";

/** One file of JSON lines: the settings, then a record a line. */
export class Journal {
  /** Records of earlier runs with the same settings. */
  readonly records: readonly EvaluationRecord[];
  readonly #file: OpenFile;

  private constructor(file: OpenFile, records: readonly EvaluationRecord[]) {
    this.#file = file;
    this.records = records;
  }

  /**
   * Opens the journal of some settings in a directory, or begins it. A part of the work has a journal of its own;
   * that of all the work begins with what the parts have found.
   */
  static async open(
    directory: string,
    settings: Record<string, unknown>,
    { index, count }: Shard = { index: 1, count: 1 },
  ): Promise<Journal> {
    const head = JSON.stringify(settings);
    const name = `records-${createHash("sha256").update(head).digest("hex").slice(0, 12)}`;
    const own = count === 1 ? `${name}.jsonl` : `${name}-${index}-of-${count}.jsonl`;
    const path = join(directory, own);
    const records = await readRecords(path);
    if (count === 1) {
      const known = new Set(records.map(({ file }) => file));
      for await (const { name: part } of listFolder(directory)) {
        if (!part.startsWith(`${name}-`)) continue;
        for (const record of await readRecords(join(directory, part))) {
          if (!known.has(record.file)) records.push(record);
          known.add(record.file);
        }
      }
    }
    const file = new OpenFile(path, "change");
    file.truncate(0);
    const journal = new Journal(file, records);
    journal.#write(head + "\n");
    journal.append(records);
    return journal;
  }

  append(records: readonly EvaluationRecord[]): void {
    this.#write(records.map((record) => JSON.stringify(record) + "\n").join(""));
  }

  close(): void {
    this.#file.close();
  }

  #write(text: string): void {
    this.#file.append(new TextEncoder().encode(text));
  }
}

/** The records of a journal, none if there is no such file. */
async function readRecords(path: string): Promise<EvaluationRecord[]> {
  const text = await readText(path).catch((error) => {
    if (error instanceof NotFound) return "";
    throw error;
  });
  // A line without an end was cut off as it was written.
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(1, -1);
  return lines.map((line) => JSON.parse(line));
}
