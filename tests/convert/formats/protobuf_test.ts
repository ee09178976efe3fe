import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Cursor } from "../../../lib/convert/formats/cursor.ts";
import {
  type ProtoField,
  readFields,
  readIntegers,
  readVarint,
} from "../../../lib/convert/formats/protobuf.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

function cursorOver(...bytes: number[]): Cursor {
  return new Cursor(new BytesSource(Uint8Array.from(bytes), "some.onnx"), 0, bytes.length);
}

/** -1 as a varint of 64 bits, ten bytes long. */
const MINUS_ONE = [...new Array(9).fill(0xff), 1];

async function fieldsOf(...bytes: number[]): Promise<ProtoField[]> {
  return await Array.fromAsync(readFields(cursorOver(...bytes)));
}

Deno.test("a varint is read as the specification's examples, and as negative numbers", async () => {
  assertEquals(await readVarint(cursorOver(0x01)), 1);
  assertEquals(await readVarint(cursorOver(0x96, 0x01)), 150);
  assertEquals(await readVarint(cursorOver(...MINUS_ONE)), -1);
  assertEquals(
    await readVarint(cursorOver(...new Array(7).fill(0xff), 0x0f)),
    Number.MAX_SAFE_INTEGER,
  );
});

Deno.test("a varint without an end is refused", async () => {
  const endless = cursorOver(...new Array(11).fill(0xff));
  await assertRejects(() => readVarint(endless), CheckpointFormatError, "no end");
  await assertRejects(() => readVarint(cursorOver(0xff)), CheckpointFormatError, "0 are left");
});

Deno.test("the fields of a message are read with their places", async () => {
  // Field 1 is the varint 150, field 2 the string "testing", as in the specification.
  const text = [...new TextEncoder().encode("testing")];
  assertEquals(await fieldsOf(0x08, 0x96, 0x01, 0x12, 7, ...text), [
    { number: 1, wire: 0, value: 150 },
    { number: 2, wire: 2, begin: 5, end: 12 },
  ]);
});

Deno.test("a field with a negative length is refused, as reading would go back and never end", async () => {
  const error = await assertRejects(
    () => fieldsOf(0x08, 0x01, 0x12, ...MINUS_ONE),
    CheckpointFormatError,
    "-1 bytes are expected",
  );
  assertEquals([error.file, error.offset], ["some.onnx", 13]);
});

Deno.test("a field that is longer than its message is refused", async () => {
  await assertRejects(() => fieldsOf(0x12, 5, 1, 2), CheckpointFormatError, "2 are left");
});

Deno.test("a field of the number 0 or of an unknown kind is refused", async () => {
  await assertRejects(() => fieldsOf(0x00, 1), CheckpointFormatError, "number 0");
  await assertRejects(() => fieldsOf(0x0b), CheckpointFormatError, "wire type 3");
});

Deno.test("integers are read one by one and packed", async () => {
  const source = new BytesSource(Uint8Array.from([3, 0x8e, 0x02, 0x9e, 0xa7, 0x05]));
  // The specification's packed example: 3, 270, 86942.
  const packed: ProtoField = { number: 4, wire: 2, begin: 0, end: 6 };
  assertEquals(await readIntegers(source, packed), [3, 270, 86942]);
  assertEquals(await readIntegers(source, { number: 4, wire: 0, value: 7 }), [7]);
});

Deno.test("a cursor steps forwards only, and not beyond its end", () => {
  const cursor = cursorOver(1, 2, 3, 4);
  assertEquals(cursor.skip(3), 0);
  assertEquals(cursor.position, 3);
  for (const count of [-1, 2, NaN, Infinity]) {
    assertThrows(() => cursor.skip(count), CheckpointFormatError, "1 are left");
  }
  assertEquals(cursor.position, 3);
  assertEquals(cursor.skip(1), 3);
  assertEquals(cursor.done, true);
});

Deno.test("a cursor reads across the end of its buffer, and refuses strings that do not fit in it", async () => {
  const bytes = new Uint8Array(150_000);
  const view = new DataView(bytes.buffer);
  view.setUint32(65_534, 0x12345678, true);
  view.setBigUint64(140_000, 1n << 40n, true);
  view.setBigUint64(140_008, 1n << 60n, true);
  const cursor = new Cursor(new BytesSource(bytes), 0, bytes.length);
  await cursor.uint8();
  cursor.skip(65_533);
  assertEquals(await cursor.uint32(), 0x12345678);
  cursor.skip(140_000 - cursor.position);
  assertEquals(await cursor.uint64(), 2 ** 40);
  await assertRejects(() => cursor.uint64(), CheckpointFormatError, "no size of this world");
  const start = new Cursor(new BytesSource(bytes), 0, bytes.length);
  await assertRejects(() => start.text(70_000), CheckpointFormatError, "too long");
});
