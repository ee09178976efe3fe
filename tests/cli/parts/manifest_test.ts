import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { type Command, runCommand } from "../../../lib/cli/command.ts";
import { manifestCommand } from "../../../lib/cli/manifest.ts";
import { Manifest } from "../../../lib/cli/parts/manifest.ts";
import { UsageError } from "../../../lib/cli/usage_error.ts";
import { withFiles } from "../../support/files.ts";
import { printedBy } from "../../support/printed.ts";
import { runCli } from "../../support/run_cli.ts";

/** What the command says. */
async function divide(...args: string[]): Promise<string> {
  const { err } = await printedBy(async () => {
    assertEquals(await runCommand(manifestCommand as unknown as Command, args), 0);
  });
  return err;
}

/** Each part's lines. */
async function partsIn(folder: string): Promise<Record<string, unknown>[][]> {
  const manifest = await Manifest.open(folder), parts = [];
  for (let number = 1; number <= manifest.parts; number++) {
    const { entries } = await manifest.part(number);
    assertEquals(entries.length, manifest.sizeOf(number));
    parts.push(entries.map((entry) => ({ ...entry })));
  }
  assertEquals(parts.flat().length, manifest.pictures);
  return parts;
}

Deno.test("a folder is divided once: its own pictures, then those of its folders", async () => {
  const names = ["b.jpg", "a.png", "z/2.jpg", "z/1.jpg", "c/d/e.gif", "c/notes.txt", ".hidden.jpg"];
  const files = Object.fromEntries(names.map((name) => [`set/${name}`, ""]));
  await withFiles(files, async (folder) => {
    const set = join(folder, "set"), out = join(folder, "parts");
    assertEquals(
      await divide(set, "--out-dir", out, "--part-size", "2"),
      `5 pictures in 3 parts: ${out}\n`,
    );
    const ids = (await partsIn(out)).map((part) => part.map(({ id }) => id));
    assertEquals(ids, [["a.png", "b.jpg"], ["c/d/e.gif", "z/1.jpg"], ["z/2.jpg"]]);
    const [[first]] = await partsIn(out) as [[Record<string, unknown>]];
    assertEquals(first, { id: "a.png", place: join(set, "a.png") });
    const hidden = join(folder, "hidden");
    assertStringIncludes(
      await divide(set, "--hidden", "--out-dir", hidden),
      "6 pictures in 1 part",
    );
  });
});

Deno.test("lists have paths and URLs, and names and labels where there are columns", async () => {
  const files = {
    "lists/plain.txt": "a.jpg\n\nsub/b c.jpg\r\nhttps://example.com/x.jpg?key=secret\n",
    "lists/named.csv": 'id,url,label\n1,"https://example.com/a,b.jpg",cat\n2,c.jpg,\n',
    "lists/bare.csv": "a.jpg,cat\nb.jpg,dog\n",
    "lists/names.tsv": "image_id\tpath\n7\ta.jpg\n",
    "lists/keys.csv": "image_id\na.jpg\n",
    "lists/lines.jsonl":
      '{"id":"1","path":"a.jpg","label":"cat","more":3}\n{"url":"http://example.com/b.jpg"}\n',
  };
  await withFiles(files, async (folder) => {
    const list = (name: string) => join(folder, "lists", name);
    const entriesOf = async (name: string) => {
      const out = join(folder, `${name}.parts`);
      await divide(list(name), "--out-dir", out);
      return (await partsIn(out)).flat();
    };
    assertEquals(await entriesOf("plain.txt"), [
      { id: "a.jpg", place: list("a.jpg") },
      { id: "sub/b c.jpg", place: list("sub/b c.jpg") },
      // A name is shown, and what is secret is none.
      { id: "https://example.com/x.jpg", place: "https://example.com/x.jpg?key=secret" },
    ]);
    assertEquals(await entriesOf("named.csv"), [
      { id: "1", place: "https://example.com/a,b.jpg", label: "cat" },
      { id: "2", place: list("c.jpg") },
    ]);
    assertEquals(await entriesOf("bare.csv"), [
      { id: "a.jpg", place: list("a.jpg"), label: "cat" },
      { id: "b.jpg", place: list("b.jpg"), label: "dog" },
    ]);
    assertEquals(await entriesOf("names.tsv"), [{ id: "7", place: list("a.jpg") }]);
    assertEquals(await entriesOf("keys.csv"), [{ id: "a.jpg", place: list("a.jpg") }]);
    assertEquals(await entriesOf("lines.jsonl"), [
      { id: "1", place: list("a.jpg"), label: "cat" },
      { id: "http://example.com/b.jpg", place: "http://example.com/b.jpg" },
    ]);
  });
});

Deno.test("standard input is a list of the current folder's paths", async () => {
  await withFiles({}, async (folder) => {
    const { code, stderr } = await runCli(["manifest", "-", "--out-dir", "parts"], {
      cwd: folder,
      stdin: new TextEncoder().encode("a.jpg\n/b.jpg\n"),
    });
    assertEquals([code, stderr], [0, "2 pictures in 1 part: parts\n"]);
    const places = (await partsIn(join(folder, "parts"))).flat().map(({ place }) => place);
    assertEquals(places, [join(await Deno.realPath(folder), "a.jpg"), "/b.jpg"]);
  });
});

Deno.test("what cannot be divided is refused, and leaves no manifest", async () => {
  const files = {
    "twice.txt": "a.jpg\nb.jpg\nc.jpg\na.jpg\n",
    "empty.txt": "\n\n",
    "store.txt": "s3://user:password@bucket/a.jpg\n",
    "binary.txt": "a\0b\n",
    "latin.txt": new Uint8Array([0x61, 0xe9, 0x0a]),
    "columns.csv": "name of it,what\nx,y\n",
    "wide.csv": "path,label\na.jpg,cat,more\n",
    "none.csv": "id,path\n1,\n",
    "lines.jsonl": '{"path":"a.jpg"}\n{"id":1,"path":"b.jpg"}\n',
    "both.jsonl": '{"path":"a.jpg","url":"http://x/b.jpg"}\n',
    "two.csv": "path,file\na.jpg,b.jpg\n",
    "wide.txt": new Uint8Array([0x61, 0x00, 0x0a, 0x00]),
    "empty/notes.txt": "no picture",
  };
  await withFiles(files, async (folder) => {
    const messages = {
      "twice.txt": "Two pictures are called a.jpg",
      "empty.txt": "There is no picture",
      "store.txt": "found s3://bucket/a.jpg",
      "binary.txt": "is no text",
      "latin.txt": "UTF-8",
      "columns.csv": "expected a first row that names the columns",
      "wide.csv": "row 2: expected a path or a URL in 2 columns at most, found 3 columns",
      "none.csv": "row 2: expected a path",
      "lines.jsonl": "line 2: expected a JSON object",
      "both.jsonl": "line 1: expected a JSON object with a path or a url",
      "two.csv": "several columns name the same",
      "wide.txt": "is no text",
      "empty": "There is no picture",
      "missing": "missing",
    };
    for (const [name, message] of Object.entries(messages)) {
      const out = join(folder, `${name}.parts`);
      const work = () => divide(join(folder, name), "--out-dir", out, "--part-size", "2");
      const { message: found } = await assertRejects(work, UsageError, message);
      assert(!found.includes("password"), found);
      const open = () => Manifest.open(out);
      await assertRejects(open, UsageError, "vgg16 manifest");
    }
    const one = join(folder, "twice.txt");
    await assertRejects(() => divide(one), UsageError, "--out-dir");
    await assertRejects(() => divide("--out-dir", folder), UsageError, "one directory, list");
  });
});

Deno.test("a manifest is not replaced by accident, and nothing is left of one that is", async () => {
  await withFiles({ "five.txt": "1\n2\n3\n4\n5\n", "two.txt": "6\n7\n" }, async (folder) => {
    const out = join(folder, "parts"), size = ["--out-dir", out, "--part-size", "2"];
    await divide(join(folder, "five.txt"), ...size);
    const before = await partsIn(out);
    await assertRejects(() => divide(join(folder, "two.txt"), ...size), UsageError, "exists");
    assertEquals(await partsIn(out), before);
    await divide(join(folder, "two.txt"), ...size, "--force");
    assertEquals((await partsIn(out)).flat().map(({ id }) => id), ["6", "7"]);
    const names = Array.from(Deno.readDirSync(out), ({ name }) => name).sort();
    assertEquals(names, ["manifest.json", "part-000001.jsonl"]);
  });
});

Deno.test("files that no manifest has made are not replaced, nor what is read", async () => {
  await withFiles({ "own/part-000001.jsonl": '{"path":"a.jpg"}\n' }, async (folder) => {
    const own = join(folder, "own"), list = join(own, "part-000001.jsonl");
    const before = await Deno.readTextFile(list);
    await assertRejects(() => divide(list, "--out-dir", own), UsageError, "would be replaced");
    await assertRejects(
      () => divide(list, "--out-dir", own, "--force"),
      UsageError,
      "would be replaced",
    );
    await Deno.copyFile(list, join(folder, "list.jsonl"));
    const other = () => divide(join(folder, "list.jsonl"), "--out-dir", own);
    await assertRejects(other, UsageError, "part-000001.jsonl exists");
    assertEquals(Array.from(Deno.readDirSync(own)).length, 1);
    assertEquals(await Deno.readTextFile(list), before);
  });
});

Deno.test("two names that are no UTF-8 and are shown alike are refused", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await withFiles({ "set/a.png": "" }, async (folder) => {
    const set = join(folder, "set"), parts = join(folder, "parts");
    const make = (name: string) =>
      new Deno.Command("sh", { args: ["-c", `: > "$1/$(printf '${name}')"`, "sh", set] }).output();
    await make("x\\377.png");
    await divide(set, "--out-dir", parts);
    await make("x\\376.png");
    const again = () => divide(set, "--out-dir", parts, "--force");
    await assertRejects(again, UsageError, "Two pictures are called x\ufffd.png");
  });
});

Deno.test("links to folders are not followed, and told", async () => {
  await withFiles({ "set/a.png": "", "other/b.png": "" }, async (folder) => {
    await Deno.symlink(join(folder, "other"), join(folder, "set/linked"));
    const said = await divide(join(folder, "set"), "--out-dir", join(folder, "parts"));
    assertStringIncludes(
      said,
      `links to folders are not followed: 1, such as ${join(folder, "set/linked")}`,
    );
    assertStringIncludes(said, "1 picture in 1 part");
  });
});

Deno.test("a manifest that is cut off, changed or of another kind is refused", async () => {
  await withFiles({ "five.txt": "1\n2\n3\n4\n5\n" }, async (folder) => {
    const out = join(folder, "parts"), about = join(out, "manifest.json");
    await divide(join(folder, "five.txt"), "--out-dir", out, "--part-size", "2");
    const path = join(out, "part-000002.jsonl"), text = await Deno.readTextFile(path);
    const changes: [string, RegExp][] = [
      [text.slice(0, text.indexOf("\n") + 1), /Expected 2 pictures in .*: found 1 lines/],
      [text.slice(0, -5), /found 1 lines/],
      [text.replace('"id"', '"name"'), /line 1: expected an id/],
      [text.replace('"path"', '"url"'), /line 1: expected an id and a path or a URL/],
      [text.replace('{"id"', '{"url":"http://x/y","id"'), /line 1/],
      [text.replace("{", "["), /line 1/],
    ];
    for (const [changed, message] of changes) {
      await Deno.writeTextFile(path, changed);
      const error = await assertRejects(
        async () => await (await Manifest.open(out)).part(2),
        UsageError,
      );
      assertMatch(error.message, message);
    }
    const whole = JSON.parse(await Deno.readTextFile(about));
    for (
      const change of [{ parts: 4 }, { pictures: 3.5 }, { partSize: "2" }, { parts: undefined }]
    ) {
      await Deno.writeTextFile(about, JSON.stringify({ ...whole, ...change }));
      await assertRejects(() => Manifest.open(out), UsageError, "how many pictures and parts");
    }
    await Deno.writeTextFile(about, "{");
    await assertRejects(() => Manifest.open(out), UsageError, "make it anew");
  });
});
