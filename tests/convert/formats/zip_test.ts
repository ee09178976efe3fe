/** Archives of large files, whose sizes have 64 bits (APPNOTE 4.3.14, 4.3.15 and 4.5.3). */

import { Cleanup } from "../../../lib/cleanup.ts";
import { concat } from "@std/bytes/concat";
import { assertEquals, assertRejects } from "@std/assert";
import { Budget } from "../../../lib/convert/formats/budget.ts";
import { readEntry, readZipDirectory } from "../../../lib/convert/formats/zip.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

/** Numbers of so many bytes each, low byte first. */
function numbers(...fields: readonly (readonly [bytes: number, value: number])[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([bytes, value]) =>
      Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 255)
    ),
  );
}

/** What stands for a number that is written with 64 bits. */
const WIDE = 0xffffffff;
type Field = "size" | "compressedSize" | "offset";

const CONTENTS = new TextEncoder().encode("The contents of a file. ".repeat(40));
const NAME = "some.txt";

/** An archive of a deflated file, of which some numbers and the directory's own are written with 64 bits. */
async function archiveOf(wide: readonly Field[], isDirectoryWide: boolean): Promise<Uint8Array> {
  const stream = new Blob([CONTENTS]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const data = await new Response(stream).bytes(), name = new TextEncoder().encode(NAME);
  const before = numbers([2, 0x1234]); // So that the file's header is not at 0.
  const values = { size: CONTENTS.length, compressedSize: data.length, offset: before.length };
  const short = (field: Field): number => wide.includes(field) ? WIDE : values[field];
  const [zeros, method] = [0, 8];
  const local = numbers(
    ...[[4, 0x04034b50], [2, 45], [2, zeros], [2, method], [4, zeros], [4, zeros]] as const,
    ...[[4, data.length], [4, CONTENTS.length], [2, name.length], [2, zeros]] as const,
  );
  // In this order, whichever of them there are; before it a field of another kind, of a file's times.
  const long = (["size", "compressedSize", "offset"] as const).filter((field) =>
    wide.includes(field)
  );
  const extra = concat([
    numbers([2, 0x5455], [2, 9], [1, 3], [4, 1], [4, 2]),
    ...long.length === 0 ? [] : [
      numbers([2, 1], [2, 8 * long.length], ...long.map((field) => [8, values[field]] as const)),
    ],
  ]);
  const entry = numbers(
    ...[[4, 0x02014b50], [2, 45], [2, 45], [2, zeros], [2, method], [4, zeros], [
      4,
      zeros,
    ]] as const,
    ...[[4, short("compressedSize")], [4, short("size")]] as const,
    ...[[2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0]] as const,
    [4, short("offset")],
  );
  const directory = concat([entry, name, extra]);
  const at = before.length + local.length + name.length + data.length;
  const end = at + directory.length;
  const ends = isDirectoryWide
    ? [
      numbers(
        ...[[4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]] as const,
        ...[[8, 1], [8, 1], [8, directory.length], [8, at]] as const,
      ),
      numbers([4, 0x07064b50], [4, 0], [8, end], [4, 1]),
    ]
    : [];
  const [count, length, offset] = isDirectoryWide
    ? [0xffff, WIDE, WIDE]
    : [1, directory.length, at];
  const last = numbers(
    ...[[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count]] as const,
    ...[[4, length], [4, offset], [2, 0]] as const,
  );
  return concat([before, local, name, data, directory, ...ends, last]);
}

Deno.test("an archive is read whichever of its numbers have 64 bits", async () => {
  const some: Field[][] = [
    ...[[], ["size"], ["compressedSize"], ["offset"], ["size", "offset"]] as Field[][],
    ["size", "compressedSize", "offset"],
  ];
  for (const wide of some) {
    for (const isDirectoryWide of [false, true]) {
      const bytes = await archiveOf(wide, isDirectoryWide);
      const source = new BytesSource(bytes), budget = new Budget("a.zip", bytes.length);
      const [entry, ...others] = await readZipDirectory(source, budget);
      assertEquals([entry!.name, others], [NAME, []]);
      assertEquals([entry!.size, entry!.headerOffset], [CONTENTS.length, 2], `${wide}`);
      using opened = new Cleanup();
      assertEquals(await readEntry(source, entry!, opened), CONTENTS, `${wide}`);
    }
  }
});

Deno.test("an entry that cannot be decompressed is damaged, and said to be", async () => {
  const bytes = await archiveOf([], false), source = new BytesSource(bytes);
  const [entry] = await readZipDirectory(source, new Budget("a.zip", bytes.length));
  bytes[entry!.headerOffset + 30 + NAME.length] = 0xff; // A block of a kind that there is not.
  using opened = new Cleanup();
  const read = () => readEntry(source, entry!, opened);
  await assertRejects(read, CheckpointFormatError, "some.txt cannot be decompressed");
});

Deno.test("an archive that is damaged is named in the error, with the place", async () => {
  const bytes = await archiveOf([], false), source = new BytesSource(bytes, "some.zip");
  const [entry] = await readZipDirectory(source, new Budget("some.zip", bytes.length));
  using opened = new Cleanup();
  const { headerOffset } = entry!;
  const read = async (offset: number, byte: number) => {
    const before = bytes[offset]!;
    bytes[offset] = byte;
    const error = await assertRejects(
      () => readEntry(source, entry!, opened),
      CheckpointFormatError,
      "The zip archive some.zip is damaged",
    );
    bytes[offset] = before;
    return [error.file, error.offset];
  };
  assertEquals(await read(headerOffset, 0), ["some.zip", headerOffset]);
  // A name of 65,280 bytes and more: the contents would lie behind the end.
  const begin = headerOffset + 30 + NAME.length + 0xff00;
  assertEquals(await read(headerOffset + 27, 0xff), ["some.zip", begin]);
});

Deno.test("a directory of 64 bits that lies nowhere is refused", async () => {
  const bytes = await archiveOf([], true);
  const locator = bytes.length - 22 - 20;
  new DataView(bytes.buffer).setBigUint64(locator + 8, BigInt(bytes.length), true);
  const read = () => readZipDirectory(new BytesSource(bytes), new Budget("a.zip", bytes.length));
  await assertRejects(read, CheckpointFormatError, "its 64-bit directory is missing");
});
