import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { concat } from "@std/bytes/concat";
import { parse } from "@std/csv";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { ROW_FORMATS } from "../../lib/cli/embedding_formats.ts";
import { openOutput } from "../../lib/cli/embedding_output.ts";
import { KnownImages, type Stamp } from "../../lib/cli/known_images.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import type { EmbeddingTable } from "../../lib/output/embedding_file.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { devTest } from "../support/dev_packages.ts";
import { blocksOf, commandsOf } from "../support/markdown.ts";
import { until } from "../support/serve_process.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const PHOTOS = join(ROOT, "tests/data/photos");
const CAT = join(PHOTOS, "cat.png"), BOATS = join(PHOTOS, "boats.jpg");
const DENO = ["run", "--quiet", "--no-prompt", "--no-check", "--allow-all"];
const CLI = [...DENO, join(ROOT, "cli.ts"), "embed", "--model", CIFAR10, "--backend", "wasm"];

function testIn(
  name: string,
  test: (folder: string) => Promise<void>,
  ignore: boolean = false,
): void {
  Deno.test(name, { ignore }, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await test(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Runs `embed`. Returns its exit code and what it said. */
async function embed(...args: string[]): Promise<{ code: number; stdout: string; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...CLI, ...args],
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
  }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, said: said! };
}

async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

/** Rows that are too long for two to be written at once; one has failed. */
const LENGTH = 150_000;
const FILES = ["a.png", "=1+1.png", 'c"\n,.png', "d.png"];
const valueOf = (row: number, n: number): number => Math.fround((row - 1.5) * n / 7);
const TABLE: EmbeddingTable = {
  settings: { program: "vgg16 embed", model: "m", layer: "pool5" },
  shape: [2, LENGTH / 2],
  files: FILES,
  errors: new Map([[1, { message: "-broken" }]]),
  read: (row, into) => into.forEach((_, n) => into[n] = valueOf(row, n)),
};

async function bytesOf(ending: string): Promise<Uint8Array<ArrayBuffer>> {
  const encode = await ROW_FORMATS.get(ending)!();
  const parts: Uint8Array[] = [];
  // Each is valid until the next.
  for (const part of encode(TABLE)) parts.push(part.slice());
  return concat(parts);
}

/** Holds float32 from a byte on to the table's, where the row that failed is NaN. */
function assertRows(bytes: Uint8Array<ArrayBuffer>, start: number): void {
  assertEquals(bytes.length, start + 4 * FILES.length * LENGTH);
  const floats = new Float32Array(bytes.buffer.slice(start));
  floats.forEach((value, at) => {
    const row = Math.floor(at / LENGTH), want = row === 1 ? NaN : valueOf(row, at % LENGTH);
    assert(Object.is(value, want), `row ${row}: ${value} instead of ${want}`);
  });
}

Deno.test("a table as .npy is what NEP 1 says, with NaN where an image failed", async () => {
  const bytes = await bytesOf(".npy");
  assertEquals([...bytes.subarray(0, 8)], [0x93, 78, 85, 77, 80, 89, 1, 0]);
  const start = 10 + new DataView(bytes.buffer).getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(10, start));
  assertEquals([start % 64, header.at(-1)], [0, "\n"]);
  assertStringIncludes(
    header,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2, 75000,), }",
  );
  assertRows(bytes, start);
});

Deno.test("a table as .safetensors has names, errors and settings in its metadata", async () => {
  const bytes = await bytesOf(".safetensors");
  const { metadata, tensors, dataStart } = await readSafetensorsHeader(new BytesSource(bytes));
  assertEquals(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })), [
    { name: "embeddings", dtype: "F32", shape: [4, 2, 75000] },
  ]);
  const { files, errors, ...settings } = metadata;
  assertEquals(settings, TABLE.settings);
  assertEquals(JSON.parse(files!), FILES);
  assertEquals(JSON.parse(errors!), [{ row: 1, file: FILES[1], error: { message: "-broken" } }]);
  assertRows(bytes, dataStart);
});

Deno.test("a table as .csv is one line a row, and nothing in it is a formula", async () => {
  const [head, ...rows]: string[][] = parse(new TextDecoder().decode(await bytesOf(".csv")));
  assertEquals(head!.slice(0, 4), ["file", "error", "v0", "v1"]);
  assertEquals(rows.map(([file]) => file), ["a.png", "'=1+1.png", 'c"\\u{a},.png', "d.png"]);
  assertEquals(rows.map(([, error]) => error), ["", "'-broken", "", ""]);
  for (const [row, [, , ...cells]] of rows.entries()) {
    assertEquals(cells.length, LENGTH);
    const isRight = row === 1
      ? cells.every((cell) => cell === "")
      : cells.every((cell, n) => Math.fround(Number(cell)) === Math.fround(valueOf(row, n)));
    assert(isRight, `row ${row}`);
  }
});

devTest("a table as .parquet is read by another library", {
  file: import.meta.url,
  packages: ["hyparquet"],
}, async (packages) => {
  const file = (await bytesOf(".parquet")).buffer;
  // deno-lint-ignore no-explicit-any -- the package is not downloaded for the type check
  const { parquetMetadata, parquetReadObjects } = packages["hyparquet"] as any;
  const { key_value_metadata: metadata } = parquetMetadata(file);
  assertEquals(
    Object.fromEntries(metadata.map(({ key, value }: Record<string, string>) => [key, value])),
    { ...TABLE.settings, shape: "[2,75000]" },
  );
  const rows: { file: string; error: string; embedding: number[] }[] = await parquetReadObjects({
    file,
  });
  assertEquals(rows.map(({ file }) => file), FILES);
  assertEquals(rows.map(({ error }) => error ?? ""), ["", "-broken", "", ""]);
  for (const [row, { embedding }] of rows.entries()) {
    if (row === 1) assertEquals(embedding ?? undefined, undefined);
    else assertEquals(embedding, Array.from({ length: LENGTH }, (_, n) => valueOf(row, n)));
  }
});

const SETTINGS = { program: "vgg16 embed", version: "1", sha256: "ab", layer: "fc7" };
const STAMPS: ReadonlyMap<string, Stamp> = new Map(
  ["a", "b", "c"].map((file, size) => [file, { size, modified: "2026-01-01T00:00:00.000Z" }]),
);
const keep = { isReplaced: false };

testIn("what other settings made is refused, and stays what it is", async (folder) => {
  const path = join(folder, "e.jsonl");
  {
    using lines = await KnownImages.open(path, SETTINGS, STAMPS, keep);
    lines.append({ file: "a" });
  }
  const before = await Deno.readTextFile(path);
  for (
    const [other, says] of [
      [{ ...SETTINGS, layer: "fc6" }, "layer fc7 instead of fc6"],
      [{ ...SETTINGS, sha256: "cd" }, "sha256 ab instead of cd"],
      [{ ...SETTINGS, backend: "wasm" }, "backend not set instead of wasm"],
    ] as const
  ) {
    const error = await assertRejects(
      () => KnownImages.open(path, other, STAMPS, keep),
      UsageError,
      says,
    );
    assertStringIncludes(error.message, "--force");
    assertEquals(await Deno.readTextFile(path), before);
  }
  {
    // Another version of the program may go on.
    using lines = await KnownImages.open(path, { ...SETTINGS, version: "2" }, STAMPS, keep);
    assertEquals([...lines.files], ["a"]);
  }
  for (const text of ['{"file":"a","data":[1]}\n', "Dear diary\n", '{"program":1}\n']) {
    await Deno.writeTextFile(path, text);
    await assertRejects(() => KnownImages.open(path, SETTINGS, STAMPS, keep), UsageError, path);
    assertEquals(await Deno.readTextFile(path), text);
  }
  using lines = await KnownImages.open(path, SETTINGS, STAMPS, { isReplaced: true });
  assertEquals([...lines.files], []);
  assertEquals(await linesOf(path), [SETTINGS]);
});

testIn(
  "lines of images that changed or failed are left out, all others stay, those of standard input too",
  async (folder) => {
    const path = join(folder, "e.jsonl"), kept = ["a", "f", "-", "of another run"];
    const modified = "2026-01-01T00:00:00.000Z", later = "2026-01-02T00:00:00.000Z";
    const files = ["a", "larger", "later", "f", "failed", "-"];
    const stamps = new Map<string, Stamp>(files.map((file) => [file, { size: 1, modified }]));
    {
      using lines = await KnownImages.open(path, SETTINGS, stamps, keep);
      // Together longer than what is read at a time.
      const data = "x".repeat(300_000);
      for (const file of [...files, "of another run"]) {
        lines.append({ file, data, ...file === "failed" && { error: { message: "no picture" } } });
      }
    }
    const before = await linesOf(path);
    stamps.set("larger", { size: 2, modified }).set("later", { size: 1, modified: later });
    stamps.set("d", {});
    {
      using lines = await KnownImages.open(path, SETTINGS, stamps, keep);
      assertEquals([...lines.files], ["a", "f"]);
      // Twice, as where two programs were given it.
      for (let n = 0; n < 2; n++) lines.append({ file: "d" });
    }
    (await KnownImages.open(path, SETTINGS, stamps, keep))[Symbol.dispose]();
    assertEquals(await linesOf(path), [
      SETTINGS,
      ...before.filter(({ file }) => kept.includes(String(file))),
      { file: "d" },
    ]);
    assertEquals(await namesIn(folder), ["e.jsonl"]);
  },
);

testIn(
  "rows are gone on with, in the order of the images, and those without their bytes are not",
  async (folder) => {
    const out = join(folder, "e.npy"), { signal } = new AbortController();
    const open = () => openOutput(out, SETTINGS, STAMPS, false);
    const embedding = (value: number) =>
      ({ layer: "fc7", shape: [2], data: Float32Array.of(value, -value) }) as const;
    {
      using output = await open();
      output.add("c", embedding(3));
      output.add("b", embedding(2));
      await assertRejects(open, Error, "Another run writes");
    }
    // The last row is cut off, as where a computer lost its power.
    await Deno.truncate(`${out}.part`, 12);
    {
      using output = await open();
      assertEquals([...output.done], ["c"]);
      output.add("a", embedding(1));
      output.addFailure({ file: "b", error: { retryable: false, message: "broken" } });
      await output.finish(["a", "b", "c", "a"], signal);
    }
    const bytes = (await Deno.readFile(out)).buffer;
    assertEquals([...new Float32Array(bytes.slice(128))], [1, -1, NaN, NaN, 3, -3, 1, -1]);
    assertEquals(await linesOf(join(folder, "e.names.jsonl")), [
      { row: 0, file: "a" },
      { row: 1, file: "b", error: { retryable: false, message: "broken" } },
      { row: 2, file: "c" },
      { row: 3, file: "a" },
    ]);
    assertEquals(await namesIn(folder), ["e.names.jsonl", "e.npy"]);
  },
);

testIn("rows that are refused leave nothing beside what is there", async (folder) => {
  const out = join(folder, "e.npy");
  await Deno.writeTextFile(`${out}.part.jsonl`, "Dear diary\n");
  await assertRejects(() => openOutput(out, SETTINGS, STAMPS, false), UsageError, "Dear diary");
  assertEquals(await namesIn(folder), ["e.npy.part.jsonl"]);
});

testIn("rows that a forged line names are none", async (folder) => {
  const out = join(folder, "e.npy"), { signal } = new AbortController();
  const open = () => openOutput(out, SETTINGS, STAMPS, false);
  const embedding = { layer: "fc7", shape: [2], data: Float32Array.of(1, 2) } as const;
  (await open())[Symbol.dispose]();
  const lines = await Deno.readTextFile(`${out}.part.jsonl`);
  const forged = [
    ...[-1, 0.5, "0", null, 1e300, 9].map((row) => ({ row, shape: [2] })),
    ...[undefined, 2, [-2], [1e300], [2 ** 40]].map((shape) => ({ row: 0, shape })),
  ];
  for (const line of forged) {
    await Deno.writeFile(`${out}.part`, new Uint8Array(16).fill(1));
    const own = { file: "a", ...STAMPS.get("a"), ...line };
    await Deno.writeTextFile(`${out}.part.jsonl`, `${lines}${JSON.stringify(own)}\n`);
    using output = await open();
    assertEquals([...output.done], [], JSON.stringify(line));
    output.add("a", embedding);
    await output.finish(["a"], signal);
    assertEquals([...new Float32Array((await Deno.readFile(out)).buffer.slice(128))], [1, 2]);
    await Deno.remove(out);
  }
  await Deno.writeTextFile(
    `${out}.part.jsonl`,
    '{"program":"vgg16 embed","model":{"toString":1}}\n',
  );
  await assertRejects(open, UsageError, 'model {"toString":1} instead of');
});

testIn("rows are not held in memory", async (folder) => {
  const program = `
    import { openOutput } from "./lib/cli/embedding_output.ts";
    const files = Array.from({ length: 30_000 }, (_, n) => \`\${n}.png\`);
    const stamps = new Map(files.map((file) => [file, {}]));
    const settings = { program: "vgg16 embed" };
    const before = Deno.memoryUsage().rss;
    using output = await openOutput(Deno.args[0], settings, stamps, false);
    const data = new Float32Array(1024).fill(1 / 3);
    for (const file of files) output.add(file, { layer: "fc7", shape: [1024], data });
    await output.finish(files, new AbortController().signal);
    const [, peak] = /VmHWM:\\s+(\\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"));
    console.log(1024 * peak - before);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", program, join(folder, "e.npy")],
    cwd: ROOT,
  }).output();
  const { size } = await Deno.stat(join(folder, "e.npy"));
  assertEquals(size, 128 + 30_000 * 4096, new TextDecoder().decode(stderr));
  const grown = Number(new TextDecoder().decode(stdout));
  assert(grown > 0 && grown < 0.8 * size, `${grown} bytes for a file of ${size}`);
  // Other systems have no such file to tell.
}, Deno.build.os !== "linux");

testIn("embed writes the same numbers in all formats, and replaces none", async (folder) => {
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });
  const wanted = { layer: "conv5_3", pooling: "avg", normalize: true } as const;
  const [cat, boats] = await Promise.all(
    [CAT, BOATS].map((file) => classifier.embed(file, wanted)),
  );
  const bad = join(folder, "bad.png");
  await Deno.writeTextFile(bad, "no picture");
  const options = ["--layer", "conv5_3", "--pooling", "avg", "--normalize", CAT, bad, BOATS, CAT];
  const printed = await embed(...options);
  assertEquals(printed.code, 1);
  assertMatch(printed.said, /bad\.png: Expected JPEG/);
  const [head, ...rows] = printed.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([head.program, head.layer, head.backend], ["vgg16 embed", "conv5_3", "wasm"]);
  assertEquals(rows.map(({ file }) => file), [CAT, bad, BOATS, CAT]);
  assertEquals([rows[0].data, rows[2].data], [[...cat!.data], [...boats!.data]]);
  assertEquals(rows[1].error.code, "image-format");

  const values = [cat!, undefined, boats!, cat!].flatMap((one) =>
    one === undefined ? Array.from(cat!.data, () => NaN) : [...one.data]
  );
  for (const ending of [...ROW_FORMATS.keys(), ".jsonl"]) {
    const out = join(folder, `E${ending.toUpperCase()}`);
    const { code, said, stdout } = await embed(...options, "--out", out);
    assertEquals([code, stdout], [1, ""], said);
    assertMatch(said, /bad\.png: Expected JPEG/);
    const bytes = (await Deno.readFile(out)).buffer;
    if (/npy|safetensors/.test(ending)) {
      assertEquals([...new Float32Array(bytes.slice(-4 * values.length))], values);
    }
    if (ending === ".jsonl") {
      const [settings, ...lines] = await linesOf(out);
      const { version: _, sha256, ...rest } = settings!;
      assertMatch(String(sha256), /^[0-9a-f]{64}$/);
      assertEquals(rest, {
        ...{ program: "vgg16 embed", model: CIFAR10, precision: "int8" },
        ...{ layer: "conv5_3", parts: "conv5_3 avg normalized" },
      });
      const known = lines.map(({ size: _, modified: __, place: ___, ...rest }) => rest);
      assertEquals(known, rows.slice(0, 3)); // What is given twice is done once.
    } else {
      const again = await embed(...options, "--out", out);
      assertEquals(again.code, 2);
      const [error, advice] = again.said.split("\n");
      assert(error!.startsWith(`error: ${out} exists`), error);
      assertMatch(advice!, /^Try: .* embed --help$/);
      assertEquals((await Deno.readFile(out)).buffer, bytes);
    }
  }
  assertEquals((await linesOf(join(folder, "E.names.jsonl"))).map(({ file }) => file), [
    ...[CAT, bad, BOATS, CAT],
  ]);
  const other = await embed(CAT, "--layer", "pool5", "--out", join(folder, "E.JSONL"));
  assertEquals(other.code, 2);
  assertMatch(
    other.said,
    /layer conv5_3 instead of pool5, parts conv5_3 avg normalized instead of pool5 none\)/,
  );
  const forced = await embed(CAT, "--layer", "prob", "--force", "--out", join(folder, "E.NPY"));
  assertEquals([forced.code, forced.said], [0, ""]);
  const bytes = (await Deno.readFile(join(folder, "E.NPY"))).buffer;
  assertEquals(bytes.byteLength, 128 + 4 * 10);
  await Deno.writeTextFile(join(folder, "other.csv.part"), "somebody else's");
  const foreign = await embed(CAT, "--out", join(folder, "other.csv"));
  assertMatch(foreign.said, /other\.csv\.part exists: name another output/);
  assertEquals(await Deno.readTextFile(join(folder, "other.csv.part")), "somebody else's");
  await Deno.remove(join(folder, "other.csv.part"));
  assertMatch((await embed(CAT, "--force")).said, /--force needs an output/);
  const wrong = await embed("--out", join(folder, "x.h5"), CAT);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.said, /\.jsonl, \.npy, \.safetensors, \.csv, \.parquet/);
  assertEquals((await namesIn(folder)).filter((name) => /part|tmp|h5/.test(name)), []);
});

testIn("embed looks again at an image that changed, and says so", async (folder) => {
  const out = join(folder, "e.jsonl"), one = join(folder, "one.png"), two = join(folder, "two.png");
  await Deno.copyFile(CAT, one);
  await Deno.copyFile(BOATS, two);
  const options = ["--pooling", "avg", "--layer", "pool5", folder, "--out", out];
  assertEquals((await embed(...options)).code, 0);
  const [, first, second] = await linesOf(out);
  await Deno.copyFile(BOATS, one);
  const { code, said } = await embed(...options);
  assertEquals(code, 0);
  assertStringIncludes(said, `Changed since, and done again: ${one}\n1 of 2 embedded in `);
  const [, kept, again, ...more] = await linesOf(out);
  assertEquals([kept, again!.file, again!.data, more], [second, one, second!.data, []]);
  assert(String(again!.data) !== String(first!.data));
});

testIn(
  "embed that is stopped keeps its rows, and ends with the bytes of one that is not",
  async (folder) => {
    const pictures = join(folder, "pictures");
    await Deno.mkdir(pictures);
    for (let n = 0; n < 100; n++) await Deno.symlink(CAT, join(pictures, `${n}.png`));
    const [out, whole] = ["e.npy", "whole.npy"].map((name) => join(folder, name));
    const child = new Deno.Command(Deno.execPath(), {
      args: [...CLI, pictures, "--out", out!],
      env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
      stderr: "piped",
    }).spawn();
    const lines = (): Promise<string> => Deno.readTextFile(`${out}.part.jsonl`).catch(() => "");
    await until(async () => (await lines()).split("\n").length > 5);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    const said = new TextDecoder().decode(stderr);
    assertEquals(code, 130, said);
    const [, done] = /^Stopped after (\d+) of 100: run the same command to go on$/m.exec(said)!;
    assert(Number(done) >= 4 && Number(done) < 100, said);
    assertEquals(await namesIn(folder), ["e.npy.part", "e.npy.part.jsonl", "pictures"]);
    const other = await embed(pictures, "--out", out!, "--layer", "pool5");
    assertEquals(other.code, 2, other.said);
    assertEquals((await lines()).split("\n").length, 2 + Number(done));

    assertEquals((await embed(pictures, "--out", out!)).code, 0);
    assertEquals((await embed(pictures, "--out", whole!)).code, 0);
    assertEquals(await Deno.readFile(out!), await Deno.readFile(whole!));
  },
);

testIn("a row that is not what was written is computed again", async (folder) => {
  const out = join(folder, "e.npy"), settings = { program: "vgg16 embed" };
  const stamps = new Map(["a", "b"].map((file) => [file, {}]));
  const embedding = (value: number) => ({
    layer: "pool5" as const,
    shape: [3],
    data: new Float32Array(3).fill(value),
  });
  const open = () => openOutput(out, settings, stamps, false);
  {
    using output = await open();
    output.add("a", embedding(1));
    output.add("b", embedding(2));
  }
  const rows = await Deno.readFile(`${out}.part`);
  for (
    const [bytes, left] of [
      [rows, ["a", "b"]],
      [rows.map((byte, at) => at < 12 ? 0 : byte), ["b"]],
      [rows.subarray(0, 20), ["a"]],
      [rows.with(23, 1), ["a"]],
    ] as const
  ) {
    const lines = await Deno.readTextFile(`${out}.part.jsonl`);
    await Deno.writeFile(`${out}.part`, bytes);
    {
      using output = await open();
      assertEquals([...output.done], left as readonly string[] as string[]);
    }
    await Deno.writeTextFile(`${out}.part.jsonl`, lines);
  }
});

testIn("the page of the command line shows what embed writes", async (folder) => {
  const page = await Deno.readTextFile(join(ROOT, "docs/entries/cli.md"));
  const block = blocksOf(page).find(({ kind, text }) => kind === "sh" && text.includes("embed"))!;
  const commands = commandsOf(block.text);
  assertEquals(commands.length, 2);
  for (const { command, shown } of commands) {
    const { stdout } = await new Deno.Command("sh", {
      args: [
        "-c",
        command.replace(/^deno run/, `"${Deno.execPath()}" run --no-prompt`)
          .replaceAll("vectors", folder),
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(new TextDecoder().decode(stdout).trimEnd(), shown);
  }
});
