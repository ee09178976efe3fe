import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { KnownImages, type Stamp, stampOf } from "../../lib/cli/known_images.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";

const SETTINGS = { program: "vgg16 test", model: "m" };
const HEAD = `${JSON.stringify(SETTINGS)}\n`;

/** Opens a file about images of which nothing but the name is known. */
const open = (path: string): Promise<KnownImages> => {
  const stamps = new Map(["a", "b", "c", "d", "ü"].map((file) => [file, {}]));
  return KnownImages.open(path, SETTINGS, stamps, { isReplaced: false });
};

Deno.test("a file of lines goes on after its last whole line", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, `${HEAD}{"file":"a"}\n{"file":"ü"}\n{"file":"c","half`);
  {
    using lines = await open(path);
    assertEquals([...lines.files], ["a", "ü"]);
    lines.append({ file: "d" });
  }
  assertEquals(await Deno.readTextFile(path), `${HEAD}{"file":"a"}\n{"file":"ü"}\n{"file":"d"}\n`);
  await Deno.writeTextFile(path, "something else\n");
  await assertRejects(() => open(path), UsageError, "something else");
  await Deno.remove(path);
});

Deno.test("a file that is not one of lines is refused, and stays what it is", async () => {
  const path = await Deno.makeTempFile();
  const picture = await Deno.readFile(new URL("../data/photos/cat.png", import.meta.url));
  const encode = (text: string) => new TextEncoder().encode(text);
  for (
    const bytes of [
      encode('[{"model":"vgg16-cifar10","top1":0.9}]'),
      encode('{"model":"vgg16-cifar10","top1":0.9}'),
      encode("Dear diary"),
      encode("x".repeat(3_000_000)),
      encode('{"file":"a"}\n'),
      encode(`${HEAD}and then`),
      encode(`${HEAD}{"file":1}\n`),
      picture,
      picture.filter((byte) => byte !== 10),
    ]
  ) {
    await Deno.writeFile(path, bytes);
    const error = await assertRejects(() => open(path), UsageError, path);
    assertStringIncludes(error.message, "Expected", error.message);
    // deno-lint-ignore no-control-regex -- a terminal obeys them
    assertEquals(/[\x00-\x1f]/.test(error.message), false);
    assertEquals(await Deno.readFile(path), bytes);
  }
  await Deno.remove(path);
});

Deno.test("a file of lines is one run's at a time", async () => {
  const path = await Deno.makeTempFile();
  {
    using _lines = await open(path);
    await assertRejects(() => open(path), Error, `Another run writes ${path}`);
  }
  (await open(path))[Symbol.dispose]();
  await Deno.remove(path);
});

/** Lets this process write so many more bytes before the disk is full; the last write comes half through. */
function fillDisk(bytes: number): Disposable {
  const { writeSync } = Deno.FsFile.prototype;
  let left = bytes;
  Deno.FsFile.prototype.writeSync = function (data) {
    if (left === 0) throw new Error("No space left on device (os error 28)");
    const count = writeSync.call(this, data.subarray(0, left));
    left -= count;
    return count;
  };
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.writeSync = writeSync) };
}

Deno.test("a disk that fills leaves whole lines", async () => {
  const path = await Deno.makeTempFile();
  {
    using lines = await open(path);
    lines.append({ file: "a" });
    using _full = fillDisk(5);
    assertThrows(() => lines.append({ file: "b" }), Error, `no space left for ${path}`);
  }
  assertEquals(await Deno.readTextFile(path), `${HEAD}{"file":"a"}\n`);
  await Deno.remove(path);
});

Deno.test("an address is known by a hash of all of it, and no secret of it is kept", async () => {
  const { place, ...rest } = await stampOf("https://example.com/a.png?key=secret");
  assertEquals(rest, {});
  assertMatch(place!, /^[0-9a-f]{16}$/);
  assertEquals((await stampOf("https://example.com/a.png?key=secret")).place, place);
  assertNotEquals((await stampOf("https://example.com/a.png?key=other")).place, place);
  assertEquals(await stampOf("-"), {});
});

Deno.test("an image of which several lines say the same is known once, whatever files they are in", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const files = [["a", "b", "a"], ["b", "c", "b"], ["c", "a"]].map((names, n) => {
      const path = `${folder}/${n}.jsonl`;
      const lines = names.map((file) => `${JSON.stringify({ file, from: n })}\n`);
      Deno.writeTextFileSync(path, HEAD + lines.join(""));
      return path;
    });
    const stamps = new Map(["a", "b", "c"].map((file) => [file, {}]));
    const [path, ...others] = files, taken: unknown[] = [];
    using known = await KnownImages.open(path!, SETTINGS, stamps, {
      ...{ isReplaced: false, others },
      take: ({ file, from }) => taken.push([file, from]) > 0,
    });
    assertEquals([...known.files], ["a", "b", "c"]);
    assertEquals(taken, [["a", 0], ["b", 0], ["c", 1]]);
    // The file's own line that says it again is left out; the others' are not touched.
    assertEquals(
      await Deno.readTextFile(path!),
      `${HEAD}{"file":"a","from":0}\n{"file":"b","from":0}\n`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a line is believed of an image that is what it was, and of no other", async () => {
  const path = await Deno.makeTempFile();
  try {
    const before = { size: 5, modified: "2026-01-01T00:00:00.000Z", place: "0a", label: 1 };
    const after: Record<string, Stamp> = {
      "as it was": before,
      "of another size": { ...before, size: 6 },
      "changed": { ...before, modified: "2026-01-02T00:00:00.000Z" },
      "elsewhere": { ...before, place: "0b" },
      "of another class": { ...before, label: 2 },
      "of no class": { size: 5, modified: before.modified, place: "0a" },
      "failed": before,
    };
    const lines = Object.keys(after).map((file) =>
      `${JSON.stringify({ file, ...before, ...file === "failed" && { error: "why" } })}\n`
    );
    await Deno.writeTextFile(path, HEAD + lines.join(""));
    const stamps = new Map(Object.entries(after));
    using known = await KnownImages.open(path, SETTINGS, stamps, { isReplaced: false });
    assertEquals([...known.files], ["as it was"]);
    assertEquals(await Deno.readTextFile(path), HEAD + lines[0]);
  } finally {
    await Deno.remove(path);
  }
});
