import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { FeatureFile } from "../../lib/train/feature_file.ts";
import { COLOR_BINS } from "../../lib/train/baselines.ts";
import { recordFile } from "../../lib/train/records.ts";

const SIZE = 1000, RECORD = 32 + SIZE;
const recordOf = (n: number): Uint8Array => new Uint8Array(SIZE).fill(n);

/** A test with a folder of its own. */
function testIn(name: string, test: (folder: string, path: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    try {
      await test(folder, join(folder, "maps-key.bin"));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Opens a folder's records, and tells those that are believed, whole and in part. */
async function recordsIn(folder: string): Promise<number[]> {
  using file = await recordFile(folder, "key", SIZE);
  return Array.from({ length: file.count }, (_, n) => {
    const whole = new Uint8Array(SIZE), part = new Uint8Array(9);
    file.read(n, 0, whole);
    file.read(n, SIZE - 9, part);
    assertEquals([whole, part], [recordOf(whole[0]!), recordOf(whole[0]!).subarray(0, 9)]);
    return whole[0]!;
  });
}

/** Adds records to those of a folder. */
async function add(folder: string, ...numbers: number[]): Promise<void> {
  using file = await recordFile(folder, "key", SIZE);
  await file.append(numbers.map(recordOf));
}

testIn("records are there again, one that is cut off is not", async (folder, path) => {
  assertEquals(await recordsIn(folder), []);
  await add(folder, 1, 2, 3);
  await add(folder, 4);
  assertEquals(await recordsIn(folder), [1, 2, 3, 4]);
  await Deno.truncate(path, 4 * RECORD - 1);
  assertEquals(await recordsIn(folder), [1, 2, 3]);
  await add(folder, 5, 6);
  assertEquals(await recordsIn(folder), [1, 2, 3, 5, 6]);
});

testIn("from a damaged record on they are computed again", async (folder, path) => {
  // In the hash, and in the bytes; zeros are what a disk keeps of what it did not write.
  for (const damage of [0, 31, 32, RECORD - 1, "zeros"] as const) {
    await add(folder, 1, 2, 3, 4);
    const bytes = await Deno.readFile(path);
    if (damage === "zeros") bytes.fill(0, 2 * RECORD, 3 * RECORD);
    else bytes[2 * RECORD + damage]! ^= 16;
    await Deno.writeFile(path, bytes);
    assertEquals(await recordsIn(folder), [1, 2], `${damage}`);
    await add(folder, 7, 8);
    assertEquals(await recordsIn(folder), [1, 2, 7, 8]);
    await Deno.remove(path);
  }
});

testIn(
  "a record that another program cut off is an error, and no other one's",
  async (folder, path) => {
    await add(folder, 1, 2);
    using file = await recordFile(folder, "key", SIZE);
    const record = new Uint8Array(SIZE);
    file.read(0, 0, record);
    await Deno.truncate(path, 2 * RECORD - 1);
    assertThrows(() => file.read(1, 0, record), Error, "is shorter than what was written");
    await Deno.truncate(path, RECORD);
    assertThrows(() => file.read(1, 0, record), Error, path);
  },
);

testIn("the check of records ends as soon as it is aborted", async (folder) => {
  await add(folder, 1);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => recordFile(folder, "key", SIZE, signal), Error, "enough");
});

testIn(
  "features that another program cut off are an error, and no other picture's",
  async (folder) => {
    using file = new FeatureFile(folder, "key", 2);
    const pictures = [1, 2, 3].map((n) => ({
      key: `${n}`.repeat(64),
      found: {
        fingerprint: "ab".repeat(32),
        features: Float32Array.of(n, n),
        colors: new Float32Array(COLOR_BINS),
      },
    }));
    await file.append(pictures);
    const path = join(folder, "features-key.bin"), { size } = await Deno.stat(path);
    await Deno.truncate(path, size - 1);
    const keys = pictures.map(({ key }) => key);
    await assertRejects(() => file.load(keys), Error, "is shorter than what was written");
    await Deno.truncate(path, size / 3 * 2);
    // Of the third not even its key is there: the buffer has nothing of it.
    await assertRejects(() => file.load(keys.slice(0, 1)), Error, path);
  },
);

testIn("a record counts once the disk has it, and no sooner", async (folder) => {
  const { syncData } = Deno.FsFile.prototype;
  using file = await recordFile(folder, "key", SIZE);
  const failure = new Error("the disk fails");
  Deno.FsFile.prototype.syncData = () => Promise.reject(failure);
  try {
    assertEquals(await assertRejects(() => file.append([recordOf(1)])), failure);
  } finally {
    Deno.FsFile.prototype.syncData = syncData;
  }
  assertEquals(file.count, 0);
});
