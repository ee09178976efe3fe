/** Files of JSON lines that grow as a run goes on, and from which an interrupted one goes on. */

import { writeParts } from "../io/atomic_file.ts";
import { openLocked } from "../io/lock.ts";
import { isRecord } from "../model/json.ts";
import { OpenFile, remove } from "../platform.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** What the lines of a file are. */
export interface LineFormat {
  /** In words. */
  readonly about: string;
  /** How the next one begins that a run writes: what begins otherwise was not cut off by one. */
  readonly begin: string;
  /** Takes the object of the next line. Returns whether it is one of these, or is one to leave out. */
  readonly take: (value: Record<string, unknown>) => boolean | "drop";
}

/** A file of lines to which one run at a time adds. */
export class LineFile implements Disposable {
  readonly #file: OpenFile;

  private constructor(file: OpenFile) {
    this.#file = file;
  }

  /**
   * Opens a file for adding to it, or creates it. A last line without an end was cut off as it was
   * written: it is removed. Where lines are to be left out, a file without them replaces it.
   *
   * @param isReplaced Whether what is there is forgotten, once no other run has it.
   * @throws {UsageError} If it is no such file. Then it stays as it is.
   * @throws {Error} If another run has it.
   */
  static async open(
    path: string,
    format: LineFormat,
    isReplaced: boolean = false,
  ): Promise<LineFile> {
    if (isReplaced) await removeUnused(path);
    const file = await openLocked(path);
    let kept: number;
    try {
      const { whole, dropped } = readLines(file, path, format);
      removeTail(file, path, whole);
      if (dropped.length === 0) return new LineFile(file);
      await writeParts(path, partsBetween(file, dropped, whole));
      kept = dropped.reduce((bytes, [begin, end]) => bytes - (end - begin), whole);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    const written = await openLocked(path);
    if (written.describe().size === kept) return new LineFile(written);
    // Nobody had its lock for a moment.
    written.close();
    throw new Error(`Another run has changed ${path}: try again`);
  }

  /** Adds lines: all of them, or none if they do not fit on the disk. */
  append(lines: readonly string[]): void {
    this.#file.append(new TextEncoder().encode(lines.map((line) => line + "\n").join("")));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/**
 * Reads the whole lines of a file that others may be writing.
 *
 * @throws {UsageError} If it is no such file.
 */
export function readLineFile(path: string, format: LineFormat): void {
  using file = new OpenFile(path);
  readLines(file, path, format);
}

/**
 * Removes a file, if there is one: other names that it has keep what it holds.
 *
 * @throws {Error} If another run has it.
 */
export async function removeUnused(path: string): Promise<void> {
  using _file = await openLocked(path);
  await remove(path);
}

/** Bytes of a file that are read at a time. */
const CHUNK_BYTES = 2 ** 20;

/** Where bytes lie in a file. */
type Range = readonly [begin: number, end: number];

/** Reads whole lines. Returns how long they are, and which are to be left out. */
function readLines(
  file: OpenFile,
  path: string,
  format: LineFormat,
): { whole: number; dropped: Range[] } {
  const decoder = new TextDecoder();
  const dropped: Range[] = [];
  const check = (isLine: boolean | "drop", line: string): void => {
    if (isLine !== false) return;
    const found = JSON.stringify(line.slice(0, 80));
    throw new UsageError(
      `Expected ${path} to hold ${format.about}, found ${found}: name another file`,
    );
  };
  let rest = new Uint8Array(0), whole = 0;
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let n = file.read(0, chunk); n > 0; n = file.read(whole + rest.length, chunk)) {
    const bytes = new Uint8Array(rest.length + n);
    bytes.set(rest);
    bytes.set(chunk.subarray(0, n), rest.length);
    let at = 0;
    for (let end; (end = bytes.indexOf(10, at) + 1) > 0; at = end) {
      const line = decoder.decode(bytes.subarray(at, end - 1));
      const value = parse(line), isLine = isRecord(value) && format.take(value);
      check(isLine, line);
      if (isLine === "drop") dropped.push([whole + at, whole + end]);
    }
    whole += at;
    rest = bytes.slice(at);
    const tail = decoder.decode(rest.subarray(0, 80)), { begin } = format;
    check(tail.startsWith(begin) || begin.startsWith(tail), tail);
  }
  return { whole, dropped };
}

/** The bytes of a file up to `end` that are in none of some ranges, which are in order. */
function* partsBetween(
  file: OpenFile,
  ranges: readonly Range[],
  end: number,
): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let at = 0;
  for (const [begin, next] of [...ranges, [end, end] as const]) {
    for (; at < begin; at += CHUNK_BYTES) {
      const part = chunk.subarray(0, Math.min(CHUNK_BYTES, begin - at));
      file.read(at, part);
      yield part;
    }
    at = next;
  }
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
