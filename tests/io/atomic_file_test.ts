import { assertEquals, assertThrows } from "@std/assert";
import { AtomicFile } from "../../lib/io/atomic_file.ts";

const BYTES = new Uint8Array([1, 2, 3]);

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

Deno.test("a file has its name once it is committed, and not before", async () => {
  await withFolder(async (folder) => {
    using file = new AtomicFile(`${folder}/model`);
    file.write(0, BYTES);
    assertEquals((await namesIn(folder)).includes("model"), false);
    await file.commit();
    assertEquals(await namesIn(folder), ["model"]);
    assertEquals(await Deno.readFile(`${folder}/model`), BYTES);
  });
});

Deno.test("a file that is not committed leaves nothing", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/model`, BYTES);
    {
      using file = new AtomicFile(`${folder}/model`);
      file.write(0, new Uint8Array(10));
    }
    assertEquals(await namesIn(folder), ["model"]);
    assertEquals(await Deno.readFile(`${folder}/model`), BYTES);
  });
});

Deno.test("a file needs a folder", () => {
  assertThrows(() => new AtomicFile("none/model"), Deno.errors.NotFound, "folder does not exist");
});

Deno.test({
  name: "the bytes are on the disk before a file has its name, and the name before it is committed",
  ignore: Deno.build.os === "windows", // which opens no folders
  async fn() {
    const { sync, syncData } = Deno.FsFile.prototype;
    const { rename } = Deno;
    const calls: string[] = [];
    Deno.FsFile.prototype.syncData = function () {
      calls.push("sync file");
      return syncData.call(this);
    };
    Deno.FsFile.prototype.sync = async function () {
      calls.push(`sync ${(await this.stat()).isDirectory ? "folder" : "file"}`);
      return await sync.call(this);
    };
    Deno.rename = (from, to) => {
      calls.push("rename");
      return rename(from, to);
    };
    try {
      await withFolder(async (folder) => {
        using file = new AtomicFile(`${folder}/model`);
        file.write(0, BYTES);
        await file.commit();
      });
    } finally {
      Object.assign(Deno.FsFile.prototype, { sync, syncData });
      Deno.rename = rename;
    }
    assertEquals(calls, ["sync file", "rename", "sync folder"]);
  },
});
