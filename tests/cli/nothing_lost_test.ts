/** What is there stays as it is, whatever it is called in a command line, unless `--force` says otherwise. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { convertCommand } from "../../lib/cli/convert.ts";
import { duplicatesCommand } from "../../lib/cli/duplicates.ts";
import { embedCommand } from "../../lib/cli/embed.ts";
import { evaluateCommand } from "../../lib/cli/evaluate.ts";
import { explainCommand } from "../../lib/cli/explain.ts";
import { fitCommand } from "../../lib/cli/fit.ts";
import { atHome, optionsAtHome } from "../../lib/cli/home.ts";
import { writeOutput } from "../../lib/cli/outputs.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import type { Table } from "../../lib/options.ts";
import { randomFrom } from "../../lib/train/random.ts";
import { withFiles } from "../support/files.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { printedBy } from "../support/printed.ts";
import { smallVgg } from "../support/small_vgg.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const read = (path: string): Promise<Uint8Array> => Deno.readFile(join(ROOT, path));
const CAT = await read("tests/data/photos/cat.png"),
  BOATS = await read("tests/data/photos/boats.jpg");
const { model } = await smallVgg();
const MODEL = await modelBytes({ ...model, labels: ["cat", "ship", ...model.labels.slice(2)] });
const CHECKPOINT = await read("tests/fixtures/checkpoints/timm_e.safetensors");

const FILES = {
  "q/cat/1.png": CAT,
  "q/ship/1.jpg": BOATS,
  "diary": "Dear diary, no line ends here",
  "one.json": '{"program":1}',
  "lines.jsonl": '{"file":"a"}\n{"file":"b"}\n',
  "table.npy": "no array",
  "table.csv": "a,b\n",
  "page.html": "<p>mine",
  "m.safetensors": MODEL,
  "x.safetensors": CHECKPOINT,
  "mine.safetensors": MODEL,
  "mine-fit/report.html": "mine",
  "report/report.html": "mine",
  "drawn/q/cat/1.png": "mine",
  "drawn/cat/1.png": "mine",
  "names": "names.csv\n",
  "names.csv": "q/cat/1.png\n",
} satisfies Record<string, string | Uint8Array>;

/** Runs a command, and forgets what it says. */
async function run<T extends Table>(command: Command<T>, args: readonly string[]): Promise<number> {
  let code = 0;
  await printedBy(async () => code = await runCommand(command as unknown as Command, args));
  return code;
}

async function contents(folder: string, below = ""): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(join(folder, below))) {
    const path = join(below, name);
    if (isSymlink) continue;
    if (!isDirectory) found.set(path, await Deno.readFile(join(folder, path)));
    else for (const entry of await contents(folder, path)) found.set(...entry);
  }
  return found;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(a) === new TextDecoder("latin1").decode(b);
}

/** Holds that files are what they were; lines that grow begin as they did. */
async function assertKept(
  before: ReadonlyMap<string, Uint8Array>,
  folder: string,
  line: string,
): Promise<void> {
  const after = await contents(folder);
  for (const [path, bytes] of before) {
    const now = after.get(path), isTool = /-fit\/|\.lock$|records-/.test(path) && !(path in FILES);
    if (isTool) continue;
    if (now === undefined) throw new Error(`${line}: ${path} is gone`);
    const isOwn = new TextDecoder().decode(bytes.subarray(0, 9)) === '{"program';
    const isGrown = isOwn && now.length > bytes.length;
    assert(
      isSame(isGrown ? now.subarray(0, bytes.length) : now, bytes),
      `${line}: ${path} has changed`,
    );
  }
}

const CPU = ["--backend", "wasm", "--threads", "1"];

for (
  const [name, command, args, said] of [
    [
      "explain with its pictures' own folder",
      explainCommand,
      ["q", "--out", "q"],
      "would be replaced",
    ],
    [
      "explain of a picture",
      explainCommand,
      ["q/cat/1.png", "--out", "q/cat"],
      "would be replaced",
    ],
    ["classify --draw", classifyCommand, ["q", "--draw", "q"], "would be replaced"],
    ["convert", convertCommand, ["x.safetensors", "--out", "x.safetensors"], "would be replaced"],
    ["classify into a diary", classifyCommand, ["q", "--out", "diary"], "Expected"],
    ["classify into a JSON file", classifyCommand, ["q", "--out", "one.json"], "--json > "],
    ["classify into a picture", classifyCommand, ["q/ship", "--out", "q/cat/1.png"], "Expected"],
    ["classify into others' lines", classifyCommand, ["q", "--out", "lines.jsonl"], "Expected"],
    ["embed into a model", embedCommand, ["q", "--out", "mine.safetensors"], "exists"],
    [
      "convert into a model",
      convertCommand,
      ["x.safetensors", "--out", "mine.safetensors"],
      "exists",
    ],
    ["fit into a model", fitCommand, ["q", "--out", "mine.safetensors"], "exists"],
    ["fit beside a report", fitCommand, ["q", "--seed", "1", "--out", "new/../mine"], "exists"],
    ["evaluate into a report", evaluateCommand, ["q", "--out", "report"], "exists"],
    ["duplicates into a page", duplicatesCommand, ["q", "--out", "page.html"], "exists"],
    ["classify --draw into drawings", classifyCommand, ["q", "--draw", "drawn"], "exists"],
    ["explain into drawings", explainCommand, ["q", "--out", "drawn"], "exists"],
    [
      "a list as lines",
      classifyCommand,
      ["--files-from", "names", "--out", "names", "--force"],
      "would be replaced",
    ],
    ["a list as a table", embedCommand, [
      "--files-from",
      "names.csv",
      "--out",
      "names.csv",
      "--force",
    ], "would be replaced"],
    [
      "two outputs that are one",
      classifyCommand,
      ["q/cat", "--draw", "new", "--out", "new/1.png"],
      "Two outputs are one file",
    ],
    [
      "a folder that is a file",
      classifyCommand,
      ["q/cat", "--draw", "new", "--out", "new"],
      "would be a folder",
    ],
    [
      "an index as a table",
      duplicatesCommand,
      ["q", "--index", "i.csv", "--out", "i.csv"],
      "Two outputs are one file",
    ],
    ["a file as a folder", explainCommand, ["q", "--out", "diary"], "is none"],
    ["a file within a file", classifyCommand, ["q", "--out", "q/cat/1.png/x.jsonl"], "is none"],
    ["a device", classifyCommand, ["q", "--out", "/dev/null"], "is a pipe or a device"],
    ["a table as lines", classifyCommand, ["q", "--out", "new.csv"], "--csv > "],
  ] as const
) {
  Deno.test(`nothing is lost by ${name}`, () =>
    withFiles(FILES, async (folder) => {
      const place = (word: string): string =>
        /^--|^\d$|^\/dev\//.test(word) ? word : join(folder, word);
      const model = command === convertCommand as unknown
        ? []
        : [...CPU, "--model", join(folder, "m.safetensors")];
      const line = [...args.map(place), ...model], before = await contents(folder);
      const wanted = command as unknown as Command;
      const error = await assertRejects(() => run(wanted, line), UsageError);
      assertStringIncludes(error.message, said);
      await assertKept(before, folder, name);
      assertEquals((await contents(folder)).size, before.size, "nothing is written either");
    }));
}

Deno.test("random outputs replace nothing, unless --force says so, and never an input", () =>
  withFiles(FILES, async (folder) => {
    const seed = Math.floor(Math.random() * 2 ** 31), next = randomFrom(seed);
    const choose = <Item>(items: readonly Item[]): Item =>
      items[Math.floor(next() * items.length)]!;
    const files = [
      ...Object.keys(FILES),
      "new.jsonl",
      "new.npy",
      "new.csv",
      "new/er.jsonl",
      "new.html",
    ];
    const folders = ["q", "q/cat", "drawn", "report", "new", "mine-fit", "."];
    const inputs = ["q", "q/cat", "q/cat/1.png", "q/ship/1.jpg"];
    const model = ["--model", join(folder, "m.safetensors"), ...CPU];
    const commands: (() => readonly [Command, ...string[]])[] = [
      () => [classifyCommand as unknown as Command, "--out", choose(files)],
      () => [classifyCommand as unknown as Command, "--draw", choose(folders)],
      () => [embedCommand as unknown as Command, "--out", choose(files)],
      () => [explainCommand as unknown as Command, "--out", choose(folders)],
    ];
    const count = { refused: 0, done: 0, forced: 0 };
    // 50, or as many as it takes until --force has once had something to do.
    for (let n = 0; n < 50 || (count.forced === 0 && n < 300); n++) {
      const before = await contents(folder), [command, flag, output] = choose(commands)();
      const force = next() < 0.2 ? ["--force"] : [];
      const line = [flag!, join(folder, output!), ...force, ...model, join(folder, choose(inputs))];
      try {
        if (await run(command, line) === 0) count[force.length === 0 ? "done" : "forced"]++;
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        count.refused++;
      }
      const kept = force.length === 0 ? before : new Map(
        [...before].filter(([path]) =>
          path === "m.safetensors" || line.at(-1) === join(folder, path)
        ),
      );
      await assertKept(kept, folder, `seed ${seed}, ${n}: ${line.join(" ")}`);
      // What --force has replaced is there again for the next.
      if (force.length === 0) continue;
      const after = await contents(folder);
      for (const [path, bytes] of before) {
        // Another time of a picture would be another picture.
        if (!isSame(after.get(path)!, bytes)) await Deno.writeFile(join(folder, path), bytes);
      }
    }
    for (const [kind, lines] of Object.entries(count)) assert(lines > 0, `seed ${seed}: ${kind} 0`);
  }));

Deno.test("a hard link to an input, and a link that leads nowhere, are kept", () =>
  withFiles(FILES, async (folder) => {
    const at = (name: string): string => join(folder, name);
    await Deno.link(at("q/cat/1.png"), at("same.png"));
    await Deno.symlink(at("nowhere"), at("link.html"));
    const model = [...CPU, "--model", at("m.safetensors")];
    const classify = [at("q/cat/1.png"), "--out", at("same.png"), "--force", ...model];
    const before = await contents(folder);
    const lines = classifyCommand as unknown as Command;
    await assertRejects(() => run(lines, classify), UsageError, "would be replaced");
    const page = [at("q"), "--out", at("link.html"), "--index", at("index"), ...model];
    const duplicates = duplicatesCommand as unknown as Command;
    await assertRejects(() => run(duplicates, page), UsageError, "exists");
    assertEquals(await Deno.readLink(at("link.html")), at("nowhere"));
    await assertKept(before, folder, "links");
    // What is replaced keeps what it is under its other names.
    await Deno.link(at("lines.jsonl"), at("other.jsonl"));
    assertEquals(
      await run(lines, [at("q/cat"), "--out", at("lines.jsonl"), "--force", ...model]),
      0,
    );
    assertEquals(await Deno.readTextFile(at("other.jsonl")), FILES["lines.jsonl"]);
  }));

Deno.test("what a model is made of is not replaced by it", () =>
  withFiles({}, async (folder) => {
    const at = (name: string): string => join(folder, name);
    for (const name of ["first_crop.cfg", "first_crop.weights"]) {
      await Deno.copyFile(join(ROOT, "tests/fixtures/checkpoints/darknet", name), at(name));
    }
    await Deno.symlink(at("first_crop.cfg"), at("cfg.safetensors"));
    const cfg = await Deno.readFile(at("first_crop.cfg"));
    const args = [at("first_crop.weights"), "--out", at("cfg.safetensors"), "--force"];
    const error = await assertRejects(() => run(convertCommand, args), RangeError);
    assertStringIncludes(error.message, "one of the files that the model is made of");
    assertEquals(await Deno.readFile(at("first_crop.cfg")), cfg);
  }));

Deno.test("a file that comes to be there while a command works is kept", () =>
  withFiles({}, async (folder) => {
    const path = join(folder, "new/page.html");
    await writeOutput(path, "first");
    const again = await assertRejects(() => writeOutput(path, "second"), Error);
    assertStringIncludes(again.message, "was not there before, and is now: it is kept");
    assertEquals(await Deno.readTextFile(path), "first");
    await writeOutput(path, "third", true);
    assertEquals(await Deno.readTextFile(path), "third");
    assertEquals([...Deno.readDirSync(join(folder, "new"))].map(({ name }) => name), ["page.html"]);
  }));

Deno.test("a drawing that is gone is drawn again, and its line is there once", () =>
  withFiles(FILES, async (folder) => {
    const at = (name: string): string => join(folder, name);
    const line = [
      at("q"),
      "--out",
      at("l.jsonl"),
      "--draw",
      at("d"),
      ...CPU,
      "--model",
      at("m.safetensors"),
    ];
    const classify = classifyCommand as unknown as Command;
    assertEquals(await run(classify, line), 0);
    const before = (await Deno.readTextFile(at("l.jsonl"))).split("\n").sort();
    await Deno.remove(at("d/cat/1.png"));
    assertEquals(await run(classify, line), 0);
    assert((await Deno.stat(at("d/cat/1.png"))).isFile);
    assertEquals((await Deno.readTextFile(at("l.jsonl"))).split("\n").sort(), before);
  }));

Deno.test("whoever goes on draws over own pictures alone, and over nothing that is read", () =>
  withFiles(FILES, async (folder) => {
    const at = (name: string): string => join(folder, name);
    const classify = (...args: string[]): Promise<number> =>
      run(classifyCommand as unknown as Command, [
        ...[...args, "--out", at("l.jsonl"), "--draw", at("d"), ...CPU],
        ...["--model", at("m.safetensors")],
      ]);
    assertEquals(await classify(at("q")), 0);
    const drawn = await Deno.readFile(at("d/cat/1.png"));
    // A picture that came later is drawn where somebody else's is.
    await Deno.copyFile(at("q/cat/1.png"), at("q/cat/2.png"));
    await Deno.writeTextFile(at("d/cat/2.png"), "somebody's");
    const error = await assertRejects(() => classify(at("q")), UsageError);
    assertStringIncludes(error.message, `${at("d/cat/2.png")} exists`);
    assertEquals(await Deno.readTextFile(at("d/cat/2.png")), "somebody's");
    await Deno.remove(at("d/cat/2.png"));
    assertEquals(await classify(at("q")), 0);
    // What was drawn is read, and would be drawn over.
    const replaced = await assertRejects(() => classify(at("d")), UsageError);
    assertStringIncludes(replaced.message, "would be replaced");
    assertEquals(await Deno.readFile(at("d/cat/1.png")), drawn);
    // A picture that has changed is drawn anew.
    await Deno.copyFile(at("q/ship/1.jpg"), at("q/cat/1.png"));
    assertEquals(await classify(at("q")), 0);
    assertNotEquals(await Deno.readFile(at("d/cat/1.png")), drawn);
  }));

Deno.test("a path that begins with a tilde is in the user's folder, whatever shell there is", () =>
  withFiles({}, async (folder) => {
    const home = Deno.env.get("HOME");
    try {
      Deno.env.set("HOME", folder);
      assertEquals(atHome("~/a/b.png"), join(folder, "a/b.png"));
      assertEquals(["~", "~a/b", "a/~/b", "/~/a"].map(atHome), ["~", "~a/b", "a/~/b", "/~/a"]);
      const table = {
        out: { kind: "text", placeholder: "FILE", about: "" },
        id: { kind: "text", about: "" },
      } as const;
      assertEquals(optionsAtHome(table, { out: "~/x", id: "~/x" }), {
        out: join(folder, "x"),
        id: "~/x",
      });
    } finally {
      if (home === undefined) Deno.env.delete("HOME");
      else Deno.env.set("HOME", home);
    }
    await Promise.resolve();
  }));

Deno.test("--dry-run says what would be read and written, and does neither", () =>
  withFiles(FILES, async (folder) => {
    const before = await contents(folder);
    const q = join(folder, "q"), drawn = join(folder, "fresh");
    const dryRun = (out: string): Promise<number> =>
      runCommand(classifyCommand as unknown as Command, [q, "--draw", out, "--dry-run"]);
    const free = await printedBy(async () => assertEquals(await dryRun(drawn), 0));
    assertEquals(free.out.trimEnd().split("\n"), [
      ...["cat/1.png", "ship/1.jpg"].map((path) => `read   ${join(q, path)}`),
      ...["cat/1.png", "ship/1.png"].map((path) => `write  ${join(drawn, path)}`),
    ]);
    const taken = await printedBy(() =>
      assertRejects(() => dryRun(join(folder, "drawn")), UsageError, "exists")
    );
    const forced = await printedBy(() =>
      runCommand(classifyCommand as unknown as Command, [
        ...[q, "--draw", join(folder, "drawn"), "--dry-run", "--force"],
      ])
    );
    assertStringIncludes(forced.out, `exists ${join(folder, "drawn/cat/1.png")}`);
    const exists = `exists ${join(folder, "drawn/cat/1.png")}`;
    assertEquals(taken.out.trimEnd().split("\n").at(-2), exists);
    assertEquals((await contents(folder)).size, before.size);
  }));
