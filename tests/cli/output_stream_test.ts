import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { OutputStream, type Sink } from "../../lib/cli/output_stream.ts";
import { isColored, setVerbosity, tell, tellError, tellWarning } from "../../lib/cli/terminal.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { printedBy } from "../support/printed.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Keeps what it is given, a text for each call; fails after so many calls. */
function sink(
  isTerminal: boolean,
  fails?: { after: number; error: Error },
): Sink & { texts: string[] } {
  const texts: string[] = [];
  const writeSync = (bytes: Uint8Array): number => {
    if (texts.length === fails?.after) throw fails.error;
    texts.push(new TextDecoder().decode(bytes));
    return bytes.length;
  };
  return {
    texts,
    isTerminal: () => isTerminal,
    writeSync,
    write: async (bytes) => await writeSync(bytes),
  };
}

Deno.test("a terminal gets each text at once, a pipe together what comes before a wait", async () => {
  for (const isTerminal of [true, false]) {
    const to = sink(isTerminal), output = new OutputStream(to);
    output.write("a\n");
    output.write("b\n");
    assertEquals(to.texts, isTerminal ? ["a\n", "b\n"] : []);
    await Promise.resolve();
    assertEquals(to.texts, isTerminal ? ["a\n", "b\n"] : ["a\nb\n"]);
    output.write("c\n");
    output.flush();
    assertEquals(to.texts.at(-1), "c\n");
  }
});

Deno.test("a pipe gets much before a wait too, and all of it", () => {
  const to = sink(false), output = new OutputStream(to);
  for (let n = 0; n < 2000; n++) output.write("x".repeat(99) + "\n");
  assertEquals(to.texts.length, 3);
  output.flush();
  assertEquals(to.texts.join("").length, 200_000);
});

Deno.test("a sink that takes a part, or nothing yet, gets the rest later", async () => {
  let written = "", calls = 0;
  const writeSync = (bytes: Uint8Array): number => {
    if (calls++ % 2 === 0) throw new Deno.errors.WouldBlock();
    written += new TextDecoder().decode(bytes.subarray(0, 2));
    return Math.min(2, bytes.length);
  };
  const output = new OutputStream({
    isTerminal: () => true,
    writeSync,
    write: async (bytes) => await writeSync(bytes),
  });
  output.write("a line\n");
  assertEquals(written, "a line\n");
  await output.send(new TextEncoder().encode("another\n"));
  assertEquals(written, "a line\nanother\n");
});

Deno.test("what cannot be written is told once, and nothing more is written", () => {
  for (
    const [error, isLeft] of [
      [new Deno.errors.BrokenPipe("Broken pipe"), true],
      [new Error("No space left on device"), false],
    ] as const
  ) {
    const to = sink(true, { after: 1, error }), output = new OutputStream(to);
    let calls = 0;
    using _first = output.onFailure(() => calls++);
    output.onFailure(() => calls++)[Symbol.dispose]();
    for (const text of ["a", "b", "c"]) output.write(text);
    assertEquals([to.texts, calls, output.failure, output.isLeft], [["a"], 1, error, isLeft]);
  }
});

Deno.test("a line of standard error is written, whatever is colored in it", async () => {
  const { err } = await printedBy(() => {
    tellWarning("of what\nit is");
    tellError(new Error("at https://user:secret@example.org/?key=1"), "a\x1b[31m");
    setVerbosity({ quiet: true });
    tell("nothing");
    tellWarning("nothing");
    setVerbosity({});
  });
  assertEquals(
    // deno-lint-ignore no-control-regex -- colors, which are there if this test's own environment says so
    err.replace(/\x1b\[\d+m/g, ""),
    "warning: of what\\u{a}it is\nerror: a\\u{1b}[31m: at https://example.org/\n",
  );
});

Deno.test("there are colors on a terminal, and where NO_COLOR and FORCE_COLOR say so", () => {
  const cases: [variables: Record<string, string>, onTerminal: boolean, elsewhere: boolean][] = [
    [{}, true, false],
    [{ NO_COLOR: "1" }, false, false],
    [{ NO_COLOR: "0" }, false, false],
    [{ TERM: "dumb" }, false, false],
    [{ FORCE_COLOR: "1" }, true, true],
    [{ FORCE_COLOR: "1", TERM: "dumb" }, true, true],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, true],
    ...["", "0", "false"].map((off): [Record<string, string>, boolean, boolean] => [
      { FORCE_COLOR: off, NO_COLOR: "" },
      true,
      false,
    ]),
  ];
  for (const [variables, onTerminal, elsewhere] of cases) {
    const found = (isRefusedToDeno: boolean): boolean[] =>
      [true, false].map((isTerminal) =>
        isColored(isTerminal, (name) => variables[name], isRefusedToDeno)
      );
    assertEquals(found(false), [onTerminal, elsewhere], JSON.stringify(variables));
    // Where Deno has read NO_COLOR, this program may be unable to.
    const isForced = elsewhere;
    assertEquals(found(true), [isForced, isForced], JSON.stringify(variables));
  }
});

/** The command line, on pipes. */
function start(args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--allow-all", "cli.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    files.push(...isDirectory ? await filesBelow(join(folder, name)) : [name]);
  }
  return files;
}

Deno.test("a reader that leaves ends the work, quietly", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" }), drawn = join(folder, "drawn");
  await Deno.mkdir(join(folder, "pictures"));
  for (let n = 0; n < 500; n++) {
    const photo = join(ROOT, "tests/data/photos/cat.png");
    await Deno.symlink(photo, join(folder, "pictures", `${n}.png`));
  }
  const child = start(["classify", "--model", CIFAR10, join(folder, "pictures"), "--draw", drawn]);
  const reader = child.stdout.getReader();
  assert((await reader.read()).value!.length > 0);
  await reader.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assertEquals([code, stderr], [141, ""]);
  const names = await filesBelow(drawn);
  assert(names.length > 0 && names.length < 400, `${names.length} pictures are drawn`);
  assertEquals(names.filter((name) => !name.endsWith(".png")), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("output that is on no disk any more is an error", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", `"${Deno.execPath()}" run --quiet --no-check -A cli.ts models > /dev/full`],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(
    [code, new TextDecoder().decode(stderr)],
    [1, "error: standard output: No space left on device (os error 28)\n"],
  );
});

Deno.test("FORCE_COLOR colors the word that says what a line is, and no more", async () => {
  const { code, stderr } = await start(["classify"], { FORCE_COLOR: "1", NO_COLOR: "" }).output();
  assertEquals(code, 2);
  const [first] = new TextDecoder().decode(stderr).split("\n");
  // deno-lint-ignore no-control-regex -- the color
  assert(/^\x1b\[31merror:\x1b\[39m [^\x1b]+$/.test(first), JSON.stringify(first));
});
