import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { COLOR_BINS } from "../../lib/train/baselines.ts";
import { FeatureFile } from "../../lib/train/feature_file.ts";
import type { Known, PictureRecord } from "../../lib/train/feature_store.ts";

const LENGTH = 2, RECORD = 3 * 32 + 4 * (LENGTH + COLOR_BINS);
const keyOf = (n: number): string => n.toString(16).padStart(64, "0");

/** What a picture gave; its numbers tell it from others. */
function pictureOf(n: number): PictureRecord {
  return {
    key: keyOf(n),
    found: {
      fingerprint: keyOf(100 + n),
      features: Float32Array.of(n, n + 0.5),
      colors: new Float32Array(COLOR_BINS).fill(n),
    },
  };
}

const BROKEN = { reason: "it is damaged", code: "image-damaged" } as const;

/** A test with a directory of its own. */
function testIn(
  name: string,
  test: (path: string, open: () => FeatureFile) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    try {
      await test(join(folder, "features-key.bin"), () => new FeatureFile(folder, "key", LENGTH));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Which pictures a file knows, with all that it says of them. */
function check(file: FeatureFile, found: readonly (Known | undefined)[], expected: unknown): void {
  const numbers = found.map((known) => {
    if (known === undefined || "reason" in known) return known;
    const row = new Float32Array(LENGTH), [n] = known.colors;
    file.read(known.row, row);
    assertEquals([known.fingerprint, ...row], [keyOf(100 + n!), n, n! + 0.5]);
    file.read(known.row, row.subarray(1), 1);
    assertEquals(row[1], n! + 0.5);
    return n;
  });
  assertEquals(numbers, expected);
}

testIn(
  "a file of features knows whole pictures by their keys, in any order",
  async (path, open) => {
    const all = [1, 2, 3, 4].map(keyOf);
    {
      using file = open();
      assertEquals(await file.load(all), [undefined, undefined, undefined, undefined]);
      await file.append([pictureOf(1), { key: keyOf(2), found: BROKEN }, pictureOf(3)]);
      // Nobody can ask again for what has no key.
      const [unnamed] = await file.append([{ ...pictureOf(9), key: undefined }]);
      check(file, [unnamed], [9]);
    }
    // Cut off as it was written.
    await Deno.writeFile(path, new Uint8Array(RECORD - 3), { append: true });
    using file = open();
    check(file, await file.load(all), [1, BROKEN, 3, undefined]);
    assertEquals((await Deno.stat(path)).size, 4 * RECORD);
    check(file, await file.load([3, 4, 1].map(keyOf)), [3, undefined, 1]);
    check(file, await file.append([pictureOf(4)]), [4]);
    check(file, await file.load([4, 2].map(keyOf)), [4, BROKEN]);
  },
);

testIn(
  "what a bit of the disk has changed is computed again, and nothing else",
  async (path, open) => {
    const keys = [1, 2, 3].map(keyOf);
    // Of the hash, the key, the fingerprint, and the values.
    for (const at of [0, 40, 70, 100, RECORD - 1]) {
      {
        using file = open();
        await file.append([1, 2, 3].map(pictureOf));
      }
      const bytes = await Deno.readFile(path);
      bytes[RECORD + at]! ^= 4;
      await Deno.writeFile(path, bytes);
      using file = open();
      check(file, await file.load(keys), [1, undefined, 3]);
      await file.append([pictureOf(2)]);
      check(file, await file.load(keys), [1, 2, 3]);
      await Deno.remove(path);
    }
  },
);

testIn(
  "a file whose pictures change from run to run does not grow without end",
  async (path, open) => {
    for (let run = 0; run < 20; run++) {
      using file = open();
      const wanted = Array.from({ length: 10 }, (_, n) => 3 * run + n);
      const found = await file.load(wanted.map(keyOf));
      const missing = wanted.filter((_, n) => found[n] === undefined);
      assertEquals(missing.length, run === 0 ? 10 : 3);
      await file.append(missing.map(pictureOf));
      check(file, await file.load(wanted.map(keyOf)), wanted);
      assert((await Deno.stat(path)).size <= 24 * RECORD);
      const names = [...Deno.readDirSync(join(path, ".."))].map(({ name }) => name);
      assertEquals(names, ["features-key.bin"]);
    }
    // What is known stays where it is as long as half of it is of use.
    using file = open();
    const { ino } = await Deno.stat(path);
    await file.load(Array.from({ length: 10 }, (_, n) => keyOf(57 + n)));
    assertEquals((await Deno.stat(path)).ino, ino);
    // Who knows less than half goes on with that alone.
    check(file, await file.load([60, 61].map(keyOf)), [60, 61]);
    assertEquals((await Deno.stat(path)).size, 2 * RECORD);
  },
);
