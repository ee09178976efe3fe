/** `doctor`: what it says with all permissions, with some, and with none. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { openModel } from "../../lib/model/file.ts";
import { VERSION } from "../../lib/version.ts";
import { type Run, runCli, type RunOptions } from "../support/run_cli.ts";

const TINY_FILE = fromFileUrl(
  new URL("../../weights/small/vgg16-tiny-imagenet.safetensors", import.meta.url),
);
const CHECKPOINT = fromFileUrl(new URL("../fixtures/checkpoints/zip_b_grey.pth", import.meta.url));
const TINY = ["--model", "vgg16-tiny-imagenet", "--backend", "wasm"];

/** Runs it, with a cache of its own. */
async function doctor(
  args: readonly string[],
  options: RunOptions = {},
  prepare: (cache: string) => Promise<void> = async () => {},
): Promise<Run> {
  const cache = await Deno.makeTempDir();
  try {
    await prepare(cache);
    return await runCli(["doctor", ...args], {
      ...options,
      env: { VGG16_CACHE_DIR: cache, ...options.env },
    });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** The lines of each name; lines that go on belong to the one before. */
function rowsOf(stdout: string): Map<string, string> {
  const rows = new Map<string, string>();
  let last = "";
  for (const line of stdout.split("\n")) {
    const name = line.slice(0, 14).trim();
    if (name !== "") last = name;
    rows.set(last, `${rows.get(last) ?? ""} ${line.slice(14)}`.trim());
  }
  return rows;
}

Deno.test("doctor says all that decides how pictures are classified", async () => {
  const { code, stdout, stderr } = await doctor(TINY, { env: { VGG16_KEYS: "secret" } });
  assertEquals([code, stderr], [0, ""]);
  const rows = rowsOf(stdout);
  assertEquals([...rows.keys()].slice(0, -1), [
    ...["vgg16", "deno", "webgpu", "webassembly", "threads", "cache", "environment"],
    ...["--allow-read", "--allow-write", "--allow-net", "--allow-env", "--allow-sys"],
    ...["model", "model sha256", "picture"],
  ]);
  assertEquals(rows.get("vgg16"), VERSION);
  assertStringIncludes(rows.get("deno")!, `${Deno.version.deno}, V8 ${Deno.version.v8}`);
  assertMatch(rows.get("webgpu")!, /^not used: ./);
  assertMatch(rows.get("webassembly")!, /^(relaxed|plain) SIMD$/);
  assertMatch(rows.get("cache")!, /empty, can be written$/);
  assertEquals(rows.get("--allow-net"), "all");
  const { sha256 } = await openModel(TINY_FILE);
  assertEquals(rows.get("model sha256"), sha256);
  assertMatch(rows.get("picture")!, /^[\d.]+ ms for 256x256 pixels, wasm int8$/);
  assert(stdout.endsWith("\nPictures can be classified.\n"));
  // Its name alone.
  assertMatch(rows.get("environment")!, /^VGG16_CACHE_DIR=\S+ VGG16_KEYS NO_COLOR$/);
  assert(!stdout.includes("secret"));
  const words = stdout.split("\n").filter((line) => line.slice(14).includes(" "));
  for (const line of words) assert(line.length <= 80, line);
});

Deno.test("doctor --json is one document with the documented keys", async () => {
  const { code, stdout } = await doctor([...TINY, "--threads", "1", "--json"], {}, (cache) => {
    return Deno.writeTextFile(join(cache, "webgpu_tuning.json"), "{}");
  });
  assertEquals(code, 0);
  const found = JSON.parse(stdout);
  const page = await Deno.readTextFile(new URL("../../docs/entries/cli.md", import.meta.url));
  const documented = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)];
  for (const [key, value] of Object.entries<Record<string, unknown>>(found)) {
    const [row, , text = ""] = documented.find(([, name]) => name === key) ?? [];
    assert(row !== undefined, key);
    if (key === "environment" || typeof value !== "object") continue;
    for (const part of Object.keys(value)) assertStringIncludes(text, `\`${part}\``, key);
  }
  assertEquals([found.ok, found.model.id, found.picture.threads], [true, "vgg16-tiny-imagenet", 1]);
  assertEquals([found.cache.files, found.cache.isWritable, found.cache.problem], [1, true, null]);
  assertEquals(found.cache.contents[0].kind, "kernel times");
  assertEquals(found.permissions.read, { state: "all", of: [] });
});

Deno.test("doctor without a permission says so in its line, and fails only for want of a model", async () => {
  const none = await doctor(TINY, { permissions: [] });
  assertEquals([none.code, none.stderr], [1, ""]);
  const rows = rowsOf(none.stdout);
  for (const name of ["read", "write", "net", "env", "sys"]) {
    assertEquals(rows.get(`--allow-${name}`), "none");
  }
  assertMatch(rows.get("cache")!, /^not known: it takes --allow-env/);
  assertMatch(rows.get("model")!, /may not be read: no --allow-read=/);
  assertEquals(rows.get("picture"), "not tried, for want of a model");
  assert(none.stdout.endsWith("\nPictures cannot be classified.\n"));

  for (const name of ["my-own", "./my-own.safetensors", "vgg19-imagenet"]) {
    const { code, stdout } = await doctor(["--model", name], { permissions: [] });
    assertEquals(code, 1);
    assertMatch(rowsOf(stdout).get("model")!, /may not be read: no --allow-read=|not known/, name);
  }

  // The embedded model comes with the code.
  const own = await doctor(["--backend", "wasm", "--json"], { permissions: [] });
  const found = JSON.parse(own.stdout);
  assertEquals([own.code, found.ok, found.model.isEmbedded], [0, true, true]);
  assertMatch(found.model.file, /\/weights\/vgg16-imagenet200\.wasm$/);

  const permissions = [
    ...[`--allow-read=${TINY_FILE}`, "--allow-net=huggingface.co", "--allow-env=VGG16_THREADS"],
  ];
  const some = await doctor(TINY, { permissions, env: { VGG16_THREADS: "2" } });
  assertEquals([some.code, some.stderr], [0, ""]);
  const held = rowsOf(some.stdout);
  assertEquals(held.get("--allow-read"), `some: ${TINY_FILE}`);
  assertEquals(held.get("--allow-net"), "some: huggingface.co");
  assertEquals(held.get("--allow-env"), "some: VGG16_THREADS");
  assertEquals(held.get("environment"), "VGG16_THREADS=2, as far as it may be read");
});

Deno.test("doctor says why a cache or a model cannot be used", async () => {
  const cases: [args: string[], row: string, said: RegExp][] = [
    [["--cache-dir", "/none/such"], "cache", /^\/none\/such is not there yet$/],
    [["--cache-dir", TINY_FILE], "cache", /is no folder$/],
    [
      ["--model", "vgg19-imagenet"],
      "model",
      /^vgg19-imagenet: is not here: .* pull vgg19-imagenet$/,
    ],
    [["--model", CHECKPOINT], "model", /zip_b_grey.pth/],
    [["--model", "vgg16-imagenett"], "model", /did you mean vgg16-imagenet/i],
  ];
  for (const [args, row, said] of cases) {
    const { code, stdout, stderr } = await doctor([...row === "cache" ? TINY : [], ...args]);
    assertEquals([code, stderr], [row === "cache" ? 0 : 1, ""]);
    assertMatch(rowsOf(stdout).get(row)!, said);
  }
  assertEquals((await doctor(["cat.jpg"])).code, 2);
});

Deno.test("doctor says what is missing where nothing says where the cache is", async () => {
  const { stdout } = await doctor([...TINY, "--threads", "1"], {
    env: { VGG16_CACHE_DIR: "", HOME: "" },
  });
  assertMatch(
    rowsOf(stdout).get("cache")!,
    /^not known: it takes a variable HOME or VGG16_CACHE_DIR to find it/,
  );
});
