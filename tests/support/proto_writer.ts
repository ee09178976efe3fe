/**
 * Writes protocol buffers, for files that no tool would write.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";

type Bytes = Uint8Array<ArrayBuffer>;

/** A field's value: a number as a varint, text, a message or bytes. */
export type ProtoValue = number | string | Uint8Array;

/** A message of fields by their numbers; several values of one number are given as several pairs. */
export function message(...fields: (readonly [number: number, value: ProtoValue])[]): Bytes {
  return concat(fields.map(([number, value]) => field(number, value))) as Bytes;
}

/** A varint of a number from 0 on, or of a negative one in 64 bits. */
export function varint(value: number): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]);
}

function field(number: number, value: ProtoValue): Bytes {
  if (typeof value === "number") return concat([varint(number << 3), varint(value)]) as Bytes;
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return concat([varint(number << 3 | 2), varint(bytes.length), bytes]) as Bytes;
}
