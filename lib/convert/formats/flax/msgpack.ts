/**
 * Reads MessagePack, and leaves what is large where it is.
 *
 * @see {@link https://github.com/msgpack/msgpack/blob/master/spec.md}
 */

import type { Budget } from "../budget.ts";
import type { Cursor } from "../cursor.ts";

/** Bytes in the file: of a byte string, or of an extension, whose kind is a number. */
export class PackedBytes {
  constructor(readonly offset: number, readonly length: number, readonly kind?: number) {}
}

/** Numbers that no file here needs are `undefined`: fractions and those of eight bytes. */
export type PackedValue =
  | undefined
  | null
  | boolean
  | number
  | string
  | PackedBytes
  | PackedValue[]
  | Map<PackedValue, PackedValue>;

/** Dictionaries in dictionaries, as modules lie in modules. */
const MAX_DEPTH = 32;

/**
 * Reads the value at the cursor, and leaves the cursor behind it.
 *
 * @throws {CheckpointFormatError} If it is damaged, or nested without end.
 */
export async function readPacked(cursor: Cursor, budget: Budget, depth = 0): Promise<PackedValue> {
  budget.visit();
  if (depth > MAX_DEPTH) cursor.fail(`values lie more than ${MAX_DEPTH} deep`);
  /** A number of 1, 2, 4 … bytes, high byte first. */
  const size = async (power: number): Promise<number> =>
    (await cursor.bytes(1 << power)).reduce((value, byte) => value * 256 + byte, 0);
  const list = async (length: number): Promise<PackedValue[]> => {
    const values: PackedValue[] = [];
    while (values.length < length) values.push(await readPacked(cursor, budget, depth + 1));
    return values;
  };
  const dictionary = async (length: number): Promise<PackedValue> => {
    const flat = await list(2 * length);
    return new Map(Array.from({ length }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
  };
  const bytes = (length: number, kind?: number): PackedBytes =>
    new PackedBytes(cursor.skip(length), length, kind);
  const extension = async (length: number): Promise<PackedBytes> =>
    bytes(length, await cursor.uint8());

  const type = await cursor.uint8();
  if (type < 0x80) return type;
  if (type < 0x90) return await dictionary(type & 0x0f);
  if (type < 0xa0) return await list(type & 0x0f);
  if (type < 0xc0) return await cursor.text(type & 0x1f);
  if (type >= 0xe0) return type - 0x100;
  if (type === 0xc0) return null;
  if (type === 0xc2 || type === 0xc3) return type === 0xc3;
  if (type >= 0xc4 && type <= 0xc6) return bytes(await size(type - 0xc4));
  if (type >= 0xc7 && type <= 0xc9) return await extension(await size(type - 0xc7));
  if (type === 0xca || type === 0xcb) return void cursor.skip(type === 0xca ? 4 : 8);
  if (type >= 0xcc && type <= 0xce) return await size(type - 0xcc);
  if (type === 0xcf) return void cursor.skip(8);
  if (type >= 0xd0 && type <= 0xd3) return void cursor.skip(1 << (type - 0xd0));
  if (type >= 0xd4 && type <= 0xd8) return await extension(1 << (type - 0xd4));
  if (type >= 0xd9 && type <= 0xdb) return await cursor.text(await size(type - 0xd9));
  if (type === 0xdc || type === 0xdd) return await list(await size(type - 0xdb));
  if (type === 0xde || type === 0xdf) return await dictionary(await size(type - 0xdd));
  return cursor.fail(`0x${type.toString(16)} begins no value`);
}
