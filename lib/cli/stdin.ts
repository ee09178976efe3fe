/** Standard input: a picture, or names of pictures. */

import { system } from "../system/system.ts";
import { delay } from "@std/async/delay";
import { beginsAsPicture } from "../image/decode.ts";
import { readBytes } from "../image/read.ts";
import { isThere, readText } from "../platform.ts";
import { UsageError } from "./usage_error.ts";

/** Whether somebody would have to type it. */
export function isTerminal(): boolean {
  return system.stdin.isTerminal();
}

/** Puts the next bytes of standard input into an array: how many, or `null` at its end. */
export async function readStdin(into: Uint8Array): Promise<number | null> {
  while (true) {
    try {
      return await system.stdin.read(into);
    } catch (error) {
      // A pipe that another program has made so has nothing yet.
      if (!(error instanceof system.errors.WouldBlock)) throw error;
      await delay(5);
    }
  }
}

/**
 * Standard input, as it comes.
 *
 * @throws {UsageError} If nobody writes to it.
 */
export function streamFromStdin(): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (!isTerminal()) return system.stdin.readable;
  throw new UsageError("Standard input is this terminal: pipe names into the command, one a line");
}

/**
 * The names in a file, or on standard input, one a line.
 *
 * @throws {UsageError} If there is no such file, it is no text, or nobody writes to standard input.
 */
export async function namesIn(file: string): Promise<string[]> {
  const text = file === "-" ? await new Response(streamFromStdin()).text() : await textOf(file);
  if (text.includes("\0")) {
    throw new UsageError(`Expected names in ${file}, one a line: it is no text`);
  }
  return text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim() !== "");
}

async function textOf(file: string): Promise<string> {
  try {
    return await readText(file);
  } catch (error) {
    throw new UsageError(`Cannot read names from ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * The picture on standard input.
 *
 * @throws {RangeError} If there are several, or names of pictures.
 */
export async function pictureFromStdin(): Promise<Uint8Array> {
  const bytes = await readBytes(system.stdin.readable, {});
  if (bytes.length === 0) throw new RangeError("standard input is empty: expected a picture");
  if (hasSecond(bytes)) {
    throw new RangeError(
      "standard input has several pictures: give one, or name files with --files-from -",
    );
  }
  if (!beginsAsPicture(bytes) && areNames(bytes)) {
    throw new RangeError("standard input has names of files: read them with --files-from -");
  }
  return bytes;
}

/** Bytes in which the marker of several pictures in one JPEG stands, as cameras write them. */
const HEAD = 2 ** 17;

/** Whether another file follows the first. Pictures that a camera has put into one file are one. */
export function hasSecond(bytes: Uint8Array): boolean {
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (isJpeg && indexOf(bytes.subarray(0, HEAD), latin1("MPF\0"), 0) >= 0) return false;
  const end = isJpeg ? [0xff, 0xd9] : latin1("IEND\xae\x42\x60\x82");
  if (!isJpeg && bytes[0] !== 0x89) return false;
  for (let at = indexOf(bytes, end, 0); at >= 0; at = indexOf(bytes, end, at + 1)) {
    const next = bytes.subarray(at + end.length, at + end.length + 256);
    if (next.length > 0 && beginsAsPicture(next)) return true;
  }
  return false;
}

const latin1 = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0));

function indexOf(bytes: Uint8Array, wanted: readonly number[], from: number): number {
  for (let at = bytes.indexOf(wanted[0]!, from); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, n) => bytes[at + n] === byte)) return at;
  }
  return -1;
}

function areNames(bytes: Uint8Array): boolean {
  const [first = ""] = new TextDecoder().decode(bytes.subarray(0, 4096)).split(/\r?\n/);
  return first !== "" && !first.includes("\0") && isThere(first);
}
