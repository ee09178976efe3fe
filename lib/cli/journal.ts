/**
 * What an evaluation has found so far, as a file: a run that was interrupted goes on from there.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import type { EvaluationRecord } from "../evaluate/metrics.ts";

/** One file of JSON lines: the settings, then a record a line. */
export class Journal {
  /** Records of earlier runs with the same settings. */
  readonly records: readonly EvaluationRecord[];
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile, records: readonly EvaluationRecord[]) {
    this.#file = file;
    this.records = records;
  }

  /** Opens the journal of some settings in a directory, or begins it. */
  static async open(directory: string, settings: Record<string, unknown>): Promise<Journal> {
    const head = JSON.stringify(settings);
    const name = createHash("sha256").update(head).digest("hex").slice(0, 12);
    const path = join(directory, `records-${name}.jsonl`);
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    // A line without an end was cut off as it was written.
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n").slice(1, -1);
    const records: EvaluationRecord[] = lines.map((line) => JSON.parse(line));
    const file = await Deno.open(path, { create: true, write: true, truncate: true });
    const journal = new Journal(file, records);
    await journal.#write(head + "\n");
    await journal.append(records);
    return journal;
  }

  /** Adds records. */
  async append(records: readonly EvaluationRecord[]): Promise<void> {
    await this.#write(records.map((record) => JSON.stringify(record) + "\n").join(""));
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  async #write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
  }
}
