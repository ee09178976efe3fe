/** `models`: what the cache holds, where it is, and what is removed of it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { CATALOG } from "../../lib/model/catalog.ts";
import { type Run, runCli } from "../support/run_cli.ts";

const TINY = fromFileUrl(
  new URL("../../weights/small/vgg16-tiny-imagenet.safetensors", import.meta.url),
);
const PART = 1_500_000;

/** A cache with something of each kind, and what is not this program's. */
async function withCache(
  use: (folder: string, models: (...args: string[]) => Promise<Run>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const write = (name: string, bytes: Uint8Array): Promise<void> =>
    Deno.writeFile(join(folder, name), bytes);
  try {
    await Deno.mkdir(join(folder, "search"));
    for (const id of ["vgg16-imagenet", "hf--someone--pets--main", "my-own"]) {
      await Deno.copyFile(TINY, join(folder, `${id}.safetensors`));
    }
    await write("vgg16-torchvision.safetensors.part", new Uint8Array(PART));
    await write("vgg16-torchvision.safetensors.part.json", new TextEncoder().encode("{}"));
    await write("webgpu_tuning.json", new TextEncoder().encode("{}"));
    await write("search/photos-0123456789ab.safetensors", new Uint8Array(10));
    await write("search/mine.safetensors", new Uint8Array(10));
    await write("vgg16-imagenet.lock", new Uint8Array());
    await write("notes.txt", new Uint8Array(1));
    await use(folder, (...args) => runCli(["models", ...args, "--cache-dir", folder]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder));
  return names.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
}

Deno.test("models ends with what the cache holds, of each kind", () =>
  withCache(async (folder, models) => {
    for (const word of [[], ["list"], ["ls"]]) {
      const { code, stdout, stderr } = await models(...word);
      assertEquals([code, stderr], [0, ""]);
      const lines = stdout.trimEnd().split("\n");
      assertEquals(lines.length, CATALOG.length + 7);
      assertEquals(lines.filter((line) => line.startsWith("*")).length, 4);
      assertStringIncludes(stdout, `\nCache: ${folder}, 5 files, `);
      assertStringIncludes(stdout, "\n  model of vgg16-imagenet, 6.0 MB\n");
      assertMatch(stdout, /\n {2}partial download of vgg16-torchvision, 1.5 MB of 553.4 MB\n/);
      assertMatch(stdout, /\n {2}kernel times, webgpu_tuning.json, 1 kB\n/);
      // What only lies beside them.
      assert(!/my-own|notes|lock/.test(stdout), stdout);
    }
  }));

Deno.test("models --json is one document", () =>
  withCache(async (folder, models) => {
    const { stdout } = await models("--json");
    const { cache, models: list } = JSON.parse(stdout);
    assertEquals(Object.keys(cache), ["path", "files", "bytes", "contents"]);
    assertEquals([cache.path, cache.files], [folder, 5]);
    assertEquals(cache.contents.map(({ kind }: { kind: string }) => kind), [
      ...["model", "model", "partial download", "kernel times", "picture index"],
    ]);
    const part = cache.contents[2];
    assertEquals([part.model, part.size, part.total], ["vgg16-torchvision", PART, 553433881]);
    assertEquals(list.map(({ id }: { id: string }) => id), CATALOG.map(({ id }) => id));
    assertEquals(list[3].here, true);
  }));

Deno.test("models path prints the folder, or a model's file if it is here", () =>
  withCache(async (folder, models) => {
    assertEquals(await models("path"), { code: 0, stdout: `${folder}\n`, stderr: "" });
    const file = join(folder, "vgg16-imagenet.safetensors");
    assertEquals((await models("path", "vgg16-imagenet")).stdout, `${file}\n`);
    const pets = join(folder, "hf--someone--pets--main.safetensors");
    assertEquals((await models("path", "hf:someone/pets")).stdout, `${pets}\n`);
    assertEquals((await models("path", "vgg16-tiny-imagenet")).stdout, `${TINY}\n`);
    const away = await models("path", "vgg19-imagenet");
    assertEquals([away.code, away.stdout], [1, ""]);
    assertMatch(away.stderr, /^error: vgg19-imagenet is not here. To download it: .*pull vgg19-/);
    const caffe = await models("path", "vgg16-machrisaa");
    assertEquals(caffe.code, 1);
  }));

Deno.test("models remove takes a model, what a pull left, or all; nothing that is somebody else's", () =>
  withCache(async (folder, models) => {
    const part = await models("rm", "vgg16-torchvision");
    assertEquals(
      part.stdout,
      "Removed: partial download of vgg16-torchvision, 1.5 MB of 553.4 MB\n",
    );
    assertEquals(
      (await models("remove", "vgg16-torchvision")).stdout,
      "vgg16-torchvision was not here\n",
    );
    const own = await models("remove", "vgg16-imagenet200");
    assertEquals([own.code, own.stdout], [2, ""]);
    assertStringIncludes(own.stderr, "part of a package");

    const { code, stdout, stderr } = await models("remove", "--all");
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Removed: model of hf--someone--pets--main, 6.0 MB\n");
    assertMatch(stdout, /\n4 files, 12\.1 MB of /);
    assertEquals(await filesIn(join(folder, "search")), ["mine.safetensors"]);
    assertEquals((await filesIn(folder)).filter((name) => !name.endsWith(".lock")), [
      ...["my-own.safetensors", "notes.txt"],
    ]);
    assertEquals(
      (await models("remove", "--all")).stdout,
      `There was nothing to remove in ${folder}\n`,
    );
    assertStringIncludes((await models()).stdout, `\nCache: ${folder}, empty\n`);
  }));

Deno.test("models says what is wrong with its words, in words", () =>
  withCache(async (_, models) => {
    const wrong: [args: string[], message: RegExp][] = [
      [
        ["path", "vgg16-imagenett"],
        /no model vgg16-imagenett in the catalog: did you mean vgg16-imagenet\?/,
      ],
      [["remove", "resnet50"], /no model resnet50 in the catalog: .* models lists them/],
      [["info"], /needs the ID/],
      [["remove"], /needs the ID of a model, or --all/],
      [["remove", "--all", "vgg16-imagenet"], /an ID or --all/],
      [["--all"], /--all goes with models remove/],
      [["vgg16-imagenet"], /did you mean models info vgg16-imagenet\?/],
      [["path", "hf:someone"], /Expected hf:OWNER\/NAME/],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await models(...args);
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertMatch(stderr, message);
    }
  }));

Deno.test("models info tells about a model of the cache, of a repository, and a file", () =>
  withCache(async (folder, models) => {
    for (const name of ["vgg16-imagenet", "hf:someone/pets", join(folder, "my-own.safetensors")]) {
      const { stdout, stderr } = await models("info", name, "--json");
      assertEquals(stderr, "");
      const facts = JSON.parse(stdout);
      assertEquals([facts.classes, facts.architecture.configuration], [200, "D"]);
    }
    const { code, stdout } = await models("info", "vgg19-imagenet");
    assertEquals(code, 0);
    assertMatch(stdout, /\nIt is not here. To download it: .*pull vgg19-imagenet.\n/);
  }));

Deno.test("models tells of the catalog where nothing says where the cache is, and fails only without one", async () => {
  const env = { VGG16_CACHE_DIR: "", HOME: "" };
  const listed = await runCli(["models"], { env });
  assertEquals([listed.code, listed.stderr], [0, ""]);
  assertStringIncludes(
    listed.stdout,
    "\nCache: not known: set HOME or VGG16_CACHE_DIR, or give --cache-dir\n",
  );
  const { code, stdout } = await runCli(["models", "--json"], { env });
  const { cache, models } = JSON.parse(stdout);
  assertEquals([code, cache.path, models.length], [0, null, CATALOG.length]);
  const info = await runCli(["models", "info", "vgg16-torchvision"], { env });
  assertEquals(info.code, 0);
  assertStringIncludes(info.stdout, "\nIt is not here. ");
  const path = await runCli(["models", "path"], { env });
  assertEquals([path.code, path.stdout], [1, ""]);
  assertStringIncludes(path.stderr, "set VGG16_CACHE_DIR");
});
