import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { devTest } from "./support/dev_packages.ts";
import { blocksOf, commandsOf, shownBelow } from "./support/markdown.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "integrations/python");
const BLOCKS = blocksOf(await Deno.readTextFile(join(ROOT, "docs/worker.md")));
const VGG16 = `${Deno.execPath()} run --quiet --no-prompt --allow-read ${join(ROOT, "cli.ts")}`;
const NEEDS = { file: import.meta.url, programs: { python3: "python3" } };

/** Runs a program as its docs have it, where `vgg16` is this checkout's; what it writes. */
async function run(command: string, args: string[]): Promise<{ out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: ROOT,
    clearEnv: true,
    env: {
      ...{ PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "/", NO_COLOR: "1" },
      ...Deno.env.has("DENO_DIR") && { DENO_DIR: Deno.env.get("DENO_DIR")! },
      // No GPU, and nothing of what Python makes stays in the checkout.
      ...{ VK_DRIVER_FILES: "/dev/null", XDG_RUNTIME_DIR: "/tmp", PYTHONDONTWRITEBYTECODE: "1" },
      ...{ PYTHONPATH: FOLDER, VGG16_COMMAND: VGG16 },
    },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, err);
  return { out, err };
}

Deno.test("the page of the worker shows what it answers", async () => {
  const [{ text }] = blocksOf(await Deno.readTextFile(join(ROOT, "docs/worker.md")))
    .filter(({ kind }) => kind === "sh");
  const [{ command, shown }] = commandsOf(text);
  const { out } = await run("sh", [
    "-c",
    command.replace("| vgg16 ", `| env -u VGG16_COMMAND ${VGG16} `),
  ]);
  assertEquals(out.trimEnd(), shown);
});

devTest("Python's worker answers what its page shows", NEEDS, async () => {
  const { text } = BLOCKS.find(({ kind, text }) => kind === "python" && text.includes("photos"))!;
  const { out } = await run("python3", ["-c", text]);
  assertEquals(out.trimEnd(), shownBelow(text.split("\n"), "# "));
});

devTest("programs of the worker's page are Python", NEEDS, async () => {
  for (const { kind, text } of BLOCKS) {
    if (kind === "python") {
      await run("python3", ["-c", `compile(${JSON.stringify(text)}, "", "exec")`]);
    }
  }
});

devTest("Python's worker survives what its own tests do to it", NEEDS, async () => {
  const { err } = await run("python3", [
    ...["-W", "error", "-m", "unittest", "discover", join(FOLDER, "tests")],
  ]);
  const [, count] = err.match(/^Ran (\d+) tests/m)!;
  assert(Number(count) >= 30, err);
});
