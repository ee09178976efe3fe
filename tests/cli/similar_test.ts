import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { readImage } from "../../lib/image/read.ts";
import { resizeImage } from "../../lib/image/resize.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PHOTOS = join(ROOT, "tests/data/photos");

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in a folder, below which it may write, its cache among it. */
async function run(folder: string, args: readonly string[], input?: Uint8Array): Promise<Run> {
  const [command, ...rest] = args;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--allow-read", "--allow-env", "--allow-sys", "--no-lock"],
      ...[`--allow-write=${folder}`, "--config", join(ROOT, "deno.json"), join(ROOT, "cli.ts")],
      ...[command!, "--model", CIFAR10, "--backend", "wasm", ...rest],
    ],
    cwd: folder,
    env: { NO_COLOR: "1", VGG16_CACHE_DIR: join(folder, "cache") },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  if (input !== undefined) await writer.write(input);
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The rows of CSV, of which the module says no types. */
function rowsOf(csv: string): string[][] {
  return parse(csv);
}

/** A test with a folder that has `photos/` with a smaller copy of the cat below. */
function testIn(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.mkdir(join(folder, "photos/small"), { recursive: true });
      for (const { name } of Deno.readDirSync(PHOTOS)) {
        await Deno.copyFile(join(PHOTOS, name), join(folder, "photos", name));
      }
      const cat = await readImage(join(PHOTOS, "cat.png"));
      const small = await encodePng(resizeImage(cat, { width: 300 }));
      await Deno.writeFile(join(folder, "photos/small/<cat> & 1.png"), small);
      await fn(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const COPY = "photos/small/<cat> & 1.png";

testIn("similar prints the pictures that are most like each, and not itself", async (folder) => {
  const { code, stdout, stderr } = await run(folder, [
    ...["similar", "photos", "photos/cat.png", join(PHOTOS, "cat.png"), "--top-k", "2"],
  ]);
  assertEquals(code, 0, stderr);
  const lines = stdout.split("\n");
  assertEquals([lines[0], lines[3]], ["photos/cat.png", join(PHOTOS, "cat.png")]);
  assertMatch(lines[1]!, /^ {2}0\.9\d\d {2}copy {5}photos\/small\/<cat> & 1\.png$/);
  assertMatch(lines[2]!, /^ {2}0\.\d{3} {2}\w+ +photos\/(boats\.jpg|rocket\.jpg|coffee\.png)$/);
  assertEquals(lines[4], "  1.000  copy     photos/cat.png");
  assertMatch(
    stderr,
    /^5 pictures, 5 new \(index: .*\/cache\/search\/photos-[0-9a-f]{12}\.safetensors\)\n2 of 2 searched in [\d.]+ s\n$/,
  );
  // Nothing is left among the pictures, and nothing is looked at again.
  assertEquals([...Deno.readDirSync(join(folder, "photos"))].length, 5);
  const again = await run(
    folder,
    ["similar", "photos", "-", "--json"],
    await Deno.readFile(
      join(PHOTOS, "cat.png"),
    ),
  );
  assertMatch(again.stderr, /^5 pictures \(index: /);
  const { model, results: [{ file, similar }] } = JSON.parse(again.stdout);
  assertEquals(model, CIFAR10);
  assertEquals([file, similar.length], ["-", 5]);
  assertEquals(similar[0], { file: "photos/cat.png", similarity: 1, kind: "copy" });
});

testIn(
  "where the folder for caches cannot be made, similar looks at all pictures each time, and says so",
  async (folder) => {
    await Deno.writeTextFile(join(folder, "cache"), "no folder");
    for (let n = 0; n < 2; n++) {
      const { code, stdout, stderr } = await run(folder, ["similar", "photos", "photos/cat.png"]);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "photos/small/<cat> & 1.png");
      assertStringIncludes(stderr, "The index is not kept");
      assertStringIncludes(stderr, "5 pictures, 5 new");
    }
  },
);

testIn("duplicates prints each set, the largest picture first", async (folder) => {
  const index = ["--index", "photos.index", "--threshold", "0.98"];
  const text = await run(folder, ["duplicates", "photos", ...index]);
  assertEquals(text.code, 0, text.stderr);
  assertMatch(
    text.stdout,
    /^photos\/cat\.png {2}\(451x300, 241 kB\)\n {2}0\.9\d\d {2}photos\/small\/<cat> & 1\.png {2}\(300x200, \d+ kB\)\n$/,
  );
  assertMatch(text.stderr, /\n1 of 5 pictures is a copy of another, 0\.1 MB\n$/);
  const { stdout } = await run(folder, ["duplicates", "photos", ...index, "--json"]);
  const { results: [{ keep, copies }] } = JSON.parse(stdout);
  assertEquals(keep, { file: "photos/cat.png", width: 451, height: 300, bytes: 240512 });
  assertEquals(copies.map(({ file, width }: Record<string, unknown>) => [file, width]), [
    [COPY, 300],
  ]);
  const csv = rowsOf((await run(folder, ["duplicates", "photos", ...index, "--csv"])).stdout);
  assertEquals(csv.map((row) => row.slice(0, 3)), [
    ["set", "file", "keep"],
    ["1", "photos/cat.png", "yes"],
    ["1", COPY, "no"],
  ]);
  const none = await run(folder, ["duplicates", "photos", ...index, "--threshold", "1"]);
  assertEquals([none.code, none.stdout], [0, ""]);
  await Deno.stat(join(folder, "photos.index"));
});

testIn("--out writes lines, CSV, or a page with the pictures", async (folder) => {
  await Deno.mkdir(join(folder, "found"));
  const page = await run(folder, [
    ...["duplicates", "photos", "--out", "found/copies.html", "--threshold", "0.98"],
  ]);
  assertEquals([page.code, page.stdout], [0, ""], page.stderr);
  const html = await Deno.readTextFile(join(folder, "found/copies.html"));
  assertStringIncludes(html, 'href="../photos/small/%3Ccat%3E%20%26%201.png"');
  assertStringIncludes(html, "&lt;cat&gt; &amp; 1.<wbr>png");
  const images = [...html.matchAll(/src="data:image\/png;base64,([^"]+)"/g)];
  assertEquals(images.length, 2);
  for (const [, base64] of images) {
    const { height } = await readImage(Uint8Array.fromBase64(base64!));
    assertEquals(height, 96);
  }
  await run(folder, ["similar", "photos", "photos/cat.png", "--out", "found/cat.jsonl"]);
  const lines = (await Deno.readTextFile(join(folder, "found/cat.jsonl"))).split("\n");
  assertEquals([lines.length, JSON.parse(lines[1]!).similar.length], [3, 4]);
  const query = join(PHOTOS, "boats.jpg");
  await run(folder, ["similar", "photos", query, "--out", "found/boats.csv", "--top-k", "1"]);
  const [, [file, found] = []] = rowsOf(await Deno.readTextFile(join(folder, "found/boats.csv")));
  assertEquals([file, found], [query, "photos/boats.jpg"]);
});

testIn("a row of CSV is one line, and nothing in it is a formula", async (folder) => {
  const photos = join(folder, "photos");
  await Deno.copyFile(join(photos, "boats.jpg"), join(photos, "=1+1\r\n\x1b.jpg"));
  const args = ["duplicates", ".", "--index", "photos.index"];
  const { stdout } = await run(photos, [...args, "--csv"]);
  assertStringIncludes(stdout, "\n1,'=1+1\\u{d}\\u{a}\\u{1b}.jpg,");
  await run(photos, [...args, "--out", "copies.csv"]);
  const text = await Deno.readTextFile(join(photos, "copies.csv"));
  assertEquals(text.replaceAll("\r\n", "\n"), stdout);
});

testIn("a wrong command line is told before anything is looked at", async (folder) => {
  await Deno.copyFile(join(PHOTOS, "cat.png"), join(folder, "cat.png"));
  const wrong: [args: string[], message: string][] = [
    [["similar", "photos"], "similar needs a directory, and what is to be found in it"],
    [
      ["similar", "photos/cat.png", "photos"],
      "Expected a directory of pictures: found the file photos/cat.png",
    ],
    [["duplicates", "nowhere"], "Expected a directory of pictures: there is none at nowhere"],
    [["duplicates"], "duplicates needs one directory"],
    [["duplicates", "photos", "more"], "duplicates needs one directory"],
    [
      ["duplicates", "photos", "--json", "--csv"],
      "Options --json and --csv exclude each other",
    ],
    [
      ["duplicates", "photos", "--out", "x.txt"],
      "needs a file ending in .html, .json, .jsonl, .csv, .tsv",
    ],
    [["duplicates", "photos", "--index", "photos/cat.png"], "photos/cat.png would be replaced"],
    [["similar", "photos", "cat.png", "--out", "./photos/../cat.png"], "needs a file ending in"],
    [["similar", "photos", "cat.png", "--index", "./cat.png"], "cat.png would be replaced"],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await run(folder, args);
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, message);
  }
  assert(!await Deno.stat(join(folder, "cache")).catch(() => false));
});

testIn(
  "an index of another model is refused with what to do, and replaced with --rebuild",
  async (folder) => {
    const args = ["duplicates", "photos", "--index", "photos.index"];
    await run(folder, args);
    const refused = await run(folder, [...args, "--precision", "float"]);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "with precision int8 instead of float on wasm");
    assertStringIncludes(refused.stderr, "--rebuild");
    const rebuilt = await run(folder, [...args, "--precision", "float", "--rebuild"]);
    assertEquals(rebuilt.code, 0, rebuilt.stderr);
    assertStringIncludes(rebuilt.stderr, "5 pictures, 5 new");
  },
);
