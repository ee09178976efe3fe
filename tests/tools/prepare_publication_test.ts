import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { mapStd, preparePublication } from "../../tools/prepare_publication.ts";
import { packageFolders, publicationOf } from "../../tools/publication.ts";

const ROOT = new URL("../../", import.meta.url);
const CONFIG = Deno.readTextFileSync(new URL("deno.json", ROOT));

/** What the publication says for the checkout's `npm:` names, in the order of `deno.json`. */
const MAPPED = `
    "@std/assert": "jsr:@std/assert@^1.0.19",
    "@std/async/abortable": "jsr:@std/async@^1.5.0/abortable",
    "@std/async/delay": "jsr:@std/async@^1.5.0/delay",
    "@std/async/pool": "jsr:@std/async@^1.5.0/pool",
    "@std/bytes/concat": "jsr:@std/bytes@^1.0.6/concat",
    "@std/crypto/timing-safe-equal": "jsr:@std/crypto@^1.1.0/timing-safe-equal",
    "@std/csv": "jsr:@std/csv@^1.0.6",
    "@std/encoding/base64": "jsr:@std/encoding@^1.0.11/base64",
    "@std/encoding/hex": "jsr:@std/encoding@^1.0.11/hex",
    "@std/html/entities": "jsr:@std/html@^1.0.7/entities",
    "@std/http/etag": "jsr:@std/http@^1.1.3/etag",
    "@std/path": "jsr:@std/path@^1.1.6",
    "@std/path/dirname": "jsr:@std/path@^1.1.6/dirname",
    "@std/path/extname": "jsr:@std/path@^1.1.6/extname",
    "@std/path/is-absolute": "jsr:@std/path@^1.1.6/is-absolute",
    "@std/path/join": "jsr:@std/path@^1.1.6/join",
    "@std/streams": "jsr:@std/streams@^1.1.2",
    "@std/yaml": "jsr:@std/yaml@^1.2.0",
    "@std/text/closest-string": "jsr:@std/text@^1.0.19/closest-string",
    "@std/text/levenshtein-distance": "jsr:@std/text@^1.0.19/levenshtein-distance",
`;

/** The lines of the one text that the other has not. */
function linesOnlyIn(text: string, other: string): string {
  const others = new Set(other.split("\n"));
  return text.split("\n").filter((line) => !others.has(line)).join("\n");
}

Deno.test("mapStd() names @std on JSR, and leaves the rest of deno.json", () => {
  const mapped = mapStd(CONFIG);
  assertEquals(`\n${linesOnlyIn(mapped, CONFIG)}\n`, MAPPED);
  const copies = linesOnlyIn(CONFIG, mapped).split("\n");
  assert(copies.every((line) => line.includes('"npm:deno-std@1.4.0/')), copies.join("\n"));
  assertEquals(mapped.split("\n").length, CONFIG.split("\n").length);
});

Deno.test("mapStd() refuses a copy whose versions it does not know", () => {
  for (const name of ["deno-std@1.5.0/path/mod.js", "deno-std@1.4.0/toml/mod.js"]) {
    assertThrows(() => mapStd(`{ "x": "npm:${name}" }`), Error, `Cannot map "npm:${name}"`);
  }
});

/** Asserts that the files of each package lie in the folder, and have the checkout's bytes. */
async function assertSameFiles(folder: string, changed: readonly string[]): Promise<void> {
  for (const source of packageFolders(ROOT)) {
    const place = source.href.slice(ROOT.href.length);
    const { files } = await publicationOf(source, ["--no-check"]);
    for (const file of files) {
      const expected = await Deno.readFile(new URL(file, source));
      const found = await Deno.readFile(join(folder, place, file));
      const isSame = expected.length === found.length && expected.every((v, i) => v === found[i]);
      assertEquals(isSame, !changed.includes(place + file), place + file);
    }
  }
}

Deno.test("preparePublication() writes what is published, byte for byte but for deno.json", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await preparePublication(ROOT, folder);
    await assertSameFiles(folder, ["deno.json"]);
    assertEquals(await Deno.readTextFile(join(folder, "deno.json")), mapStd(CONFIG));
    await assertRejects(() => preparePublication(ROOT, folder), Error, "Expected an empty folder");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("with keepNpm all that is published is the checkout's, and Deno publishes the same from there", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await preparePublication(ROOT, folder, { keepNpm: true });
    await assertSameFiles(folder, []);
    for (const source of packageFolders(ROOT)) {
      const place = new URL(`file://${folder}/${source.href.slice(ROOT.href.length)}`);
      const [from, to] = await Promise.all(
        [source, place].map((where) => publicationOf(where, ["--no-check"])),
      );
      assertEquals(to, from);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
