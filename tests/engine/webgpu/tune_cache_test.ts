import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  KERNEL_TIMES,
  readTimes,
  type Times,
  writeTimes,
} from "../../../lib/engine/webgpu/tuning/tune_cache.ts";

const TIMES: Times = { "3x3 8-8 32x32": { "buffer 4x4": 1.5, "texture 8x8": 2 } };

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("times are kept for each adapter, and none is another's", () =>
  withFolder(async (folder) => {
    assertEquals(await readTimes(folder, "one"), {});
    const others = { "dense 1x1 8-8": { "buffer 1x1": 3 } };
    await writeTimes(folder, "one", TIMES);
    await writeTimes(folder, "two", others);
    assertEquals(await readTimes(folder, "one"), TIMES);
    assertEquals(await readTimes(folder, "two"), others);
    assertEquals(await readTimes(folder, "three"), {});
  }));

Deno.test("a candidate that a device refused stays the slowest", () =>
  withFolder(async (folder) => {
    await writeTimes(folder, "one", { workload: { refused: Infinity, slow: 1e300 } });
    const { refused, slow } = (await readTimes(folder, "one")).workload!;
    assertEquals([slow, refused! > slow!], [1e300, true]);
  }));

Deno.test("times of other kernels, or of no kernels, are as if they were not there", () =>
  withFolder(async (folder) => {
    const path = join(folder, KERNEL_TIMES);
    await writeTimes(folder, "one", TIMES);
    const file = JSON.parse(await Deno.readTextFile(path));
    const wrong = [
      ...[file.version - 1, file.version + 1, `${file.version}`, undefined].map((version) => ({
        ...file,
        version,
      })),
      ...[null, [], 5].map((adapters) => ({ ...file, adapters })),
      ...[null, 5, { a: 1 }, { a: { b: "1" } }, { a: { b: -1 } }, { a: null }].map((one) => ({
        ...file,
        adapters: { one },
      })),
      ...[null, [], "times"],
    ];
    for (const damaged of wrong) {
      await Deno.writeTextFile(path, JSON.stringify(damaged));
      assertEquals(await readTimes(folder, "one"), {}, JSON.stringify(damaged));
    }
    await Deno.writeTextFile(path, JSON.stringify(file));
    assertEquals(await readTimes(folder, "one"), TIMES);
  }));
