/** What Node and Bun are given for Deno's functions, held to Deno's: the same calls, the same results and errors. */

import * as fs from "node:fs";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { dirname } from "@std/path";
import { nodeSystem } from "../../lib/system/node.ts";
import { type System, system as deno } from "../../lib/system/system.ts";
import { webSystem } from "../../lib/system/web.ts";

const node = nodeSystem(fs);

/** What a call gives, or the name of its error. */
async function outcome(work: () => unknown): Promise<unknown> {
  try {
    return await work() ?? undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.name;
  }
}

/** What a system says of a folder, in which it works alone. */
async function journal(system: System): Promise<unknown[]> {
  const folder = await Deno.makeTempDir(),
    path = `${folder}/file`,
    at = (name: string) => `${folder}/${name}`;
  try {
    const said: unknown[] = [];
    const note = async (work: () => unknown): Promise<void> => void said.push(await outcome(work));
    await note(() => system.readFile(path, {}));
    await note(() => system.statSync(path));
    await note(() => system.openSync(path, { read: true }));
    using file = system.openSync(path, { read: true, write: true, createNew: true });
    await note(() => system.openSync(path, { write: true, createNew: true }));
    await note(() => [file.seekSync(3, 0), file.writeSync(new Uint8Array([1, 2, 3]))]);
    await note(() => [file.seekSync(2, 0), file.readSync(new Uint8Array(2))]);
    await note(() => [file.seekSync(6, 0), file.readSync(new Uint8Array(2))]);
    await note(() => file.truncateSync(5));
    await note(() => Promise.all([file.syncData(), file.sync()]));
    await note(() => file.statSync().size);
    await note(() => system.readFile(path, {}));
    await note(() => system.link(path, at("second")));
    await note(() => system.link(path, at("second")));
    await note(
      () => [system.statSync(path).nlink, system.statSync(path).ino === file.statSync().ino],
    );
    await note(() => system.rename(at("second"), at("third")));
    await note(() => system.mkdir(at("deep/folder"), { recursive: true }));
    await note(() => system.mkdir(at("deep/folder"), { recursive: true }));
    await note(() => system.mkdir(path, { recursive: true }));
    await note(() => system.mkdir(at("file/below/it"), { recursive: true }));
    await note(() => system.mkdir("/proc/none/below/it", { recursive: true }));
    await note(() => Deno.symlink(path, at("link")));
    await note(async () => (await system.lstat(at("link"))).isSymlink);
    await note(async () => (await system.realPath(at("link"))).endsWith("/file"));
    await note(async () => (await Array.fromAsync(system.readDir(folder))).map(shown).sort());
    await note(() => [...system.readDirSync(folder)].map(shown).sort());
    await note(() => Array.fromAsync(system.readDir(at("none"))));
    await note(() => system.readFile(folder, {}));
    await note(() => system.stat(at("file/below")));
    await note(async () => await new Response((await system.open(path)).readable).bytes());
    await note(() => system.remove(at("third")));
    await note(() => system.removeSync(at("third")));
    const temporary = system.makeTempFileSync({ dir: folder, prefix: "a-", suffix: ".tmp" });
    said.push(/\/a-[^/]+\.tmp$/.test(temporary), system.statSync(temporary).size);
    return said;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const shown = ({ name, isFile, isDirectory, isSymlink }: Deno.DirEntry): string =>
  `${name} ${isFile} ${isDirectory} ${isSymlink}`;

Deno.test("files by Node's modules are as by Deno, and so are their errors", async () => {
  const [expected, found] = [await journal(deno), await journal(node)];
  assertEquals(found, expected);
  assert(expected.length > 25);
});

Deno.test("a lock keeps others out, is given back, and that of a process that is gone is taken over", async () => {
  const folder = await Deno.makeTempDir(), path = `${folder}/locked`;
  const open = () => node.openSync(path, { read: true, write: true, create: true });
  try {
    const first = open(), second = open();
    assertEquals([await first.tryLock(true), await second.tryLock(true)], [true, false]);
    first.close();
    assertEquals(await second.tryLock(true), true);
    second.close();
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["locked"]);
    const gone = new Deno.Command("true").spawn();
    await gone.status;
    await Deno.writeTextFile(`${path}.pid`, String(gone.pid));
    using third = open();
    assertEquals(await third.tryLock(true), true);
    await Deno.writeTextFile(`${path}.pid`, "1"); // Of another user, or at least alive.
    using fourth = open();
    assertEquals(await fourth.tryLock(true), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Does something with a path and what opens it, in a folder of its own. */
async function withLocked(
  work: (path: string, open: () => ReturnType<System["openSync"]>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir(), path = `${folder}/locked`;
  try {
    await work(path, () => node.openSync(path, { read: true, write: true, create: true }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "a lock of a process whose number another has got is taken over",
  ignore: Deno.build.os !== "linux", // Others do not tell when a process has started.
  fn: () =>
    withLocked(async (path, open) => {
      using first = open();
      assertEquals(await first.tryLock(true), true);
      const own = await Deno.readTextFile(`${path}.pid`);
      assertMatch(own, new RegExp(`^${Deno.pid} [0-9a-f-]+:[0-9]+ `));
      // As a container has it, whose program has the same number each time.
      await Deno.writeTextFile(`${path}.pid`, own.replace(/:[0-9]+ /, ":1 "));
      using second = open();
      assertEquals(await second.tryLock(true), true);
      using third = open();
      assertEquals(await third.tryLock(true), false);
    }),
});

Deno.test("a lock that was left as it was made is taken over, and one that is being made is not", () =>
  withLocked(async (path, open) => {
    for (const left of [`${path}.pid`, `${path}.pid.removing`]) {
      await Deno.writeTextFile(`${path}.pid`, "");
      await Deno.writeTextFile(left, "");
      using file = open();
      assertEquals(await file.tryLock(true), false, left);
      const long = new Date(Date.now() - 60_000);
      await Deno.utime(`${path}.pid`, long, long);
      await Deno.utime(left, long, long);
      // What was left of taking one over goes first.
      assertEquals(await file.tryLock(true) || await file.tryLock(true), true, left);
    }
  }));

Deno.test("a lock that may not be read is held", () =>
  withLocked(async (path, open) => {
    await Deno.writeTextFile(`${path}.pid`, "");
    const forbidden = nodeSystem(
      {
        ...fs,
        readFileSync(): never {
          throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
        },
      } as typeof fs,
    );
    const long = new Date(Date.now() - 60_000);
    await Deno.utime(`${path}.pid`, long, long);
    using other = forbidden.openSync(path, { read: true, write: true, create: true });
    assertEquals(await other.tryLock(true), false);
    using file = open();
    assertEquals(await file.tryLock(true), true, "as it may be read, it was left");
  }));

Deno.test("a lock that is given back twice is not the next one's", () =>
  withLocked(async (_, open) => {
    const first = open();
    assertEquals(await first.tryLock(true), true);
    first.close();
    using second = open();
    assertEquals(await second.tryLock(true), true);
    first.close();
    using third = open();
    assertEquals(await third.tryLock(true), false);
  }));

for (const moment of ["writeFileSync", "rmSync"] as const) {
  Deno.test(`of two that take over a lock one gets it, though the other comes before ${moment}()`, () =>
    withLocked(async (path, open) => {
      const gone = new Deno.Command("true").spawn();
      await gone.status;
      await Deno.writeTextFile(`${path}.pid`, String(gone.pid));
      using other = open();
      let others: Promise<boolean> | undefined, calls = 0;
      // The other one does all of it where this one, which has found who is gone, is about to go on.
      const slow = nodeSystem({
        ...fs,
        [moment](...args: unknown[]) {
          const isNext = moment === "rmSync" || calls++ === 1;
          if (isNext) others ??= other.tryLock(true);
          return Reflect.apply(fs[moment], fs, args);
        },
      });
      using file = slow.openSync(path, { read: true, write: true });
      const mine = await file.tryLock(true);
      assertEquals([mine, await others].filter(Boolean).length, 1);
    }));
}

Deno.test("a lock that does not fit on the disk leaves nothing", () =>
  withLocked(async (path) => {
    const full = nodeSystem(
      {
        ...fs,
        writeFileSync(place: string, _: string, options: fs.WriteFileOptions) {
          fs.writeFileSync(place, "", options);
          throw Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
        },
      } as typeof fs,
    );
    using file = full.openSync(path, { read: true, write: true, create: true });
    await assertRejects(async () => await file.tryLock(true), Error, "no space left");
    assertEquals(Array.from(Deno.readDirSync(dirname(path)), ({ name }) => name), ["locked"]);
  }));

Deno.test("an abort has the signal's own reason", async () => {
  const reason = new Error("enough"), signal = AbortSignal.abort(reason);
  const path = new URL(import.meta.url);
  await assertRejects(() => node.readFile(path, { signal }), Error, "enough");
  await assertRejects(() => node.readTextFile(path, { signal }), Error, "enough");
  assertEquals(await node.readTextFile(path, {}), await Deno.readTextFile(path));
});

Deno.test("the system's number is in the message, which tells a full disk", () => {
  const full = Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
  const broken = nodeSystem({
    ...fs,
    openSync() {
      throw full;
    },
  });
  const error = assertThrows(() => broken.openSync("a", { write: true }), Error);
  assertEquals([error.message, error.cause], ["ENOSPC: no space left (os error 28)", full]);
});

Deno.test("the environment, the process and its permissions", () => {
  assertEquals(node.env.toObject(), deno.env.toObject());
  assertEquals(node.env.get("PATH"), deno.env.get("PATH"));
  assertEquals(node.env.get("NO_SUCH_VARIABLE"), undefined);
  assertEquals([node.cwd(), node.build], [deno.cwd(), {
    os: Deno.build.os,
    arch: Deno.build.arch,
  }]);
  assertEquals(node.permissions.querySync({ name: "read" }), { state: "granted", partial: false });
  assert(node.memoryUsage().rss > 0);
});

Deno.test("a browser has no files, and says so", async () => {
  const web = webSystem();
  assertThrows(() => web.openSync("a", {}), web.errors.NotCapable, "There are no files here");
  await assertRejects(() => web.readFile("a", {}), web.errors.NotCapable);
  assertEquals(web.permissions.querySync({ name: "read" }).state, "denied");
  assertEquals(web.permissions.querySync({ name: "net" }).state, "granted");
});
