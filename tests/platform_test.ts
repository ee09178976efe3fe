import { assertEquals, assertThrows } from "@std/assert";
import * as platform from "../lib/platform.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("an open file is read and written anywhere", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/file`;
    assertThrows(() => new platform.OpenFile(path), platform.NotFound);
    {
      using file = new platform.OpenFile(path, "new");
      file.write(3, new Uint8Array([1, 2]));
      file.write(0, new Uint8Array([9]));
      await file.sync();
      assertEquals(file.describe().size, 5);
      const bytes = new Uint8Array(8);
      assertEquals(file.read(2, bytes), 3);
      assertEquals(bytes, new Uint8Array([0, 1, 2, 0, 0, 0, 0, 0]));
      assertEquals(file.read(7, bytes), 0);
    }
    assertThrows(() => new platform.OpenFile(path, "new"), Deno.errors.AlreadyExists);
    using file = new platform.OpenFile(path, "change");
    file.truncate(4);
    assertEquals(await platform.readBytes(path), new Uint8Array([9, 0, 0, 1]));
  });
});

Deno.test("a lock ends when its file is closed", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/lock`;
    const first = new platform.OpenFile(path, "change");
    using second = new platform.OpenFile(path, "change");
    assertEquals(await first.tryLock(), true);
    assertEquals(await second.tryLock(), false);
    first.close();
    assertEquals(await second.tryLock(), true);
  });
});

Deno.test("files are added to, moved, described, listed and removed", async () => {
  await withFolder(async (folder) => {
    await platform.makeFolder(`${folder}/a/b`);
    await platform.makeFolder(`${folder}/a/b`);
    {
      using draft = new platform.OpenFile(`${folder}/draft`, "new");
      draft.append(new TextEncoder().encode("one\n"));
      draft.append(new TextEncoder().encode("two\n"));
    }
    await platform.move(`${folder}/draft`, `${folder}/a/text`);
    assertEquals(await platform.readText(`${folder}/a/text`), "one\ntwo\n");
    const { isFile, isFolder, size, modifiedMs } = await platform.describePath(`${folder}/a/text`);
    assertEquals([isFile, isFolder, size], [true, false, 8]);
    assertEquals(modifiedMs, (await Deno.stat(`${folder}/a/text`)).mtime?.getTime());
    const entries = (await Array.fromAsync(platform.listFolder(`${folder}/a`))).toSorted((x, y) =>
      x.name < y.name ? -1 : 1
    );
    assertEquals(entries, [
      { name: "b", isFile: false, isFolder: true, isLink: false },
      { name: "text", isFile: true, isFolder: false, isLink: false },
    ]);
    await platform.remove(`${folder}/a/text`);
    assertEquals((await Array.fromAsync(platform.listFolder(`${folder}/a`))).length, 1);
  });
});

Deno.test({
  name: "a permission is looked up and never asked for",
  permissions: { env: ["HOME"], read: ["/tmp"] },
  fn: () => {
    const { isGranted } = platform;
    assertEquals(isGranted({ name: "env", variable: "HOME" }), true);
    assertEquals(isGranted({ name: "env" }), false);
    assertEquals(isGranted({ name: "read", path: "/tmp/file" }), true);
    assertEquals(isGranted({ name: "write", path: "/tmp/file" }), false);
  },
});
