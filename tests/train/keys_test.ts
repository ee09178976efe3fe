import { assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { hashOfData } from "../../lib/train/features.ts";
import { pictureKey } from "../../lib/train/keys.ts";

Deno.test("the hash of a fit's data is that of lines, of however many pictures", async () => {
  for (const count of [0, 3, 300_000]) {
    const fingerprints = Array.from({ length: count }, (_, n) => n.toString(16).padStart(64, "0"));
    const classes = fingerprints.map((_, n) => n % 7), hash = createHash("sha256");
    fingerprints.forEach((fingerprint, n) => hash.update(`${fingerprint} ${n % 7}\n`));
    assertEquals(await hashOfData(fingerprints, classes), hash.digest("hex"), `${count}`);
  }
});

Deno.test("a file is known by its path, its size and its time, each of them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const write = async (name: string, bytes: number, time: number): Promise<string> => {
    const file = join(folder, name);
    await Deno.writeFile(file, new Uint8Array(bytes));
    await Deno.utime(file, time, time);
    return (await pictureKey({ file }))!;
  };
  try {
    const key = await write("a.png", 10, 1e9);
    assertEquals(await write("a.png", 10, 1e9), key);
    const others = [
      await write("a.png", 11, 1e9),
      await write("a.png", 10, 1e9 + 1),
      await write("b.png", 10, 1e9),
    ];
    for (const other of others) assertNotEquals(other, key);
    assertEquals(new Set(others).size, 3);
    assertEquals(await pictureKey({ file: join(folder, "none.png") }), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
