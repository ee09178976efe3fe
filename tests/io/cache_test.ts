import { assertEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../../mod.ts";
import { defaultCacheDir, permittedCacheDir } from "../../lib/io/cache.ts";
import { gpuTest } from "../support/webgpu.ts";

/** A temporary folder that is the default one until it is disposed. */
async function defaultFolder() {
  const dir = await Deno.makeTempDir();
  const before = Deno.env.get("VGG_CACHE_DIR");
  Deno.env.set("VGG_CACHE_DIR", dir);
  return {
    dir,
    [Symbol.asyncDispose]: async () => {
      if (before === undefined) Deno.env.delete("VGG_CACHE_DIR");
      else Deno.env.set("VGG_CACHE_DIR", before);
      await Deno.remove(dir, { recursive: true });
    },
  };
}

Deno.test("the default folder is used by a program that may read and write it", async () => {
  await using folder = await defaultFolder();
  assertEquals(defaultCacheDir(), folder.dir);
  assertEquals(permittedCacheDir(), folder.dir);
});

for (
  const [missing, permissions] of Object.entries({
    "read the environment": { env: ["HOME"], read: true, write: true },
    "read files": { env: true, read: false, write: true },
    "write files": { env: true, read: true, write: false },
  })
) {
  Deno.test({
    name: `a program that may not ${missing} has no default folder, and is not asked`,
    permissions: permissions as Deno.PermissionOptions,
    fn: () => assertEquals(permittedCacheDir(), undefined),
  });
}

gpuTest("a classifier on WebGPU keeps what it tried in the default folder", async () => {
  await using folder = await defaultFolder();
  await using _classifier = await loadClassifier({ backend: "webgpu" });
  const names = (await Array.fromAsync(Deno.readDir(folder.dir))).map(({ name }) => name);
  assertEquals(names, ["webgpu_tuning.json"]);
});

gpuTest('a classifier with tune: "off" keeps nothing', async () => {
  await using folder = await defaultFolder();
  await using _classifier = await loadClassifier({ backend: "webgpu", tune: "off" });
  assertEquals(await Array.fromAsync(Deno.readDir(folder.dir)), []);
});

Deno.test('tune is "auto" or "off"', async () => {
  const tune = "on" as "off";
  await assertRejects(() => loadClassifier({ tune }), RangeError, 'tune must be one of "auto"');
});
