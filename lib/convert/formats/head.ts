/** What is looked at of a file to tell its format: its name, its first bytes, its fields. */

import type { ByteSource } from "../../io/byte_source.ts";
import { readMessage } from "./protobuf.ts";

/** The beginning of a file. */
export interface Head {
  readonly source: ByteSource;
  /** Without folders, in lower case. */
  readonly name: string;
  /** The first 4 KiB, a character a byte. */
  readonly text: string;
  /** The last 8 bytes, a character each. */
  readonly end: string;
  /**
   * Read as a protocol buffer: the first places of its fields, each the number and the wire type, as in
   * `"1:0 2:2 7:2 8:2 "`; empty where it can be none.
   */
  readonly fields: string;
}

const HEAD_BYTES = 4096;
const END_BYTES = 8;
/** Fields that are looked at; a network may have thousands of layers. */
const MAX_FIELDS = 1000;

/** Reads the beginning of a file. */
export async function readHead(source: ByteSource): Promise<Head> {
  const bytes = new Uint8Array(Math.min(HEAD_BYTES, source.size!));
  await source.read(0, bytes);
  const last = new Uint8Array(Math.min(END_BYTES, source.size!));
  await source.read(source.size! - last.length, last);
  const name = source.name.replace(/^.*[/\\]/s, "").toLowerCase();
  const text = latin1(bytes);
  // Most checkpoints: they are not read for fields that they have not.
  const isKnown = /^(PK|\x89HDF|\x93NUMPY|[^]{4}\0{4}\{)/.test(text);
  return { source, name, text, end: latin1(last), fields: isKnown ? "" : await listFields(source) };
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Up to where it is damaged or cut short. */
async function listFields(source: ByteSource): Promise<string> {
  const found = new Set<string>();
  try {
    let count = 0;
    for await (const { number, wire } of readMessage(source, { begin: 0, end: source.size! })) {
      found.add(`${number}:${wire} `);
      if (++count === MAX_FIELDS) break;
    }
  } catch {
    // The reader of the format says what is wrong.
  }
  return [...found].join("");
}
