/** The program as `deno install -g` installs it, by the command of docs/entries/cli.md. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import config from "../../deno.json" with { type: "json" };

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const CAT = join(ROOT, "tests/data/photos/cat.png");
const PAGE = await Deno.readTextFile(join(ROOT, "docs/entries/cli.md"));

Deno.test("deno install -g as documented gives a program that knows its name", async () => {
  const [install] = PAGE.replaceAll(" \\\n  ", " ").match(/^deno install .* cli\.ts$/m) ?? [];
  const root = await Deno.makeTempDir(), bin = join(root, "bin");
  const env = { DENO_INSTALL_ROOT: root, NO_COLOR: "1", VK_DRIVER_FILES: "/dev/null" };
  const run = async (command: string, args: string[], cwd: string) => {
    const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, env }).output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out!, errors: errors! };
  };
  const vgg16 = (...args: string[]) => run(join(bin, "vgg16"), args, root);
  try {
    const installed = await run(Deno.execPath(), install!.split(" ").slice(1), ROOT);
    assertEquals(installed.code, 0, installed.errors);
    assertEquals((await vgg16("-V")).out.trim(), config.version);
    assertMatch((await vgg16("--help")).out, /^Usage: vgg16 COMMAND \[OPTIONS\] \.\.\.$/m);
    const help = await vgg16("classify", "-h");
    assertMatch(help.out, /^Usage: vgg16 classify \[OPTIONS\] /m);
    assertStringIncludes(help.out, "\n  vgg16 classify cat.jpg\n");
    const classified = await vgg16("classify", CAT, "-k", "1");
    assertEquals(classified.code, 0, classified.errors);
    assertStringIncludes(classified.out, "tabby cat");
    assertMatch((await vgg16("clasify", CAT)).errors, /^Try: vgg16 classify \S+cat\.png$/m);
    assertStringIncludes((await vgg16("completions", "bash")).out, "complete -F _vgg16 vgg16\n");
    // In the clone, and by Deno, it is the same program.
    const inClone = ["run", "--allow-read", "--allow-env", "cli.ts", "--help"];
    assertMatch((await run(Deno.execPath(), inClone, ROOT)).out, /^Usage: vgg16 COMMAND/m);
    // Where the environment may not be asked, nobody knows where it is installed.
    const blind = ["run", "--allow-read", "cli.ts", "--help"];
    assertMatch(
      (await run(Deno.execPath(), blind, ROOT)).out,
      /^Usage: deno run --allow-read cli/m,
    );
    await Deno.rename(join(bin, "vgg16"), join(bin, "label-it"));
    assertMatch(
      (await run(join(bin, "label-it"), ["--help"], root)).out,
      /^Usage: label-it COMMAND/m,
    );
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
