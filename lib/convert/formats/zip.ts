/**
 * Reads zip archives, with the extension for large ones.
 *
 * @see {@link https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT} sections 4.3 and 4.5.3
 */

import type { Cleanup } from "../../cleanup.ts";
import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import type { Budget } from "./budget.ts";
import { unpack } from "./inflate.ts";

/** One file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Whether its bytes lie there as they are. */
  readonly isStored: boolean;
  readonly size: number;
  readonly compressedSize: number;
  /** Offset of its local header. */
  readonly headerOffset: number;
}

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65535;
const MAX_DIRECTORY_BYTES = 8 << 20;
const HEADER_BYTES = 30;

/** Lists an archive. What is compressed in it is counted, whether it is opened later or not. */
export async function readZipDirectory(source: ByteSource, budget: Budget): Promise<ZipEntry[]> {
  const { count, size, offset } = await findDirectory(source);
  if (size > MAX_DIRECTORY_BYTES || offset + size > source.size!) {
    fail(source, offset, `its directory of ${size} bytes does not fit`);
  }
  const bytes = new Uint8Array(size);
  await source.read(offset, bytes);
  const view = new DataView(bytes.buffer);
  const entries: ZipEntry[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (at + 46 > size || view.getUint32(at, true) !== 0x02014b50) {
      fail(source, offset + at, "an entry of its directory is missing");
    }
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > size) fail(source, offset + at, "an entry of its directory is cut short");
    entries.push(parseEntry(source, view, at, nameBytes, extraBytes));
    at = next;
  }
  checkPlaces(source, entries, offset);
  for (const { isStored, compressedSize, size } of entries) {
    if (!isStored) budget.unpack(compressedSize, size);
  }
  return entries;
}

/** Entries that share their bytes would be unpacked to any size. */
function checkPlaces(source: ByteSource, entries: readonly ZipEntry[], directory: number): void {
  const inOrder = entries.toSorted((a, b) => a.headerOffset - b.headerOffset);
  inOrder.forEach(({ name, headerOffset, compressedSize }, index) => {
    const end = headerOffset + HEADER_BYTES + compressedSize;
    const next = inOrder[index + 1];
    if (end <= (next?.headerOffset ?? directory)) return;
    fail(source, headerOffset, `${name} overlaps ${next?.name ?? "the directory"}`);
  });
}

function parseEntry(
  source: ByteSource,
  view: DataView,
  at: number,
  nameBytes: number,
  extraBytes: number,
): ZipEntry {
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameBytes));
  const method = view.getUint16(at + 10, true);
  const isEncrypted = (view.getUint16(at + 8, true) & 1) !== 0;
  if (isEncrypted || (method !== 0 && method !== 8)) {
    const file = source.name;
    const found = isEncrypted ? "is encrypted" : `has compression method ${method}`;
    throw new CheckpointFormatError(
      `Expected stored or deflated entries in a zip archive: ${name} of ${file} ${found}`,
      { code: "checkpoint-unsupported", file, offset: at },
    );
  }
  // The 64-bit field has, in this order, only those that do not fit into 32 bits.
  const wide = wideFields(view, at + 46 + nameBytes, extraBytes);
  const field = (position: number): number => {
    const value = view.getUint32(position, true);
    return value === 0xffffffff ? wide.shift() ?? value : value;
  };
  const size = field(at + 24);
  const compressedSize = field(at + 20);
  return { name, isStored: method === 0, size, compressedSize, headerOffset: field(at + 42) };
}

function wideFields(view: DataView, begin: number, length: number): number[] {
  const end = begin + length;
  for (let at = begin; at + 4 <= end;) {
    const bytes = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1 && at + 4 + bytes <= end) {
      const field = (_: unknown, i: number) => Number(view.getBigUint64(at + 4 + 8 * i, true));
      return Array.from({ length: bytes >> 3 }, field);
    }
    at += 4 + bytes;
  }
  return [];
}

async function findDirectory(
  source: ByteSource,
): Promise<{ count: number; size: number; offset: number }> {
  const size = source.size!;
  const tail = new Uint8Array(Math.min(size, END_BYTES + MAX_COMMENT_BYTES));
  await source.read(size - tail.length, tail);
  const view = new DataView(tail.buffer);
  let at = tail.length - END_BYTES;
  while (at >= 0 && view.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) fail(source, size, "its end is missing, so it was cut short. Download it again");
  const end = {
    count: view.getUint16(at + 10, true),
    size: view.getUint32(at + 12, true),
    offset: view.getUint32(at + 16, true),
  };
  const isWide = at >= 20 && view.getUint32(at - 20, true) === 0x07064b50;
  if (!isWide) return end;

  const record = new Uint8Array(56);
  const recordOffset = Number(view.getBigUint64(at - 12, true));
  if (recordOffset + record.length > size) fail(source, size, "its 64-bit directory is missing");
  await source.read(recordOffset, record);
  const wide = new DataView(record.buffer);
  return {
    count: Number(wide.getBigUint64(32, true)),
    size: Number(wide.getBigUint64(40, true)),
    offset: Number(wide.getBigUint64(48, true)),
  };
}

/** Where bytes are. */
export interface PlacedBytes {
  readonly bytes: ByteSource;
  readonly begin: number;
}

/** Finds the contents of an entry. What it decompresses is closed with `opened`. */
export async function openEntry(
  source: ByteSource,
  entry: ZipEntry,
  opened: Cleanup,
): Promise<PlacedBytes> {
  const begin = await dataOffset(source, entry);
  if (entry.isStored) return { bytes: source, begin };
  const name = `${source.name}/${entry.name}`;
  const deflated = {
    source,
    begin,
    length: entry.compressedSize,
    format: "deflate-raw",
    name,
  } as const;
  const inflated = await unpack(deflated, entry.size);
  return { bytes: opened.adopt(inflated, () => inflated.close()), begin: 0 };
}

/** Reads a small entry; how large it may be is the caller's business. */
export async function readEntry(
  source: ByteSource,
  entry: ZipEntry,
  opened: Cleanup,
): Promise<Uint8Array> {
  const { bytes, begin } = await openEntry(source, entry, opened);
  const contents = new Uint8Array(entry.size);
  await bytes.read(begin, contents);
  return contents;
}

/** Finds where an entry's bytes begin. */
async function dataOffset(source: ByteSource, entry: ZipEntry): Promise<number> {
  const header = new Uint8Array(HEADER_BYTES);
  await source.read(entry.headerOffset, header);
  const view = new DataView(header.buffer);
  if (view.getUint32(0, true) !== 0x04034b50) {
    fail(source, entry.headerOffset, `the header of ${entry.name} is missing`);
  }
  const begin = entry.headerOffset + HEADER_BYTES + view.getUint16(26, true) +
    view.getUint16(28, true);
  if (begin + entry.compressedSize > source.size!) {
    fail(source, begin, `${entry.name} does not fit`);
  }
  return begin;
}

function fail(source: ByteSource, offset: number, message: string): never {
  const file = source.name, text = `The zip archive ${file} is damaged: ${message}`;
  throw new CheckpointFormatError(text, { file, offset });
}
