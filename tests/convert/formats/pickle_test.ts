import { assertEquals, assertRejects } from "@std/assert";
import { Cursor } from "../../../lib/convert/formats/cursor.ts";
import { readPickle } from "../../../lib/convert/formats/pytorch/pickle.ts";
import { readPytorchLegacy } from "../../../lib/convert/formats/pytorch/read.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

/** Reads opcodes, as Python's `pickletools` writes them, and `K` for the number 75. */
async function read(opcodes: string): Promise<unknown> {
  const bytes = Uint8Array.from(opcodes, (character) => character.charCodeAt(0));
  const cursor = new Cursor(new BytesSource(bytes, "some.pth"), 0, bytes.length);
  return await readPickle(cursor, { functions: {}, values: [] });
}

Deno.test("a pickled dictionary, list and long number are read", async () => {
  assertEquals(await read("(KKKLd."), new Map([[75, 76]]));
  assertEquals(await read("](KAKBe."), [65, 66]);
  // Little-endian two's complement: -2 in two bytes, and 2 ** 64 in nine.
  assertEquals(await read("\x8a\x02\xfe\xff."), -2);
  assertEquals(await read("\x8a\x09" + "\0".repeat(8) + "\x01."), 2n ** 64n);
});

const DAMAGED: Readonly<Record<string, string>> = {
  ".": "the stack is empty",
  "2.": "the stack is empty",
  "KA0.": "the stack is empty",
  "t.": "a mark is missing",
  "(KKd.": "a key has no value",
  "KK)R.": "something that is not a function is called",
  "KK(KAe.": "something that is not a list",
  "hA.": "memo 65 was never set",
};

for (const [opcodes, message] of Object.entries(DAMAGED)) {
  Deno.test(`a pickle of ${opcodes} is refused: ${message}`, async () => {
    await assertRejects(() => read(opcodes), CheckpointFormatError, message);
  });
}

Deno.test("a name that is no text is refused, however deep it is nested", async () => {
  const deep = "]".repeat(20_000) + "a".repeat(19_999);
  await assertRejects(
    () => read(`${deep}KA\x93.`),
    CheckpointFormatError,
    "refers to (no text).65",
  );
  // Of the older format, the second of whose pickles is a version.
  const magic = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
  const bytes = Uint8Array.from(`${magic}\x80\x02${deep}.`, (char) => char.charCodeAt(0));
  await assertRejects(
    () => readPytorchLegacy(new BytesSource(bytes, "some.pth")),
    CheckpointFormatError,
    "found (no text)",
  );
});
