/** Parts of a set, done by many workers, are together what one process finds. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { classifyCommand } from "../../../lib/cli/classify.ts";
import { type Command, runCommand } from "../../../lib/cli/command.ts";
import { embedCommand } from "../../../lib/cli/embed.ts";
import { evaluateCommand } from "../../../lib/cli/evaluate.ts";
import { manifestCommand } from "../../../lib/cli/manifest.ts";
import { mergeCommand } from "../../../lib/cli/merge.ts";
import { Manifest } from "../../../lib/cli/parts/manifest.ts";
import { runParts, withPartCodes } from "../../../lib/cli/parts/run_parts.ts";
import { UsageError } from "../../../lib/cli/usage_error.ts";
import { encodePng } from "../../../lib/image/codecs/encode_png.ts";
import type { Table } from "../../../lib/options.ts";
import { randomFrom } from "../../../lib/train/random.ts";
import { loadClassifier, type Prediction } from "../../../mod.ts";
import { withFiles } from "../../support/files.ts";
import { modelBytes } from "../../support/model_bytes.ts";
import { printedBy } from "../../support/printed.ts";
import { smallVgg } from "../../support/small_vgg.ts";

const CPU = ["--backend", "wasm", "--threads", "1"];
const { model: SMALL } = await smallVgg();
const MODEL = await modelBytes(SMALL), { labels } = SMALL;

async function run<T extends Table>(command: Command<T>, ...args: string[]) {
  let code = 0;
  const { out, err } = await printedBy(async () => {
    code = await runCommand(command as unknown as Command, args);
  });
  return { code, out, err };
}

/** A picture of random pixels. */
async function picture(seed: number): Promise<Uint8Array> {
  const next = randomFrom(seed), data = new Uint8Array(3 * 36 * 40);
  return await encodePng({
    data: data.map((_, n) => 128 * next() + 100 * Math.sin(n / (20 + seed))),
    width: 40,
    height: 36,
  });
}

const COUNT = 23, DAMAGED = [3, 4, 11, 22];
const PICTURES: Record<string, Uint8Array> = {};
for (let n = 0; n < COUNT; n++) {
  const name = `set/${labels[n % labels.length]}/${String(n).padStart(2, "0")}.png`;
  PICTURES[name] = DAMAGED.includes(n) ? new TextEncoder().encode("no picture") : await picture(n);
}

/** A set in a folder that is divided into parts. */
function testParts(
  name: string,
  work: (paths: {
    readonly folder: string;
    readonly set: string;
    readonly parts: string;
    readonly out: string;
    readonly model: string[];
    /** Does parts; many of them may fail. */
    readonly classify: (...args: string[]) => Promise<{ code: number; out: string; err: string }>;
    readonly merge: (...args: string[]) => Promise<{ code: number; out: string; err: string }>;
  }) => Promise<void>,
  partSize = 4,
): void {
  Deno.test(name, async () => {
    await withFiles({ ...PICTURES, "m.safetensors": MODEL }, async (folder) => {
      const [set, parts, out] = ["set", "parts", "out"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const model = [...CPU, "--model", join(folder, "m.safetensors")];
      await run(manifestCommand, set, "--out-dir", parts, "--part-size", `${partSize}`);
      const many = ["--manifest", parts, "--out-dir", out, "--max-errors", "50%"];
      await work({
        ...{ folder, set, parts, out, model },
        classify: (...args) => run(classifyCommand, ...model, ...many, ...args),
        merge: (...args) => run(mergeCommand, "--manifest", parts, out, ...args),
      });
    });
  });
}

/** The bytes of each file of a folder, by its name. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  const texts = names.map(async (name) => [name, await Deno.readTextFile(join(folder, name))]);
  return Object.fromEntries(await Promise.all(texts));
}

const linesOf = (text: string) => text.trimEnd().split("\n").map((line) => JSON.parse(line));

testParts(
  "parts have the predictions of classify, each picture once, in any order, and again",
  async (
    { set, parts, out, model, classify },
  ) => {
    const alone = await run(classifyCommand, ...model, set, "--jsonl");
    const expected = new Map(
      linesOf(alone.out).slice(1).map(({ file, ...found }) => [file.slice(set.length + 1), found]),
    );
    assertEquals(expected.size, COUNT);
    const manifest = await Manifest.open(parts);
    assertEquals(manifest.parts, 6);
    for (const share of ["3/4", "1/4", "4/4", "2/4"]) {
      assertEquals(
        (await classify("--part", share)).code,
        0,
      );
    }
    const before = await filesIn(out), seen: string[] = [];
    assertEquals(Object.keys(before).length, 6);
    for (const [n, text] of Object.values(before).entries()) {
      const [head, ...rows] = linesOf(text);
      const { entries, list } = await manifest.part(n + 1);
      assertEquals([head.program, head.part, head.pictures, head.list], [
        "vgg16 classify",
        n + 1,
        entries.length,
        list,
      ]);
      for (const { id, ...found } of rows) {
        seen.push(id);
        const { error, predictions } = expected.get(id)!;
        assertEquals(found.predictions, predictions);
        assertEquals(found.error, error);
      }
    }
    assertEquals(seen, [...expected.keys()]);
    // What is there is not done again, and whoever does it again writes the same bytes.
    const again = await classify();
    assertStringIncludes(again.err, `0 of ${COUNT} classified`);
    assertEquals(await filesIn(out), before);
    await Deno.remove(join(out, Object.keys(before)[2]!));
    assertStringIncludes((await classify()).err, `4 of ${COUNT} classified`);
    assertEquals(await filesIn(out), before);
    assertEquals((await classify("--force")).code, 0);
    assertEquals(await filesIn(out), before);
  },
);

testParts("results of other settings lie beside each other, and are told apart", async (
  { out, classify, merge },
) => {
  await classify();
  await classify("--top-k", "2", "--part", "1/6");
  const names = Object.keys(await filesIn(out)),
    settings = new Set(names.map((name) => name.split(".")[1]));
  assertEquals([names.length, settings.size], [7, 2]);
  const error = await assertRejects(() => merge(), UsageError, "results of several settings");
  for (const name of settings) assertStringIncludes(error.message, name!);
  const codes = [];
  for (const name of settings) codes.push((await merge("--settings", name!)).code);
  assertEquals(codes.sort(), [0, 1]);
  await assertRejects(() => merge("--settings", "0"), UsageError, "no results called 0");
});

testParts(
  "results of other pictures are not taken for these",
  async ({ set, parts, out, classify, merge }) => {
    await classify();
    await Deno.remove(join(set, labels[0]!, "00.png"));
    await run(manifestCommand, set, "--out-dir", parts, "--part-size", "4", "--force");
    const before = await filesIn(out);
    await assertRejects(() => classify(), UsageError, "of other pictures than the manifest has");
    await assertRejects(() => merge(), UsageError, "of other pictures");
    assertEquals(await filesIn(out), before);
    assertEquals((await classify("--force")).code, 0);
    assertEquals((await merge()).code, 0);
  },
);

testParts(
  "more pictures that fail than may end a run with a code of its own, and leave no part",
  async (
    { parts, out, classify, merge },
  ) => {
    const few = await classify("--max-errors", "1");
    assertEquals(few.code, 65);
    assertMatch(
      few.err,
      /error: 2 of the 4 pictures of part \d have failed, more than --max-errors permits; the last was /,
    );
    // Each part before it is there.
    const { parts: count } = await Manifest.open(parts),
      done = Object.keys(await filesIn(out)).length;
    assert(done < count, `${done}`);
    const { code, err } = await merge();
    assertEquals(code, 1);
    assertStringIncludes(err, "missing");
    assertEquals((await classify("--max-errors", "2")).code, 0);
    const { out: found } = await merge();
    assertStringIncludes(
      found,
      `6 of 6 parts, ${COUNT} of ${COUNT} pictures, 4 of them with an error (image-format 4)`,
    );
    for (const wrong of ["x", "101%", "1.5", "1%%"]) {
      await assertRejects(
        () => classify("--max-errors", wrong),
        UsageError,
        "--max-errors needs a number",
      );
    }
  },
);

testParts("by default a tenth may fail, rounded up, also of a last part of one picture", async (
  { parts, out, model },
) => {
  const wanted = ["--manifest", parts, "--out-dir", out];
  // The last of 23 is damaged, and alone in its part.
  const last = await run(classifyCommand, ...model, ...wanted, "--part", "3/3");
  assertEquals([last.code, linesOf(Object.values(await filesIn(out))[0]!).length], [0, 2]);
  const first = await run(classifyCommand, ...model, ...wanted, "--part", "1/3");
  assertEquals(first.code, 0);
}, 11);

/** Does part 1 of a manifest, and waits for nothing. */
async function doFirstPart(
  parts: string,
  { outDir, model, maxErrors }: { outDir: string; model: string; maxErrors: number },
): Promise<{ code: number; err: string }> {
  await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
  const job = {
    manifest: await Manifest.open(parts),
    outDir,
    parts: [1],
    maxErrors: () => maxErrors,
  };
  const { signal } = new AbortController();
  let code = 0;
  const { err } = await printedBy(async () => {
    code = await withPartCodes(async () => {
      await runParts<"predictions", readonly Prediction[]>(
        job,
        {
          ...{ settings: { program: "vgg16 classify" }, verb: ["Classifying", "classified"] },
          stream: (images) => classifier.stream(images),
          begin: () => ({
            record: ({ predictions }) => ({ predictions }),
            [Symbol.dispose]() {},
          }),
        },
        { pausesMs: [0, 0] },
        signal,
      );
      return 0;
    }, signal);
  });
  return { code, err };
}

testParts(
  "servers that fail end a run with a code of its own, or are lines where they are few",
  async (
    { folder, out, model },
  ) => {
    const down = new Set([1, 2, 3]), asked = new Map<number, number>();
    const bytes = await picture(1);
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      ({ url }) => {
        const n = Number(/(\d)\.png/.exec(url)![1]);
        asked.set(n, (asked.get(n) ?? 0) + 1);
        return down.has(n) ? new Response("busy", { status: 503 }) : new Response(bytes.slice());
      },
    );
    const list = join(folder, "list.txt"), parts = join(folder, "urls");
    const url = (n: number) => `http://127.0.0.1:${server.addr.port}/${n}.png`;
    await Deno.writeTextFile(list, [1, 2, 3].map(url).join("\n"));
    await run(manifestCommand, list, "--out-dir", parts);
    const work = (maxErrors: number) =>
      doFirstPart(parts, { outDir: out, model: model.at(-1)!, maxErrors });
    const failed = await work(0);
    assertEquals([failed.code, Object.keys(await filesIn(out))], [75, []]);
    assertMatch(failed.err, /error: 1 of the 3 pictures .* the last was http:\S+1\.png: .*503/);
    assertEquals(asked.get(1), 3); // Tried again twice.
    down.delete(1);
    down.delete(3);
    // One that nobody may ever reach keeps no part from being done.
    assertEquals((await work(1)).code, 0);
    const [, ...rows] = linesOf(Object.values(await filesIn(out))[0]!);
    assertEquals(rows.map(({ id }) => id), [1, 2, 3].map(url));
    assertEquals(rows.map(({ error }) => error?.retryable), [undefined, true, undefined]);
  },
);

testParts("a disk that fails ends a run with a code of its own, whatever may fail", async (
  { parts, out, model },
) => {
  const readFile = Deno.readFile,
    work = () => doFirstPart(parts, { outDir: out, model: model.at(-1)!, maxErrors: 4 });
  const { entries: [, { place: failing }] } = await (await Manifest.open(parts)).part(1);
  Deno.readFile = (path, options) => {
    const error = Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
    return path === failing ? Promise.reject(error) : readFile(path, options);
  };
  try {
    const { code, err } = await work();
    assertEquals([code, Object.keys(await filesIn(out))], [75, []]);
    assertStringIncludes(err, "Input/output error");
    assertStringIncludes(err, "This may pass: run the same command to go on");
  } finally {
    Deno.readFile = readFile;
  }
  assertEquals((await work()).code, 0);
});

testParts("embeddings of a part are the rows of embed, and NaN where a picture failed", async (
  { set, parts, out, folder, model },
) => {
  const wanted = ["--manifest", parts, "--out-dir", out, "--max-errors", "2"],
    whole = join(folder, "whole.npy");
  await run(embedCommand, ...model, set, "--out", whole);
  assertEquals((await run(embedCommand, ...model, ...wanted)).code, 0);
  const floatsOf = async (path: string) =>
    new Float32Array((await Deno.readFile(path)).buffer, 128);
  const names = Array.from(Deno.readDirSync(out), ({ name }) => name).sort();
  assertEquals(names.length, 12);
  const arrays = names.filter((name) => name.endsWith(".npy"));
  const rows = (await Promise.all(arrays.map((name) => floatsOf(join(out, name))))).flatMap((
    row,
  ) => [...row]);
  assertEquals(rows, [...await floatsOf(whole)]);
  assert(rows.some(Number.isNaN));
  // An array that is gone is made again.
  await Deno.remove(join(out, arrays[2]!));
  assertStringIncludes(
    (await run(embedCommand, ...model, ...wanted)).err,
    `4 of ${COUNT} embedded`,
  );
  assertEquals((await floatsOf(join(out, arrays[2]!))).length, 4 * rows.length / COUNT);
  // Another form is another result, and is not skipped.
  assertEquals((await run(embedCommand, ...model, ...wanted, "--as", "csv")).code, 0);
  const more = Array.from(Deno.readDirSync(out), ({ name }) => name);
  assertEquals(more.filter((name) => name.endsWith(".csv")).length, 6);
  const merged = (name: string) => run(mergeCommand, "--manifest", parts, out, "--settings", name);
  for (const name of new Set(more.map((name) => name.split(".")[1]!))) {
    assertEquals((await merged(name)).code, 0);
    const all = () => run(mergeCommand, "--manifest", parts, out, "--settings", name, "--parquet");
    await assertRejects(all, UsageError, "Results of vgg16 embed stay in their parts");
  }
});

testParts(
  "an evaluation in parts gives the report of a whole one",
  async ({ set, parts, out, folder, model }) => {
    const wanted = ["--manifest", parts, "--out-dir", out, "--max-errors", "2"];
    const whole = await run(
      evaluateCommand,
      ...model,
      set,
      "--json",
      "--out-dir",
      join(folder, "whole"),
    );
    for (const share of ["2/2", "1/2"]) {
      assertEquals((await run(evaluateCommand, ...model, ...wanted, "--part", share)).code, 0);
    }
    assertEquals(Array.from(Deno.readDirSync(out)).length, 6);
    await Deno.remove(set, { recursive: true }); // What failed is not tried again, either.
    await Deno.mkdir(set);
    const last = await run(evaluateCommand, ...model, ...wanted, "--json");
    assertEquals([last.code, whole.code], [0, 1]); // Of parts the lines tell.
    const [one] = JSON.parse(whole.out).variants, [together] = JSON.parse(last.out).variants;
    for (const report of [one, together]) {
      delete report.imagesPerSecond;
      delete report.settings.data;
      for (const skipped of report.skipped) skipped.file = skipped.file.replace(`${set}/`, "");
    }
    assertEquals(together, one);
    assertEquals(together.failed, DAMAGED.length);
    const report = () => run(evaluateCommand, ...model, ...wanted, "--part", "1/2", "--json");
    await assertRejects(report, UsageError, "A part has no report");
  },
);

testParts(
  "an array of another run is not taken for the lines' own",
  async ({ set, parts, out, model, merge }) => {
    const embed = (...more: string[]) =>
      run(
        embedCommand,
        ...model,
        "--manifest",
        parts,
        "--out-dir",
        out,
        "--max-errors",
        "50%",
        ...more,
      );
    await embed();
    const [arrays, lines] = [/\.npy$/, /\.jsonl$/].map((ending) => () =>
      Array.from(Deno.readDirSync(out), ({ name }) => name).filter((name) => ending.test(name))
        .sort()
    ) as [() => string[], () => string[]];
    const before = arrays(),
      [firstLines] = lines(),
      old = await Deno.readTextFile(join(out, firstLines!));
    // A picture that is gone makes a row of NaN.
    await Deno.remove(join(set, labels[0]!, "00.png"));
    await embed("--force", "--part", "1/6");
    const [added, ...others] = arrays().filter((name) => !before.includes(name));
    assertEquals([others.length, arrays().length], [0, 7]);
    assertStringIncludes(await Deno.readTextFile(join(out, firstLines!)), `"beside":"${added}"`);
    // A run that was killed in between has left the lines that it had, and these their array.
    await Deno.writeTextFile(join(out, firstLines!), old);
    assertEquals((await merge()).code, 0);
    await Deno.remove(join(out, before[0]!));
    const gone = await merge();
    assertEquals(gone.code, 1);
    assertStringIncludes(gone.err, "part 1 is missing");
    assertStringIncludes((await embed()).err, "3 of 23 embedded");
    assertEquals((await merge()).code, 0);
  },
);

testParts(
  "two runs that divide into one folder give no manifest, or one run's",
  async ({ folder, set, parts }) => {
    const whole = await filesIn(parts), other = join(folder, "other");
    await Deno.copyFile(join(set, labels[0]!, "00.png"), join(set, "first.png"));
    await run(manifestCommand, set, "--out-dir", other, "--part-size", "4");
    for (const name of Object.keys(await filesIn(other))) {
      if (name === "manifest.json") continue;
      await Deno.copyFile(join(other, name), join(parts, name));
      const manifest = await Manifest.open(parts), number = Number(/\d+/.exec(name)![0]);
      await assertRejects(() => manifest.part(number), UsageError, "part-");
      await Deno.writeTextFile(join(parts, name), whole[name]!);
      await manifest.part(number);
    }
  },
);

testParts(
  "results whose first line or order somebody changed are refused",
  async ({ out, classify, merge }) => {
    await classify();
    const [, second] = Object.keys(await filesIn(out)),
      path = join(out, second!),
      text = await Deno.readTextFile(path);
    const [head, one, two, ...more] = text.split("\n");
    const changes: [string, string][] = [
      [text.replace(/"sha256":"../, '"sha256":"00'), "has other settings than its name says"],
      [[head, two, one, ...more].join("\n"), "has its lines in another order"],
      [text.replace('"part":2', '"part":3'), "holds results of other pictures"],
    ];
    for (const [changed, message] of changes) {
      await Deno.writeTextFile(path, changed);
      await assertRejects(() => merge(), UsageError, message);
    }
    await Deno.writeTextFile(path, text.replace(/"version":"[^"]*"/, '"version":"0.0.9"'));
    const versions = await merge();
    assertEquals(versions.code, 0);
    assertMatch(versions.err, /warning: parts were done by several versions: \S+, 0\.0\.9/);
    // What a disk has torn is no result.
    await Deno.writeTextFile(path, "");
    assertStringIncludes((await merge()).err, "part 2 is missing");
    assertStringIncludes((await classify()).err, "3 of 23 classified");
    assertEquals(await Deno.readTextFile(path), text);
  },
);

testParts(
  "where everything fails nothing is done, however few there are",
  async ({ folder, out, model }) => {
    const list = join(folder, "gone.txt"), parts = join(folder, "gone");
    await Deno.writeTextFile(
      list,
      Array.from({ length: 90 }, (_, n) => `gone/${n}.jpg`).join("\n"),
    );
    await run(manifestCommand, list, "--out-dir", parts);
    const { code, err } = await run(
      classifyCommand,
      ...model,
      "--manifest",
      parts,
      "--out-dir",
      out,
    );
    assertEquals([code, Object.keys(await filesIn(out))], [65, []]);
    assertStringIncludes(err, "10 of the 90 pictures of part 1 have failed");
  },
);

testParts("merge tells what is missing, doubled and foreign, and writes nothing then", async (
  { parts, out, folder, classify, merge },
) => {
  await classify();
  const whole = await filesIn(out), all = join(folder, "all.jsonl");
  const whole4 = Object.keys(whole)[3]!,
    text = whole[whole4]!,
    [head, first, second, ...more] = text.split("\n");
  const idOf = (line: string) => JSON.parse(line).id;
  const changes: [string[], RegExp][] = [
    [[head!, second!, ...more], new RegExp(`^missing: ${idOf(first!)}$`, "m")],
    [[head!, first!, first!, second!, ...more], new RegExp(`^doubled: ${idOf(first!)}$`, "m")],
    [[head!, '{"id":"other.png","predictions":[]}', second!, ...more], /^in no part: other\.png$/m],
  ];
  for (const [lines, message] of changes) {
    await Deno.writeTextFile(join(out, whole4), lines.join("\n"));
    const { code, out: found, err } = await merge("--out", all);
    assertEquals(code, 1);
    assertMatch(found, message);
    assertStringIncludes(err, "The set is not whole");
    await assertRejects(() => Deno.stat(all), Deno.errors.NotFound);
  }
  await Deno.writeTextFile(join(out, whole4), text.slice(0, -3));
  await assertRejects(() => merge(), UsageError, "is cut off");
  await Deno.writeTextFile(join(out, whole4), text.replace('"id"', '"name"'));
  await assertRejects(() => merge(), UsageError, "line 2: expected what came of a picture");
  for (const gone of [1, 3, 4]) {
    await Deno.remove(join(out, Object.keys(whole)[gone]!)).catch(() => {});
  }
  const missing = await merge();
  assertMatch(missing.err, /parts 2,4-5 are missing/);
  assertEquals(JSON.parse((await merge("--json")).out).missingParts, [2, 4, 5]);
  // What it advises does them.
  for (const part of [2, 4, 5]) assertEquals((await classify("--part", `${part}/6`)).code, 0);
  assertEquals(await filesIn(out), whole);
  assertEquals((await merge("--out", all)).code, 0);
  const [, ...rows] = linesOf(await Deno.readTextFile(all)),
    { pictures } = await Manifest.open(parts);
  assertEquals(rows.length, pictures);
  await assertRejects(() => merge("--out", all), UsageError, "exists");
  assertEquals((await merge("--out", all, "--force")).code, 0);
});

testParts(
  "all results are written as lines, as columns and as Parquet",
  async ({ out, folder, classify, merge }) => {
    await classify();
    const lines = Object.values(await filesIn(out)).flatMap((text) => linesOf(text).slice(1));
    const [jsonl, csv, tsv] = ["a.jsonl", "a.csv", "a.tsv"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [jsonl, csv, tsv]) assertEquals((await merge("--out", path)).code, 0);
    const [head, ...rows] = linesOf(await Deno.readTextFile(jsonl));
    assertEquals([head.program, head.part, head.list], ["vgg16 classify", undefined, undefined]);
    assertEquals(rows, lines);
    const expected = lines.map(({ id, predictions, error }) =>
      error === undefined
        ? [id, predictions[0].label, `${predictions[0].score}`, ""]
        : [id, "", "", error.message]
    );
    const columns = (await Deno.readTextFile(tsv)).trimEnd().split(/\r?\n/).map((line) =>
      line.split("\t")
    );
    assertEquals(columns.map((cells) => cells.slice(0, 3)), [
      ["id", "label", "score"],
      ...expected.map((row) => row.slice(0, 3)),
    ]);
    assertEquals((await Deno.readTextFile(csv)).trimEnd().split(/\r?\n/).length, COUNT + 1);
    assertEquals((await merge("--parquet")).code, 0);
    const bytes = await Deno.readFile(join(out, "all.parquet"));
    assertEquals(new TextDecoder().decode(bytes.subarray(0, 4)), "PAR1");
    assertNotEquals(bytes.length, 8);
    await assertRejects(
      () => merge("--out", join(folder, "a.xlsx")),
      UsageError,
      "--out needs a file ending in",
    );
    await assertRejects(() => merge("--out", csv, "--parquet"), UsageError, "exclude each other");
  },
);

testParts("a list of what would be done does nothing", async ({ out, classify }) => {
  const dry = await classify("--dry-run");
  assertEquals([dry.code, dry.out.match(/part-\d+\.[0-9a-f]+\.jsonl/g)?.length], [0, 6]);
  await assertRejects(() => Deno.stat(out), Deno.errors.NotFound);
  await classify("--part", "2/6");
  const left = await classify("--dry-run");
  assertEquals(left.out.match(/part-\d+/g), [1, 3, 4, 5, 6].map((n) => `part-00000${n}`));
});

testParts("options of parts and of pictures do not mix", async ({ parts, out, set, model }) => {
  const wanted = ["--manifest", parts, "--out-dir", out];
  const wrong: [Command, string[], string][] = [
    [classifyCommand as unknown as Command, [...wanted, set], "stands instead of pictures"],
    [classifyCommand as unknown as Command, ["--manifest", parts], "needs --out-dir"],
    [classifyCommand as unknown as Command, [...wanted, "--json"], "--manifest and --json exclude"],
    [
      classifyCommand as unknown as Command,
      [...wanted, "--shard", "1/2"],
      "--manifest and --shard",
    ],
    [classifyCommand as unknown as Command, [set, "--part", "1/2"], "--part is for the parts"],
    [classifyCommand as unknown as Command, [set, "--out-dir", out], "--out-dir is for the parts"],
    [classifyCommand as unknown as Command, [...wanted, "--part", "7/6"], "--part needs I/N"],
    [
      embedCommand as unknown as Command,
      [...wanted, "--out", "x.npy"],
      "--manifest and --out exclude",
    ],
    [embedCommand as unknown as Command, [set, "--as", "csv"], "--as is for the parts"],
    [
      evaluateCommand as unknown as Command,
      [...wanted, "--compare", "center"],
      "--manifest and --compare",
    ],
    [
      evaluateCommand as unknown as Command,
      [set, "--max-errors", "1"],
      "--max-errors is for the parts",
    ],
  ];
  for (const [command, args, message] of wrong) {
    await assertRejects(() => run(command, ...model, ...args), UsageError, message);
  }
  await assertRejects(() => Deno.stat(out), Deno.errors.NotFound);
});

testParts(
  "merge replaces nothing that it reads, and takes no other lines for results",
  async ({ parts, out, classify, merge }) => {
    await classify();
    const [first] = Object.keys(await filesIn(out)),
      path = join(out, first!),
      text = await Deno.readTextFile(path);
    for (const read of [join(parts, "part-000001.jsonl"), path]) {
      await assertRejects(() => merge("--out", read, "--force"), UsageError, "would be replaced");
    }
    for (
      const line of [
        '{"id":"x"}',
        '{"id":"x","predictions":5}',
        '{"id":"x","predictions":[{"label":"a"}]}',
      ]
    ) {
      await Deno.writeTextFile(path, text.replace(/\n.*\n/, `\n${line}\n`));
      await assertRejects(() => merge(), UsageError, "line 2: expected what came of a picture");
    }
  },
);

testParts(
  "a wrong label, or a missing one, is told before anything is looked at",
  async ({ folder, out, model }) => {
    const list = join(folder, "list.csv"), parts = join(folder, "labels");
    const evaluate = () => run(evaluateCommand, ...model, "--manifest", parts, "--out-dir", out);
    for (
      const [text, message] of [
        ["path,label\na.png,a\nb.png,zebra\n", "b.png has label zebra"],
        [
          "path,label\na/a.png,a\nb/b.png,\n",
          "Some pictures have a label, and b/b.png is one of the others",
        ],
        ["path\na.png\n", "a.png has no label"],
      ] as const
    ) {
      await Deno.writeTextFile(list, text);
      await run(manifestCommand, list, "--out-dir", parts, "--part-size", "1", "--force");
      await assertRejects(evaluate, UsageError, message);
      await assertRejects(() => Deno.stat(out), Deno.errors.NotFound);
    }
  },
);
