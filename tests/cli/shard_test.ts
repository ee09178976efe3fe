import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { parseShard, takeShard } from "../../lib/cli/shard.ts";
import { until } from "../support/serve_process.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { undisturbedTest } from "../support/covered.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

Deno.test("the shares of a list are all of it, each item once, whatever else is in the list", () => {
  const names = Array.from({ length: 1000 }, (_, n) => `photos/${n}.jpg`);
  const shareOf = (items: readonly string[], index: number, count: number) =>
    takeShard(items, { index, count }, (name) => name);
  for (const count of [1, 2, 3, 7, 20]) {
    const shares = Array.from({ length: count }, (_, n) => shareOf(names, n + 1, count));
    assertEquals(shares.flat().sort(), names.toSorted());
    const expected = 1000 / count;
    // Six standard deviations of a binomial distribution: a hash that divides evenly stays within.
    const most = 6 * Math.sqrt(expected);
    for (const { length } of shares) {
      assert(Math.abs(length - expected) <= most, `${length} of ${count}`);
    }
    // One more in front, and one less, move no other.
    const moved = shareOf(["a.jpg", ...names.slice(1)], 1, count).filter((name) =>
      name !== "a.jpg"
    );
    assertEquals(moved, shares[0]!.filter((name) => name !== names[0]));
  }
});

Deno.test("a share that is none is an error", () => {
  assertEquals(parseShard(undefined), { index: 1, count: 1 });
  assertEquals(parseShard("2/3"), { index: 2, count: 3 });
  assertThrows(() => parseShard("4/3"), UsageError, "Option --shard needs I/N with I from 1 to N");
});

undisturbedTest(
  "a disk that fills ends classify, embed, explain and evaluate, and the next run goes on",
  async () => {
    const folder = await Deno.makeTempDir(), photos = join(folder, "set", "cat");
    await Deno.mkdir(photos, { recursive: true });
    for (let i = 0; i < 40; i++) {
      await Deno.symlink(join(ROOT, "tests/data/photos/cat.png"), join(photos, `${i}.png`));
    }
    for (
      const [args, out] of [
        [["classify", photos], "labels.jsonl"],
        [["classify", photos, "--draw"], "drawn"],
        [["embed", photos], "embeddings.jsonl"],
        [["embed", photos], "embeddings.npy"],
        [["explain", photos], "explained"],
        [["evaluate", join(folder, "set")], "evaluation"],
      ] as const
    ) {
      const path = join(folder, out);
      const line = [...args, ...args.at(-1) === "--draw" ? [] : ["--out"], path];
      const command = (limit: string) =>
        new Deno.Command("sh", {
          // Without the signal that comes with it, a limit on files looks like a full disk.
          args: ["-c", `trap "" XFSZ; ulimit -f ${limit}; exec "$@"`, "sh", Deno.execPath()].concat(
            ["run", "--no-check", "--allow-all", "cli.ts", ...line, "--model", CIFAR10],
          ),
          cwd: ROOT,
          env: { NO_COLOR: "1" },
        }).output();
      const { code, stderr } = await command("12");
      const message = new TextDecoder().decode(stderr);
      assertEquals(code, 1, message);
      const last = message.trimEnd().split("\n").at(-1)!;
      assertStringIncludes(last, "error: There is no space left for ");
      assertStringIncludes(last, folder);
      assertEquals(message.match(/error: (?!XDG)/g)?.length, 1, message);
      for (const name of await namesBelow(folder)) assertEquals(/\.tmp$/.test(name), false, name);
      if (out.endsWith(".jsonl")) {
        const text = await Deno.readTextFile(path);
        assertEquals(text, text.slice(0, text.lastIndexOf("\n") + 1));
        const again = await command("unlimited");
        // They begin with their settings.
        assertEquals([again.code, await countLines(path)], [0, 41]);
      }
    }
    await Deno.remove(folder, { recursive: true });
  },
);

async function namesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    names.push(name, ...isDirectory ? await namesBelow(join(folder, name)) : []);
  }
  return names;
}

Deno.test("processes of which one is killed and started again find together what one finds alone", async () => {
  const folder = await Deno.makeTempDir();
  const images = await makeImages(join(folder, "images"));
  const out = (name: string) => join(folder, name);
  const start = (name: string, ...more: string[]) => {
    const args = [
      "run",
      "--no-prompt",
      "--no-check",
      "--allow-read",
      "--allow-env",
      `--allow-write=${folder}`,
    ];
    return new Deno.Command(Deno.execPath(), {
      args: [
        ...[...args, "cli.ts", "classify", "--model", CIFAR10],
        ...[images, "--out", out(name), ...more],
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdout: "null",
      stderr: "piped",
    }).spawn();
  };
  const finish = async (child: Deno.ChildProcess) => {
    const { code, stderr } = await child.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  await finish(start("alone.jsonl"));
  const parts = [1, 2, 3].map((index) => start(`${index}.jsonl`, "--shard", `${index}/3`));
  await until(async () => await countLines(out("2.jsonl")) >= 2);
  parts[1].kill("SIGKILL");
  await parts[1].output();
  const before = await countLines(out("2.jsonl"));
  await finish(parts[0]);
  await finish(parts[2]);
  await finish(start("2.jsonl", "--shard", "2/3"));

  const whole = await readResults(out("alone.jsonl"));
  const merged = (await Promise.all([1, 2, 3].map((n) => readResults(out(`${n}.jsonl`))))).flat();
  assertEquals(before < 41, true, "the process was killed in the midst of its work");
  assertEquals(merged.length, 120);
  assertEquals(merged.sort(), whole.sort());
  await Deno.remove(folder, { recursive: true });
});

Deno.test("parts of an evaluation, put together by a last run, give the report of a whole one", async () => {
  const folder = await Deno.makeTempDir();
  for (const [label, photo] of [["cat", "cat.png"], ["ship", "boats.jpg"], ["dog", "coffee.png"]]) {
    await Deno.mkdir(join(folder, "set", label), { recursive: true });
    for (let i = 0; i < 3; i++) {
      const from = new URL(`../data/photos/${photo}`, import.meta.url);
      await Deno.copyFile(from, join(folder, "set", label, `${i}-${photo}`));
    }
  }
  const run = (...args: string[]) => runCli("evaluate", join(folder, "set"), "--json", ...args);
  const { variants: whole } = JSON.parse(await run("--out", join(folder, "whole")));
  const out = join(folder, "parts");
  for (const shard of ["1/2", "2/2"]) await run("--out", out, "--shard", shard);
  const { variants: together } = JSON.parse(await run("--out", out));
  assertEquals(whole[0].images, 9);
  // Nothing was classified by the last run, so it has no speed.
  assertEquals(together[0].imagesPerSecond, null);
  for (const report of [whole[0], together[0]]) delete report.imagesPerSecond;
  assertEquals(together, whole);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("embed adds to its lines, and to nothing else", async () => {
  // Which share a picture is in goes by its name as it is given: the same in every clone.
  const folder = await Deno.makeTempDir(), photos = "tests/data/photos";
  const out = join(folder, "all.jsonl"), parts = join(folder, "parts.JSONL");
  await runCli("embed", photos, "--out", out);
  await runCli("embed", photos, "--out", parts, "--shard", "1/2");
  // The settings, and some of four photos.
  const before = await countLines(parts);
  assert(before > 1 && before < 5, `${before}`);
  await runCli("embed", photos, "--out", parts);
  const sorted = async (path: string) => (await Deno.readTextFile(path)).split("\n").sort();
  assertEquals(await sorted(parts), await sorted(out));
  await Deno.remove(folder, { recursive: true });
});

async function runCli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "cli.ts",
      ...args,
      ...["--model", CIFAR10],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** 120 files of four photos. */
async function makeImages(folder: string): Promise<string> {
  await Deno.mkdir(folder);
  const photos = ["cat.png", "boats.jpg", "coffee.png", "rocket.jpg"];
  for (let i = 0; i < 120; i++) {
    const photo = photos[i % photos.length];
    const name = `${String(i).padStart(3, "0")}-${photo}`;
    await Deno.copyFile(new URL(`../data/photos/${photo}`, import.meta.url), join(folder, name));
  }
  return folder;
}

async function countLines(path: string): Promise<number> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\n").length - 1;
}

/** The lines without what differs from run to run. */
async function readResults(path: string): Promise<string[]> {
  const [, ...lines] = (await Deno.readTextFile(path)).trimEnd().split("\n");
  return lines.map((line) => {
    const { file, predictions } = JSON.parse(line);
    assertStringIncludes(file, "images/");
    return JSON.stringify({ file, predictions });
  });
}
