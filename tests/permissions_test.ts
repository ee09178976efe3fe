/** Runs each command of docs/permissions.md with the permissions beside it, and without each of them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { freePort, until } from "./support/serve_process.ts";
import { CIFAR10_FILE } from "./support/cifar10.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const PAGE = await Deno.readTextFile(join(ROOT, "docs/permissions.md"));
const ROWS = [...PAGE.matchAll(/^\| `(\S+\.ts) ?(.*?)` \| `(.*)` \|$/gm)].map(
  ([, script, words, flags]) => ({ script, words: words.split(" "), flags: flags.split(" ") }),
);

/** A clone, as far as programs need it, and what the commands work on. */
async function makeFolder(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const copy = async (from: string, to: string): Promise<void> => {
    await Deno.mkdir(join(folder, dirname(to)), { recursive: true });
    await Deno.copyFile(join(ROOT, from), join(folder, to));
  };
  const copyAll = async (from: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(join(ROOT, from))) {
      await (isDirectory ? copyAll : (path: string) => copy(path, path))(join(from, name));
    }
  };
  for (const path of ["deno.json", "deno.lock", "cli.ts", "serve.ts"]) await copy(path, path);
  for (const path of ["lib", "weights"]) await copyAll(path);
  const photos = { tabby: "cat.png", espresso: "coffee.png" };
  for (const [label, photo] of Object.entries(photos)) {
    await copy(`tests/data/photos/${photo}`, `photos/${photo}`);
    for (let n = 0; n < 5; n++) {
      await copy(`tests/data/photos/${photo}`, `labeled/${label}/${n}-${photo}`);
    }
  }
  for (const name of ["labels", "vectors"]) await Deno.mkdir(join(folder, name));
  await copy("tests/fixtures/checkpoints/keras_d.h5", "checkpoints/keras.h5");
  await Deno.mkdir(join(folder, "models"));
  await Deno.copyFile(CIFAR10_FILE, join(folder, "models/pets.safetensors"));
  return folder;
}

/** The permissions without one: `--allow-read=a,b` without `a`, without `b`, and so on. */
function withoutEach(flags: readonly string[]): { missing: string; fewer: string[] }[] {
  return flags.flatMap((flag, at) => {
    const [name, list] = flag.split("=");
    return list.split(",").map((missing, _, all) => {
      const rest = all.filter((item) => item !== missing);
      return { missing, fewer: flags.toSpliced(at, 1, ...rest.length ? [`${name}=${rest}`] : []) };
    });
  });
}

/** Runs a command, a service until it has answered: whether it did its work, and what it said. */
async function run(args: string[], cwd: string, port: number): Promise<[boolean, string]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...args],
    cwd,
    // Without an adapter, which would take most of the time.
    env: { NO_COLOR: "1", VK_DRIVER_FILES: "/dev/null", JOB_COMPLETION_INDEX: "0" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = child.output();
  let isAnswered = false;
  if (args.includes("serve.ts")) {
    const body = await Deno.readFile(join(cwd, "photos/cat.png"));
    const classify = async (): Promise<true> => {
      const url = `http://127.0.0.1:${port}/classify`;
      const response = await fetch(url, { method: "POST", body });
      await response.body?.cancel();
      isAnswered = response.ok;
      return true;
    };
    let isOver = false;
    ended.then(() => isOver = true);
    await until(async () => isOver || await classify().catch(() => false));
    if (!isOver) child.kill();
  }
  const { success, stdout, stderr } = await ended;
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return args.includes("serve.ts") ? [isAnswered, out + errors] : [success, errors];
}

/** Removes what a command has written before: that it is there is a reason to fail. */
async function removeOutputs(words: readonly string[], folder: string): Promise<void> {
  for (const [n, word] of words.entries()) {
    if (!["--out", "--draw", "--index"].includes(word)) continue;
    const path = join(folder, words[n + 1]!);
    for (
      const gone of [
        path,
        path.replace(".safetensors", "-fit"),
        path.replace(".npy", ".names.jsonl"),
      ]
    ) {
      await Deno.remove(gone, { recursive: true }).catch(() => {});
    }
  }
}

/** How a missing permission is said: by the service in its log, by a command with what to run. */
const IN_LOG = /Requires (read|net) access/;
const AS_ADVICE = /needs to (read|write to|reach) [^]*^Run: deno run |and --allow-env for it/m;

Deno.test("each documented command needs the permissions beside it, and no others", async () => {
  assertEquals(ROWS.length, PAGE.match(/^\| `/gm)!.length);
  const folder = await makeFolder();
  const picture = await Deno.readFile(join(folder, "photos/cat.png"));
  const asked: string[] = [];
  await using host = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response(picture);
    },
  );
  const port = freePort();
  const ports = (text: string): string =>
    text.replaceAll("8080", `${host.addr.port}`).replaceAll("8000", `${port}`);
  try {
    for (const { script, words, flags } of ROWS) {
      const command = [script, ...words].map(ports);
      for (const { missing, fewer } of withoutEach(flags)) {
        await removeOutputs(words, folder);
        const [isDone, said] = await run([...fewer.map(ports), ...command], folder, port);
        const what = `${command.join(" ")} without ${missing}: ${said}`;
        // Without it what needs threads is done on this one; what the mirror has is no checkpoint.
        if (missing === "lib") assertEquals(isDone, words[0] !== "pull", what);
        else {
          assert(!isDone, what);
          assertMatch(said, script === "serve.ts" ? IN_LOG : AS_ADVICE, what);
        }
      }
      await removeOutputs(words, folder);
      const [isDone, said] = await run([...flags.map(ports), ...command], folder, port);
      // What the mirror has is no checkpoint; that it was asked is enough.
      assertEquals(isDone, words[0] !== "pull", `${command}: ${said}`);
      assert(!said.includes("Requires"), `${command}: ${said}`);
    }
    assert(asked.includes("/cat.png"), "classify asked for its picture");
    assert(asked.some((path) => path !== "/cat.png"), "pull asked the mirror");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
