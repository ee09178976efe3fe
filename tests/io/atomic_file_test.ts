import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
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
    using file = await AtomicFile.create(`${folder}/model`);
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
      using file = await AtomicFile.create(`${folder}/model`);
      file.write(0, new Uint8Array(10));
    }
    assertEquals(await namesIn(folder), ["model"]);
    assertEquals(await Deno.readFile(`${folder}/model`), BYTES);
  });
});

Deno.test("a file may have as long a name as the disk takes", async () => {
  await withFolder(async (folder) => {
    for (const name of ["x".repeat(255), "ä".repeat(127), "𝄞".repeat(63)]) {
      using file = await AtomicFile.create(`${folder}/${name}`);
      file.write(0, BYTES);
      await file.commit();
      assertEquals(await Deno.readFile(`${folder}/${name}`), BYTES);
    }
  });
});

Deno.test("a file needs a folder", async () => {
  const creating = AtomicFile.create("none/model");
  await assertRejects(() => creating, Deno.errors.NotFound, "folder does not exist");
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
        using file = await AtomicFile.create(`${folder}/model`);
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

/** Begins a file in a process of its own, and waits until it is there. */
async function begin(folder: string): Promise<Deno.ChildProcess> {
  const script = fromFileUrl(new URL("draft_process.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", script, folder],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}

async function kill(child: Deno.ChildProcess, signal: Deno.Signal): Promise<void> {
  child.kill(signal);
  await child.stdin.abort().catch(() => {});
  await child.status;
}

const isDraft = (name: string): boolean => /^model\.vgg16-[0-9a-f]{8}\.tmp$/.test(name);

Deno.test("what a killed process left is removed by the next, what a living one writes is not", async () => {
  await withFolder(async (folder) => {
    const living = await begin(folder);
    const [own] = await namesIn(folder);
    assert(isDraft(own!), own);
    const killed = await begin(folder);
    await kill(killed, "SIGKILL");
    assertEquals((await namesIn(folder)).filter(isDraft).length, 2);

    const next = await begin(folder);
    const names = await namesIn(folder);
    assertEquals(names.filter(isDraft).length, 2, "those of the two that live");
    assert(names.includes(own!));
    for (const child of [living, next]) {
      const writer = child.stdin.getWriter();
      await writer.write(new Uint8Array(1)); // Lets it commit.
      await writer.close();
      assertEquals((await child.status).code, 0);
    }
    assertEquals(await namesIn(folder), ["model"]);
  });
});

Deno.test("only a draft is taken for a leftover", async () => {
  const others = [
    "model.tmp",
    "model.0123abcd.tmp",
    "model.vgg16-0123abcd.tmp.pth",
    "vgg16-0123abcd",
  ];
  await withFolder(async (folder) => {
    for (const name of others) await Deno.writeFile(`${folder}/${name}`, BYTES);
    await Deno.mkdir(`${folder}/folder.vgg16-0123abcd.tmp`);
    await Deno.writeFile(`${folder}/anything.vgg16-0123abcd.tmp`, BYTES);
    await kill(await begin(folder), "SIGKILL");
    const left = (await namesIn(folder)).filter((name) => !isDraft(name)).sort();
    assertEquals(left, [...others, "folder.vgg16-0123abcd.tmp"].sort());
  });
});
