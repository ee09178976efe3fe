import { assert, assertEquals, assertRejects } from "@std/assert";
import { isVggError } from "../../lib/errors.ts";
import { type IndexKey, readIndex, writeIndex } from "../../lib/search/index_file.ts";
import { Pictures } from "../../lib/search/pictures.ts";
import { CIFAR10_FILE } from "../support/cifar10.ts";

const KEY: IndexKey = {
  ...{ model: "a model", network: "00ff", precision: "int8" },
};
const LENGTHS = { look: 20, meaning: 3 };

function somePictures(count: number, lengths = LENGTHS): Pictures {
  const pictures = new Pictures(lengths);
  for (let n = 0; n < count; n++) {
    const look = Int8Array.from({ length: lengths.look }, (_, i) => n * 31 + i * 17);
    const meaning = Int8Array.from({ length: lengths.meaning }, (_, i) => n + i);
    const modifiedMs = n === 1 ? undefined : 1000.5 + n;
    const about = { name: `ü${n}\n.jpg`, width: n + 1, height: 2, bytes: n, modifiedMs };
    const layout = { parts: new Uint8Array(256).fill(n), plain: 1 / (n + 5) };
    pictures.put(about, { look, meaning, certainty: 1 / (n + 3), content: n / 7, layout });
  }
  return pictures;
}

/** A test with a file of its own. */
function testWith(name: string, fn: (path: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await fn(`${folder}/pictures.safetensors`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const read = (path: string, key = KEY) => readIndex(path, key, LENGTHS);

async function codeOf(path: string, key?: IndexKey): Promise<string> {
  const error = await assertRejects(() => read(path, key));
  assert(isVggError(error), String(error));
  assert(error.message.includes(path), error.message);
  return error.code;
}

testWith("an index that was written is read as it was", async (path) => {
  assertEquals(await read(path), undefined);
  // More rows than are written at a time, none, and vectors without values.
  for (const [count, meaning] of [[1100, 3], [0, 3], [5, 0]] as const) {
    const lengths = { ...LENGTHS, meaning };
    const written = somePictures(count, lengths);
    await writeIndex(path, KEY, written);
    const found = (await readIndex(path, KEY, lengths))!;
    assertEquals(found.count, count);
    for (let n = 0; n < count; n++) {
      const { modifiedMs, ...rest } = written.at(n);
      assertEquals(found.describe(n), written.describe(n));
      assertEquals(found.at(n), modifiedMs === undefined ? rest : { ...rest, modifiedMs });
    }
  }
  const { size } = await Deno.stat(path);
  assertEquals([...Deno.readDirSync(path.replace(/[^/]*$/, ""))].length, 1, `${size} bytes alone`);
});

testWith("wherever an index is cut off or changed, it is refused", async (path) => {
  await writeIndex(path, KEY, somePictures(3));
  const whole = await Deno.readFile(path);
  for (let length = 0; length < whole.length; length += 7) {
    await Deno.writeFile(path, whole.subarray(0, length));
    const code = await codeOf(path);
    assert(code === "index-format" || code === "index-damaged", code);
  }
  for (let at = 0; at < whole.length; at++) {
    const changed = whole.slice();
    changed[at]! ^= 1;
    await Deno.writeFile(path, changed);
    const code = await codeOf(path);
    // A key that has changed is another key.
    assert(/^index-(format|damaged|other)$/.test(code), code);
  }
});

testWith("vectors of another key are never read", async (path) => {
  await writeIndex(path, KEY, somePictures(2));
  for (const name of ["network", "precision"] as const) {
    assertEquals(await codeOf(path, { ...KEY, [name]: "another" }), "index-other", name);
  }
  const error = await assertRejects(() => readIndex(path, KEY, { look: 20, meaning: 4 }));
  assert(isVggError(error, "index-damaged"), String(error));
  assertEquals((await read(path, { ...KEY, model: "another name" }))!.count, 2);
});

testWith("other files are no indexes", async (path) => {
  await Deno.copyFile(CIFAR10_FILE, path);
  assertEquals(await codeOf(path), "index-format");
  await Deno.copyFile(new URL("../data/photos/boats.jpg", import.meta.url), path);
  assertEquals(await codeOf(path), "index-format");
  await Deno.writeTextFile(path, "");
  assertEquals(await codeOf(path), "index-format");
  await Deno.remove(path);
  await Deno.mkdir(path);
  assertEquals(await codeOf(path), "index-format");
});

testWith("a pipe is no index, and nobody waits for its writer", async (path) => {
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(success);
  assertEquals(await codeOf(path), "index-format");
});
