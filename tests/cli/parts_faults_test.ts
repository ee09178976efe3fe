/**
 * What happens to the parts of a set when a process is killed at, or amid, any of its changes of files, when the disk is
 * full from any of them on, and when two processes do the same part: nothing is lost, and nothing is there twice.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { createHash } from "node:crypto";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { pngOf } from "../support/picture_folder.ts";
import { runCli } from "../support/run_cli.ts";
import { until } from "../support/serve_process.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const FAULTY = fromFileUrl(new URL("../support/faulty_disk.ts", import.meta.url));
const MODEL = ["--model", fromFileUrl(CIFAR10_FILE), "--backend", "wasm", "--threads", "1"];
const MAY_PASS = 75;

/** A set of five pictures, of which one is none, in two parts, in a folder of its own. */
interface Set {
  readonly folder: string;
  readonly pictures: string;
  readonly parts: string;
}

async function withSet(use: (set: Set) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const pictures = join(folder, "pictures"), parts = join(folder, "parts");
    await Deno.mkdir(pictures);
    for (let n = 0; n < 5; n++) {
      await Deno.writeFile(
        join(pictures, `${n}.png`),
        n === 1 ? new Uint8Array(9) : await pngOf(n, 0),
      );
    }
    const { code, stderr } = await runCli(dividing(pictures, parts));
    assertEquals(code, 0, stderr);
    await use({ folder, pictures, parts });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const dividing = (pictures: string, parts: string): string[] => [
  ...["manifest", pictures, "--out-dir", parts, "--part-size", "3"],
];

/** Commands that do parts. */
const COMMANDS = ["classify", "embed"] as const;

const doing = (command: string, { parts }: Set, out: string): string[] => [
  ...[command, "--manifest", parts, "--out-dir", out, "--max-errors", "50%", ...MODEL],
];

/** Runs a command to which something happens. */
const runFaulty = (args: readonly string[], fault: string, at = 0) =>
  runCli(args, {
    permissions: ["--no-check", `--preload=${FAULTY}`, "--allow-all"],
    env: { FAULT: fault, FAULT_AT: `${at}` },
  });

const run = (args: readonly string[]) =>
  runCli(args, { permissions: ["--no-check", "--allow-all"] });

/** What a folder has by name, if it is there: lines, or a hash of other bytes. */
function filesOf(folder: string): Record<string, string> {
  let names: string[] = [];
  try {
    names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch {
    // Not yet.
  }
  const contents = (path: string): string =>
    path.endsWith(".jsonl")
      ? Deno.readTextFileSync(path)
      : createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
  return Object.fromEntries(names.map((name) => [name, contents(join(folder, name))]));
}

const isDraft = (name: string): boolean => name.endsWith(".tmp");

/** Makes sure that what is there under its name is whole. */
function assertWhole(
  folder: string,
  expected: Record<string, string>,
  what: string,
  other?: string,
): void {
  for (const [name, text] of Object.entries(filesOf(folder))) {
    if (!isDraft(name) && name !== other) {
      assertEquals(text, expected[name], `${name} after ${what}`);
    }
  }
}

/** Does something for 1, 2 … until it says that this was past the end; some at a time. */
async function forEachStep(use: (step: number) => Promise<boolean>): Promise<number> {
  for (let step = 1;; step += 2) {
    const isPast = await Promise.all([use(step), use(step + 1)]);
    assert(step < 100, "it comes to an end");
    if (isPast.includes(true)) return step + isPast.indexOf(true) - 1;
  }
}

for (const command of COMMANDS) {
  Deno.test(
    `${command}: a part that is killed at any moment is done again, and gives the same bytes`,
    {
      ignore: Deno.build.os === "windows",
    },
    async () => {
      await withSet(async (set) => {
        const reference = join(set.folder, "reference");
        assertEquals((await run(doing(command, set, reference))).code, 0);
        const expected = filesOf(reference);
        const steps = await forEachStep(async (step) => {
          const out = join(set.folder, `out-${step}`), what = `a kill at change ${step}`;
          const { code, stderr } = await runFaulty(doing(command, set, out), "SIGKILL", step);
          assertWhole(out, expected, what);
          if (code === 0) return true;
          assertEquals(code, 137, stderr);
          // Lines come last: a part that has them has all else.
          const found = filesOf(out);
          for (const name of Object.keys(found).filter((name) => name.endsWith(".jsonl"))) {
            for (const other of Object.keys(expected)) {
              if (other.startsWith(name.slice(0, 12))) {
                assert(other in found, `${other} after ${what}`);
              }
            }
          }
          const isLeft = Object.keys(expected).some((name) => !(name in found));
          const again = await run(doing(command, set, out));
          assertEquals(again.code, 0, again.stderr);
          assertWhole(out, expected, `what was done again after ${what}`);
          const after = Object.keys(filesOf(out));
          // Whoever writes anything removes what others have left.
          const others = isLeft ? after : after.filter((name) => !isDraft(name));
          assertEquals(others, Object.keys(expected), `done again after ${what}`);
          return false;
        });
        // At least for each part: a draft, its bytes, its name.
        assert(steps >= 2 * 3, `${steps}`);
      });
    },
  );

  Deno.test(`${command}: a disk that is full from any moment on ends with 75, and leaves nothing half`, async () => {
    await withSet(async (set) => {
      const reference = join(set.folder, "reference");
      assertEquals((await run(doing(command, set, reference))).code, 0);
      const expected = filesOf(reference);
      await forEachStep(async (step) => {
        const out = join(set.folder, `out-${step}`), what = `a disk full from change ${step} on`;
        const { code, stderr } = await runFaulty(doing(command, set, out), "full", step);
        assertWhole(out, expected, what);
        assertEquals(Object.keys(filesOf(out)).filter(isDraft), [], what);
        if (code === 0) return true;
        assertEquals(code, MAY_PASS, `${what}: ${stderr}`);
        assertStringIncludes(stderr, "There is no space left for ");
        const again = await run(doing(command, set, out));
        assertEquals(again.code, 0, again.stderr);
        assertEquals(filesOf(out), expected, `done again after ${what}`);
        return false;
      });
    });
  });
}

/** A command that has stopped at one of its changes, or has ended before. */
interface Stopped {
  readonly hasEnded: boolean;
  /** Lets it go on to its end. */
  goOn(): Promise<{ readonly code: number; readonly said: string }>;
}

async function runUntil(args: readonly string[], at: number): Promise<Stopped> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", `--preload=${FAULTY}`, "--allow-all"],
      ...["cli.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", FAULT: "SIGSTOP", FAULT_AT: `${at}` },
    ...{ stdin: "null", stdout: "null", stderr: "piped" },
  }).spawn();
  let hasEnded = false;
  const output = child.output().finally(() => hasEnded = true);
  // The state follows the name, which is in parentheses.
  const state = () => Deno.readTextFile(`/proc/${child.pid}/stat`).catch(() => ") X");
  await until(async () => hasEnded || (await state()).includes(") T"));
  return {
    hasEnded,
    async goOn() {
      if (!hasEnded) child.kill("SIGCONT");
      const { code, stderr } = await output;
      return { code, said: new TextDecoder().decode(stderr) };
    },
  };
}

for (const command of COMMANDS) {
  Deno.test(
    `${command}: two that do the same parts at once, one ahead of the other, write the same bytes`,
    {
      ignore: Deno.build.os !== "linux",
    },
    async () => {
      await withSet(async (set) => {
        const reference = join(set.folder, "reference");
        assertEquals((await run(doing(command, set, reference))).code, 0);
        const expected = filesOf(reference);
        await forEachStep(async (step) => {
          const out = join(set.folder, `out-${step}`), what = `one stood still at change ${step}`;
          const first = await runUntil(doing(command, set, out), step);
          const second = await run(doing(command, set, out));
          assertEquals(second.code, 0, `${what}: ${second.stderr}`);
          const { hasEnded } = first;
          // The draft of the first is its own until it ends.
          assertWhole(out, expected, what);
          const { code, said } = await first.goOn();
          assertEquals(code, 0, `${what}: ${said}`);
          assertEquals(filesOf(out), expected, what);
          return hasEnded;
        });
      });
    },
  );
}

Deno.test("where no machine sees another's locks, a draft may be lost, and nothing that is whole", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await withSet(async (set) => {
    const reference = join(set.folder, "reference");
    assertEquals((await run(doing("classify", set, reference))).code, 0);
    const expected = filesOf(reference), codes = new Set<number>();
    await forEachStep(async (step) => {
      const out = join(set.folder, `out-${step}`), what = `one stood still at change ${step}`;
      const first = await runUntil(doing("classify", set, out), step);
      // This one takes the draft of the first for a leftover.
      const second = await runFaulty(doing("classify", set, out), "no-locks");
      assertEquals(second.code, 0, `${what}: ${second.stderr}`);
      codes.add((await first.goOn()).code);
      assertEquals(filesOf(out), expected, what);
      return first.hasEnded;
    });
    // The one that lost its draft says so, and is started again.
    assertEquals(codes, new Set([0, 75]));
  });
});

Deno.test("manifest: one that is killed at any moment is no manifest, and is made again", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withSet(async (set) => {
    const expected = filesOf(set.parts), out = join(set.folder, "out");
    await forEachStep(async (step) => {
      const parts = join(set.folder, `parts-${step}`), what = `a kill at change ${step}`;
      const { code } = await runFaulty(dividing(set.pictures, parts), "SIGKILL", step);
      if (code === 0) {
        assertWhole(parts, expected, what);
        return true;
      }
      assertEquals(code, 137);
      assertWhole(parts, expected, what, "manifest.json");
      // It says that it has begun, and nothing more.
      const about = join(parts, "manifest.json");
      const text = await Deno.readTextFile(about).catch(() => undefined);
      assertEquals(
        text === undefined ? [] : Object.keys(JSON.parse(text)),
        text && ["program", "version"] || [],
        what,
      );
      const early = await run(doing("classify", { ...set, parts }, out));
      assertEquals(early.code, 2, what);
      assertStringIncludes(early.stderr, "vgg16 manifest");
      assertEquals((await run(dividing(set.pictures, parts))).code, 0, what);
      assertEquals(filesOf(parts), expected, `made again after ${what}`);
      return false;
    });
    assertEquals(filesOf(out), {});
  });
});

Deno.test(
  "merge: what it writes is there as a whole or not at all, where it is killed and on a full disk",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await withSet(async (set) => {
      const out = join(set.folder, "out");
      assertEquals((await run(doing("classify", set, out))).code, 0);
      const results = filesOf(out);
      const merging = (folder: string) => [
        ...["merge", "--manifest", set.parts, out, "--out", join(set.folder, folder, "all.jsonl")],
      ];
      assertEquals((await run(merging("reference"))).code, 0);
      const expected = filesOf(join(set.folder, "reference"));
      for (const fault of ["SIGKILL", "full"]) {
        await forEachStep(async (step) => {
          const folder = `${fault}-${step}`, what = `${fault} at change ${step}`;
          const { code, stderr } = await runFaulty(merging(folder), fault, step);
          assertWhole(join(set.folder, folder), expected, what);
          if (code === 0) return true;
          assertEquals(code, fault === "full" ? 1 : 137, stderr);
          if (fault === "full") assertStringIncludes(stderr, "There is no space left for ");
          // It is there: only what lay beside it is left.
          if ("all.jsonl" in filesOf(join(set.folder, folder))) return false;
          const again = await run(merging(folder));
          assertEquals(again.code, 0, `${what}: ${again.stderr}`);
          assertEquals(filesOf(join(set.folder, folder)), expected, `done again after ${what}`);
          return false;
        });
      }
      assertEquals(filesOf(out), results);
    });
  },
);
