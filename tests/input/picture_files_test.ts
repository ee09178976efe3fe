import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { byCodePoint, kindsOf, picturesBelow } from "../../lib/input/picture_files.ts";
import { withFiles } from "../support/files.ts";

/** The beginnings of files, and whether they are pictures whatever they are called. */
const STARTS: readonly (readonly [isPicture: boolean, start: string])[] = [
  [true, "\xff\xd8\xff\xe0"],
  [true, "\x89PNG\r\n\x1a\n"],
  [true, "GIF89a"],
  [true, "RIFF\0\0\0\0WEBP"],
  [true, "II*\0"],
  [true, "BM\x36\0\0\0\0\0\0\0\x36\0\0\0"],
  [true, "\0\0\0\x18ftypavif\0\0\0\0"],
  [true, "\0\0\0\x18ftypheic\0\0\0\0"],
  [true, "\0\0\0\x18ftypmif1\0\0\0\0heic"],
  [true, "\0\0\0\x0cJXL \r\n\x87\n"],
  [true, "\0\0\0\x0cjP  \r\n\x87\n"],
  [false, ""],
  [false, "BMW and Audi are no bitmaps"],
  [false, "\0\0\0\x18ftypmp42\0\0\0\0"],
  [false, "RIFF\0\0\0\0WAVE"],
  [false, "%PDF-1.7"],
  [false, "PK\x03\x04"],
  [false, "<html>404</html>"],
];

Deno.test("a file without a picture's ending is one by its first bytes", async () => {
  const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const names = STARTS.map((_, n) => `${String(n).padStart(2, "0")}${n % 2 === 0 ? "" : ".dat"}`);
  const files = Object.fromEntries(STARTS.map(([, start], n) => [names[n]!, latin1(start)]));
  await withFiles(files, async (directory) => {
    const { pictures, others } = await picturesBelow(directory);
    const expected = names.filter((_, n) => STARTS[n]![0]);
    assertEquals(pictures, expected.map((name) => join(directory, name)));
    assertEquals(others.length, STARTS.length - expected.length);
  });
});

Deno.test("a picture by its ending is one whatever it holds, and a pipe is none", async () => {
  const endings = [
    ".JPG",
    ".jpeg",
    ".png",
    ".gif",
    ".webp",
    ".avif",
    ".tif",
    ".bmp",
    ".HEIC",
    ".jxl",
  ];
  const files = Object.fromEntries(endings.map((ending, n) => [`${n}${ending}`, ""]));
  await withFiles(files, async (directory) => {
    const pipe = join(directory, "pipe.jpg");
    const made = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assertEquals(made.code, 0);
    const { pictures, others } = await picturesBelow(directory);
    assertEquals(pictures, endings.map((ending, n) => join(directory, `${n}${ending}`)));
    assertEquals(others, ["pipe.jpg"]);
  });
});

Deno.test("kindsOf() counts endings, the most frequent ones first", () => {
  assertEquals(kindsOf(["a.md", "b.TXT", "c.txt", "README"]), "2 .txt, 1 .md, 1 without an ending");
  const many = ["a", "b", "c", "d", "e", "f"].map((ending) => `x.${ending}`);
  assertEquals(kindsOf(many), "1 .a, 1 .b, 1 .c, 1 .d, 1 .e, …");
  assertEquals(kindsOf(many.slice(0, 5)), "1 .a, 1 .b, 1 .c, 1 .d, 1 .e");
});

Deno.test("byCodePoint() orders as UTF-32 does", () => {
  const points = [0x41, 0x61, 0xe9, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x1f355, 0x10ffff];
  const texts = points.flatMap((point) => {
    const letter = String.fromCodePoint(point);
    return [letter, `${letter}a`, `a${letter}`];
  });
  const utf32 = (text: string): string =>
    Array.from(text, (letter) => letter.codePointAt(0)!.toString(16).padStart(6, "0")).join("");
  const expected = texts.toSorted((a, b) => utf32(a) < utf32(b) ? -1 : utf32(a) > utf32(b) ? 1 : 0);
  assertEquals(texts.toSorted(byCodePoint), expected);
  assertEquals(texts.toReversed().sort(byCodePoint), expected);
});
