import { assert, assertEquals } from "@std/assert";
import { visible, visibleJson } from "../../lib/report/visible.ts";
import { random } from "../support/random_model.ts";

/** What a terminal obeys, or shows as nothing: by code points, not by Unicode's properties. */
const UNSEEN = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, code) => 0x7f + code),
  ...[0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x3164, 0xfeff, 0xfff9],
  ...[0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060, 0x2064, 0x2066, 0x2067, 0x2068, 0x2069],
  ...[0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe0001, 0xe0041, 0xe007f],
];
const SEEN = ["a", " ", "~", "ü", "猫", "\\", "{", "}", "u", "x", "1", "b", "\u{1f600}", '"'];

/** What {@linkcode visible} stands for. */
function original(text: string): string {
  return text.replace(/\\u\{([\da-f]+)\}/g, (_, hex) => String.fromCodePoint(parseInt(hex, 16)));
}

Deno.test("what cannot be seen is shown by its number", () => {
  assertEquals(visible("a\x1b[31m\n\u202e"), "a\\u{1b}[31m\\u{a}\\u{202e}");
  for (const code of UNSEEN) {
    assertEquals(visible(String.fromCodePoint(code)), `\\u{${code.toString(16)}}`);
  }
});

Deno.test("names as people write them stay what they are", () => {
  const names = [
    "C:\\x64\\Users\\u1\\größe.png",
    "\\\\server\\share\\n.png",
    "شَدَّة می\u200cخواهم.png",
    "क्\u200dष.png",
    "👨\u200d👩\u200d👧 ❤\ufe0f 🇨🇭.png",
    "e\u0301 猫 한국어",
  ];
  for (const name of names) assertEquals(visible(name), name);
});

Deno.test("what is shown stands for one text alone", () => {
  assertEquals(visible("\\u{1b}"), "\\u{5c}u{1b}");
  const next = random(1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  for (let n = 0; n < 5000; n++) {
    const text = Array.from(
      { length: 8 },
      () => next() < 0.3 ? String.fromCodePoint(pick(UNSEEN)) : pick(SEEN),
    ).join("");
    assertEquals(original(visible(text)), text);
    const json = visibleJson({ [text]: [text, 1, null] });
    assertEquals(JSON.parse(json), { [text]: [text, 1, null] });
    for (const code of UNSEEN) assert(!json.includes(String.fromCodePoint(code)) || code > 0xd7ff);
    assertEquals(visible(json).replaceAll("\\u{5c}", "\\"), json);
  }
});
