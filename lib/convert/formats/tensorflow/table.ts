/**
 * Reads TensorFlow's tables: sorted keys and their values in blocks, as LevelDB's are. Both versions of
 * checkpoints are such.
 *
 * @see {@link https://github.com/google/leveldb/blob/main/doc/table_format.md}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import { Cursor } from "../cursor.ts";
import { readVarint } from "../protobuf.ts";

const FOOTER_BYTES = 48;

/** The last bytes of all, by which a table is told. */
const MAGIC_BYTES = 8;

/** A key, and where its value lies. */
export interface TableEntry {
  /** Names are text; what is not is never looked for. */
  readonly key: string;
  readonly begin: number;
  readonly end: number;
}

/** Lists a table's entries in the order of their keys. */
export async function readTable(source: ByteSource, budget: Budget): Promise<TableEntry[]> {
  const footer = new Cursor(source, source.size! - FOOTER_BYTES, source.size! - MAGIC_BYTES);
  await readHandle(footer); // Of blocks about blocks.
  const entries: TableEntry[] = [];
  for await (const { begin, end } of blockEntries(source, await readHandle(footer))) {
    const block = await readHandle(new Cursor(source, begin, end));
    for await (const entry of blockEntries(source, block)) {
      budget.visit();
      entries.push(entry);
    }
  }
  return entries;
}

interface Block {
  readonly offset: number;
  readonly size: number;
}

async function readHandle(cursor: Cursor): Promise<Block> {
  return { offset: await readVarint(cursor), size: await readVarint(cursor) };
}

async function* blockEntries(
  source: ByteSource,
  { offset, size }: Block,
): AsyncGenerator<TableEntry> {
  const cursor = new Cursor(source, 0, source.size!);
  cursor.skip(offset);
  cursor.skip(size);
  const tail = new Cursor(source, offset + size - 4, source.size!);
  if (size < 4) tail.fail(`a block has ${size} bytes`);
  const restarts = await tail.uint32();
  const compression = await tail.uint8();
  if (compression !== 0) {
    throw new CheckpointFormatError(
      `${source.name} has compressed blocks, which TensorFlow's checkpoints do not have: save it again`,
      { code: "checkpoint-unsupported", file: source.name, offset },
    );
  }
  const end = offset + size - 4 - 4 * restarts;
  if (end < offset) tail.fail(`a block of ${size} bytes has ${restarts} restarts`);
  const entries = new Cursor(source, offset, end);
  let key: Uint8Array = new Uint8Array(0);
  while (!entries.done) {
    const shared = await readVarint(entries);
    const rest = await readVarint(entries);
    const length = await readVarint(entries);
    if (!(shared >= 0 && shared <= key.length)) entries.fail("a key begins as none before it");
    const own = await entries.bytes(rest);
    const next = new Uint8Array(shared + own.length);
    next.set(key.subarray(0, shared));
    next.set(own, shared);
    key = next;
    const begin = entries.skip(length);
    yield { key: new TextDecoder().decode(key), begin, end: begin + length };
  }
}
