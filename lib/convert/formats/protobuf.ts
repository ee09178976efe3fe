/**
 * Reads protocol buffers without their schema.
 *
 * @see {@link https://protobuf.dev/programming-guides/encoding/}
 */

import type { ByteSource } from "../../io/byte_source.ts";
import { Cursor } from "./cursor.ts";

/** One field of a message. */
export type ProtoField =
  /** A varint, or the bits of a fixed-size number. */
  | { readonly number: number; readonly wire: 0 | 1 | 5; readonly value: number }
  /** A string, a message or packed numbers: where they lie in the file. */
  | { readonly number: number; readonly wire: 2; readonly begin: number; readonly end: number };

/** A string, a message or packed numbers: where they lie in the file. */
export type ProtoRange = Extract<ProtoField, { wire: 2 }>;

/** Far more than a network has. */
const MAX_FIELDS = 1_000_000;

/** More integers than these are no shape, and no weights that somebody would write one by one. */
export const MAX_INTEGERS = 1 << 24;

/** Reads the fields of a message within a file. */
export function readMessage(
  source: ByteSource,
  { begin, end }: { begin: number; end: number },
): AsyncGenerator<ProtoField> {
  return readFields(new Cursor(source, begin, end));
}

/** A string of up to 64 KiB. */
export async function readText(source: ByteSource, { begin, end }: ProtoRange): Promise<string> {
  return await new Cursor(source, begin, end).text(end - begin);
}

/** One integer, or a packed list of them. */
export async function readIntegers(source: ByteSource, field: ProtoField): Promise<number[]> {
  if (field.wire !== 2) return [field.value];
  const cursor = new Cursor(source, field.begin, field.end);
  const values: number[] = [];
  while (!cursor.done) {
    values.push(await readVarint(cursor));
    if (values.length > MAX_INTEGERS) cursor.fail(`over ${MAX_INTEGERS} integers in a list`);
  }
  return values;
}

/** One float, or a packed list of them. */
export async function readFloats(source: ByteSource, field: ProtoField): Promise<number[]> {
  if (field.wire !== 2) return [field.value];
  const cursor = new Cursor(source, field.begin, field.end);
  const values: number[] = [];
  while (!cursor.done) {
    values.push(await cursor.float32());
    if (values.length > MAX_INTEGERS) cursor.fail(`over ${MAX_INTEGERS} numbers in a list`);
  }
  return values;
}

/** Reads the fields of the message that ends where the cursor does. */
export async function* readFields(cursor: Cursor): AsyncGenerator<ProtoField> {
  for (let count = 0; !cursor.done; count++) {
    if (count === MAX_FIELDS) cursor.fail(`a message has more than ${MAX_FIELDS} fields`);
    const tag = await readVarint(cursor);
    const number = Math.floor(tag / 8);
    if (number === 0) cursor.fail("a field has the number 0");
    switch (tag % 8) {
      case 0:
        yield { number, wire: 0, value: await readVarint(cursor) };
        break;
      case 1:
        yield { number, wire: 1, value: await cursor.float64(false) };
        break;
      case 5:
        yield { number, wire: 5, value: await cursor.float32() };
        break;
      case 2: {
        const length = await readVarint(cursor);
        const begin = cursor.skip(length);
        yield { number, wire: 2, begin, end: begin + length };
        break;
      }
      default:
        cursor.fail(`wire type ${tag % 8} is unknown`);
    }
  }
}

/**
 * A varint of up to 64 bits: exact up to 2^53. Negative numbers, which take all 64, are given as such.
 */
export async function readVarint(cursor: Cursor): Promise<number> {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = await cursor.uint8();
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return Number(BigInt.asIntN(64, value));
  }
  return cursor.fail("a number has no end");
}
