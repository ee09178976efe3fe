import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { findAdapter } from "../../lib/engine/webgpu/device/adapter.ts";
import config from "../../deno.json" with { type: "json" };
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PHOTOS = join(ROOT, "tests/data/photos");
const CAT = join(PHOTOS, "cat.png");
const MODEL = fromFileUrl(CIFAR10_FILE);
const CLASSIFY = ["classify", "--model", CIFAR10];

/** Mesa's drivers complain on standard error where the session has no runtime directory. */
const ENV = { NO_COLOR: "1", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp" };

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as the README does: no more permissions than `deno task classify` has. */
async function run(
  args: readonly string[],
  options: { stdin?: Uint8Array; flags?: string[] } = {},
): Promise<Run> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet", // A first run's downloads are no errors.
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      ...options.flags ?? [],
      join(ROOT, "cli.ts"),
      ...args,
    ],
    env: ENV,
    stdin: options.stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  if (options.stdin) {
    const writer = child.stdin.getWriter();
    await writer.write(options.stdin);
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Whether there is a real GPU, on which `auto` rightly loads tfjs. */
async function hasGpu(): Promise<boolean> {
  const adapter = await findAdapter();
  return adapter !== undefined && !adapter.isFallback;
}

/** A bad input's run: its own message, no stack trace, its exit code, and nothing else lost. */
function assertFailed(result: Run, message: RegExp, code: number = 1): void {
  assertEquals(result.code, code, result.stderr);
  assertMatch(result.stderr, message);
  assertEquals(result.stderr.match(/^\s+at /m), null, `a stack trace: ${result.stderr}`);
}

Deno.test("classify prints the cat's label first", async () => {
  const { code, stdout, stderr } = await run([...CLASSIFY, CAT]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^.*cat\.png {2}\((wasm|webgpu), [\d.]+ ms\)\n {2}cat +\d\d\.\d %/);
});

Deno.test("classify --jsonl prints the settings, and one object a line", async () => {
  const { code, stdout } = await run([...CLASSIFY, "--jsonl", "--top-k", "2", CAT, CAT]);
  assertEquals(code, 0);
  const [head, ...lines] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([head.program, head.model, head.precision], ["vgg16 classify", CIFAR10, "int8"]);
  assertMatch(head.sha256, /^[0-9a-f]{64}$/);
  assertEquals(lines.length, 2);
  for (const line of lines) {
    assertEquals(Object.keys(line), ["file", "predictions"]);
    assertEquals(line.file, CAT);
    assertEquals(line.predictions.length, 2);
    assertEquals([line.predictions[0].label, line.predictions[0].index], ["cat", 3]);
  }
  assertEquals(lines[0].predictions, lines[1].predictions);
});

Deno.test("classify reads standard input", async () => {
  const { code, stdout } = await run([...CLASSIFY, "--json", "-"], {
    stdin: await Deno.readFile(CAT),
  });
  assertEquals(code, 0);
  assertEquals(JSON.parse(stdout).results[0].predictions[0].label, "cat");
});

Deno.test("classify walks a directory, in the order of names", async () => {
  const { code, stdout } = await run([...CLASSIFY, "--json", PHOTOS]);
  assertEquals(code, 0);
  const files = JSON.parse(stdout).results.map(({ file }: { file: string }) => file);
  assertEquals(
    files,
    ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"].map((name) => join(PHOTOS, name)),
  );
});

Deno.test("a bad file gives an error line, and the others go on", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const jpeg = await Deno.readFile(join(PHOTOS, "rocket.jpg"));
    const png = await Deno.readFile(CAT);
    png[png.length >> 1] ^= 0xff;
    const bad: Record<string, Uint8Array> = {
      "empty.png": new Uint8Array(),
      "text.jpg": new TextEncoder().encode("not an image, whatever the name says"),
      "truncated.jpg": jpeg.subarray(0, jpeg.length >> 1),
      "corrupt.png": png,
    };
    for (const [name, bytes] of Object.entries(bad)) {
      await Deno.writeFile(join(directory, name), bytes);
    }
    const paths = [...Object.keys(bad), "missing.png"].map((name) => join(directory, name));
    const result = await run([...CLASSIFY, "--jsonl", ...paths, CAT]);
    assertFailed(result, /1 of 6 classified in [\d.]+ s, 5 could not be/);
    const [, ...lines] = result.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ file }) => file), [...paths, CAT]);
    assertEquals(
      lines.slice(0, -1).map(({ error: { code, retryable } }) => [code, retryable]),
      [
        ["image-damaged", false],
        ["image-format", false],
        ["image-damaged", false],
        ["image-damaged", false],
        ["image-not-found", false],
      ],
    );
    assertEquals(lines.at(-1).predictions[0].label, "cat");
    const messages = result.stderr.trimEnd().split("\n").slice(0, -1);
    assertEquals(messages.length, 5);
    const expected = [
      /empty/i,
      /not|unknown|format/i,
      /truncated|end/i,
      /CRC|corrupt/i,
      /no such/i,
    ];
    paths.forEach((path, i) => {
      assert(messages[i].startsWith(`error: ${path}: `), messages[i]);
      assertMatch(messages[i], expected[i]);
    });
    assertEquals(new Set(messages.map((m) => m.split(": ").slice(2).join(": "))).size, 5);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a directory without images is an error", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(directory, "notes.txt"), "none here");
    const { code, stderr } = await run([...CLASSIFY, directory]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, `${directory} is a directory without images`);
    assertStringIncludes(stderr, "found 1 .txt");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a model file that is cut short, damaged or missing is named", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const model = await Deno.readFile(MODEL);
    const file = async (name: string, bytes: Uint8Array): Promise<string> => {
      const path = join(directory, name);
      await Deno.writeFile(path, bytes);
      return path;
    };
    const flipped = (offset: number): Uint8Array => {
      const copy = model.slice();
      copy[offset] ^= 1;
      return copy;
    };
    const text = new TextEncoder().encode("x".repeat(99));
    const cases: [string, RegExp, code?: number][] = [
      [await file("cut.safetensors", model.subarray(0, model.length - 1000)), /cut\.safetensors/],
      [await file("data.safetensors", flipped(model.length - 5)), /data\.safetensors/],
      [await file("header.safetensors", flipped(200)), /header\.safetensors/],
      // Not damaged, but another file than was meant.
      [await file("text.safetensors", text), /text\.safetensors is of no format/, 2],
      [join(directory, "missing.safetensors"), /missing\.safetensors: there is none/, 2],
    ];
    const messages = new Set<string>();
    for (const [path, message, code] of cases) {
      const result = await run(["classify", "--model", path, CAT]);
      assertFailed(result, message, code);
      messages.add(result.stderr);
    }
    assertEquals(messages.size, cases.length);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a wrong command line names what is nearest", async () => {
  const option = await run(["classify", "--topkk", "3", CAT]);
  assertEquals([option.code, option.stdout], [2, ""]);
  assertStringIncludes(option.stderr, "There is no option --topkk: did you mean --top-k?");
  const command = await run(["clasify", CAT]);
  assertEquals(command.code, 2);
  assertStringIncludes(command.stderr, "There is no command clasify: did you mean classify?");
  const topK = await run(["classify", "--top-k", "0", CAT]);
  assertEquals(topK.code, 2);
  assertStringIncludes(
    topK.stderr,
    "--top-k must be an integer of at least 1, or Infinity for all: found 0",
  );
  const none = await run(["classify"]);
  assertEquals(none.code, 2);
});

Deno.test("--help and --version answer", async () => {
  assertEquals((await run(["--version"])).stdout.trim(), config.version);
  assertStringIncludes((await run(["--help"])).stdout, "classify");
  assertStringIncludes((await run(["classify", "--help"])).stdout, "--top-k");
});

Deno.test("an interrupt ends the command line cleanly", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      join(ROOT, "cli.ts"),
      ...CLASSIFY,
      "-",
    ],
    env: ENV,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write((await Deno.readFile(CAT)).subarray(0, 1000));
  // The command now waits for the rest of its input; a second and a half lets it get there.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  await writer.abort().catch(() => {});
  assertEquals([code, new TextDecoder().decode(stderr)], [130, ""]);
});

Deno.test("classify without a GPU does not load tfjs", { ignore: await hasGpu() }, async () => {
  const poisoned = {
    ...config,
    imports: {
      ...config.imports,
      "@tensorflow/tfjs-core": "data:text/javascript,throw new Error('tfjs-core was loaded')",
      "@tensorflow/tfjs-backend-webgpu": "data:text/javascript,throw new Error('tfjs was loaded')",
    },
  };
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, JSON.stringify(poisoned));
    const flags = ["--no-check", "--no-lock", `--config=${path}`];
    const auto = await run([...CLASSIFY, "--json", CAT], { flags });
    assertEquals([auto.code, auto.stderr], [0, ""]);
    assertEquals(JSON.parse(auto.stdout).backend, "wasm");
    // The trap does spring where tfjs is imported.
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", `--config=${path}`, 'await import("@tensorflow/tfjs-core")'],
      stderr: "piped",
    }).output();
    assertEquals(code, 1);
    assertStringIncludes(new TextDecoder().decode(stderr), "tfjs-core was loaded");
  } finally {
    await Deno.remove(path);
  }
});
