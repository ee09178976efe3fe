/** Files of JSON lines that grow as a run goes on, and from which an interrupted one goes on. */

import { openLocked } from "../io/lock.ts";
import { isRecord } from "../model/json.ts";
import type { OpenFile } from "../platform.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** What the lines of a file are. */
export interface LineFormat {
  /** In words. */
  readonly about: string;
  /** How each begins that a run writes: what begins otherwise was not cut off by one. */
  readonly begin: string;
  /** Takes the object of the next line. Returns whether it is one of these. */
  readonly take: (value: Record<string, unknown>) => boolean;
}

/** A file of lines to which one run at a time adds. */
export class LineFile implements Disposable {
  readonly #file: OpenFile;

  private constructor(file: OpenFile) {
    this.#file = file;
  }

  /**
   * Opens a file for adding to it, or creates it. A last line without an end was cut off as it was
   * written: it is removed.
   *
   * @throws {UsageError} If it is no such file. Then it stays as it is.
   * @throws {Error} If another run has it.
   */
  static async open(path: string, format: LineFormat): Promise<LineFile> {
    const file = await openLocked(path);
    try {
      removeTail(file, path, readLines(file, path, format));
      return new LineFile(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Adds lines: all of them, or none if they do not fit on the disk. */
  append(lines: readonly string[]): void {
    this.#file.append(new TextEncoder().encode(lines.map((line) => line + "\n").join("")));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads whole lines. Returns how long they are. */
function readLines(file: OpenFile, path: string, { begin, about, take }: LineFormat): number {
  const decoder = new TextDecoder();
  const check = (isLine: boolean, line: string): void => {
    if (isLine) return;
    const found = JSON.stringify(line.slice(0, 80));
    throw new UsageError(`Expected ${path} to hold ${about}, found ${found}: name another file`);
  };
  let rest = new Uint8Array(0), whole = 0;
  const chunk = new Uint8Array(2 ** 20);
  for (let n = file.read(0, chunk); n > 0; n = file.read(whole + rest.length, chunk)) {
    const bytes = new Uint8Array(rest.length + n);
    bytes.set(rest);
    bytes.set(chunk.subarray(0, n), rest.length);
    const end = bytes.lastIndexOf(10) + 1;
    for (const line of decoder.decode(bytes.subarray(0, end)).split("\n").slice(0, -1)) {
      const value = parse(line);
      check(isRecord(value) && take(value), line);
    }
    whole += end;
    rest = bytes.slice(end);
    const tail = decoder.decode(rest.subarray(0, 80));
    check(tail.startsWith(begin) || begin.startsWith(tail), tail);
  }
  return whole;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function removeTail(file: OpenFile, path: string, whole: number): void {
  const { size } = file.describe();
  if (size === whole) return;
  tell(`${path}: the last line was cut off as it was written, and is removed`);
  file.truncate(whole);
}
