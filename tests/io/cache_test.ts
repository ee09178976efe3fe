import { assertEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../../mod.ts";
import { defaultCacheDir, permittedCacheDir } from "../../lib/io/cache.ts";
import { gpuTest } from "../support/webgpu.ts";
import { CIFAR10 } from "../support/cifar10.ts";

/** A temporary folder that is the default one until it is disposed. */
async function defaultFolder() {
  const dir = await Deno.makeTempDir();
  const before = Deno.env.get("VGG16_CACHE_DIR");
  Deno.env.set("VGG16_CACHE_DIR", dir);
  return {
    dir,
    [Symbol.asyncDispose]: async () => {
      if (before === undefined) Deno.env.delete("VGG16_CACHE_DIR");
      else Deno.env.set("VGG16_CACHE_DIR", before);
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
  await using _classifier = await loadClassifier({ model: CIFAR10, backend: "webgpu" });
  const names = (await Array.fromAsync(Deno.readDir(folder.dir))).map(({ name }) => name);
  assertEquals(names, ["webgpu_tuning.json"]);
});

gpuTest('a classifier with tune: "off" keeps nothing', async () => {
  await using folder = await defaultFolder();
  await using _classifier = await loadClassifier({
    model: CIFAR10,
    backend: "webgpu",
    tune: "off",
  });
  assertEquals(await Array.fromAsync(Deno.readDir(folder.dir)), []);
});

Deno.test('tune is "auto" or "off"', async () => {
  const tune = "on" as "off";
  await assertRejects(() => loadClassifier({ tune }), RangeError, 'tune must be one of "auto"');
});

Deno.test("an old name of a variable is reported once with the new one, and has no effect", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `
      import { defaultCacheDir, permittedCacheDir } from "./lib/io/cache.ts";
      import { BASE_URL, readVariable } from "./lib/environment.ts";
      console.log(defaultCacheDir(), permittedCacheDir(), readVariable(BASE_URL));
      defaultCacheDir();
    `,
    ],
    cwd: new URL("../..", import.meta.url),
    clearEnv: true,
    env: {
      ...{ NO_COLOR: "1", HOME: "/home/someone" },
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      ...{ VGG_CACHE_DIR: "/old", VGG_MODEL_BASE_URL: "http://old" },
    },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(
    [code, out],
    [0, "/home/someone/.cache/edge-vgg16 /home/someone/.cache/edge-vgg16 undefined\n"],
  );
  assertEquals(
    errors,
    "VGG_CACHE_DIR has no effect: it is called VGG16_CACHE_DIR now\n" +
      "VGG_MODEL_BASE_URL has no effect: it is called VGG16_BASE_URL now\n",
  );
});
