/** What is there stays as it is, whatever it is called in a command line, unless `--force` says otherwise. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { classifyCommand } from "../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../lib/cli/command.ts";
import { convertCommand } from "../../lib/cli/convert.ts";
import { duplicatesCommand } from "../../lib/cli/duplicates.ts";
import { embedCommand } from "../../lib/cli/embed.ts";
import { evaluateCommand } from "../../lib/cli/evaluate.ts";
import { explainCommand } from "../../lib/cli/explain.ts";
import { fitCommand } from "../../lib/cli/fit.ts";
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
} satisfies Record<string, string | Uint8Array>;

/** Runs a command, and forgets what it says. */
async function run<T extends Table>(command: Command<T>, args: readonly string[]): Promise<number> {
  let code = 0;
  await printedBy(async () => code = await runCommand(command as unknown as Command, args));
  return code;
}

async function contents(folder: string, below = ""): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = join(below, name);
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
    ["classify into a JSON file", classifyCommand, ["q", "--out", "one.json"], "Expected"],
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
    ["evaluate into a report", evaluateCommand, ["q", "--out", "report"], "has a report"],
    ["duplicates into a page", duplicatesCommand, ["q", "--out", "page.html"], "exists"],
    ["classify --draw into drawings", classifyCommand, ["q", "--draw", "drawn"], "exists"],
    ["explain into drawings", explainCommand, ["q", "--out", "drawn"], "exists"],
  ] as const
) {
  Deno.test(`nothing is lost by ${name}`, () =>
    withFiles(FILES, async (folder) => {
      const place = (word: string): string =>
        word.startsWith("--") || /^\d$/.test(word) ? word : join(folder, word);
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
    for (let n = 0; n < 50; n++) {
      const before = await contents(folder), [command, flag, output] = choose(commands)();
      const force = next() < 0.2 ? ["--force"] : [];
      const line = [flag!, join(folder, output!), ...force, ...model, join(folder, choose(inputs))];
      await run(command, line).catch((error) => {
        if (!(error instanceof UsageError)) throw error;
      });
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
    const exists = `exists ${join(folder, "drawn/cat/1.png")}`;
    assertEquals(taken.out.trimEnd().split("\n").at(-2), exists);
    assertEquals((await contents(folder)).size, before.size);
  }));
