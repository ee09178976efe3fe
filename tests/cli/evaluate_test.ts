import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { CIFAR10 } from "../support/cifar10.ts";
import { withFiles } from "../support/files.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const photo = (name: string): Promise<Uint8Array> =>
  Deno.readFile(join(ROOT, "tests/data/photos", name));
const CAT = await photo("cat.png"), BOATS = await photo("boats.jpg");

/** Runs `evaluate` on CIFAR-10's model. */
async function evaluate(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-all", join(ROOT, "cli.ts"), "evaluate"],
      ...["--model", CIFAR10, "--backend", "wasm", "--json", ...args],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("evaluate takes folders as they are, and says what of them it left out", async () => {
  const files = {
    "data/cat/1.png": CAT,
    "data/cat/more/without ending": CAT,
    "data/ship/1.jpg": BOATS,
    "data/ship/cut.jpg": BOATS.subarray(0, 900),
    "data/ship/._1.jpg": "litter",
    "data/ship/notes.md": "",
    "data/tractor/notes.md": "",
  };
  await withFiles(files, async (directory) => {
    const data = join(directory, "data"), cut = join(data, "ship/cut.jpg");
    const { code, out, err } = await evaluate("--out", join(directory, "out"), data);
    assertEquals(code, 1, err);
    const [first, second, third = ""] = err.split("\n");
    assertEquals([first, second], [
      'warning: Left out as folders without pictures: "tractor" holds 1 other file (1 .md)',
      "warning: Left out beside the pictures: 1 other file (1 .md)",
    ]);
    assert(third.startsWith(`error: ${cut}: Cannot decode the JPEG`), third);
    const [{ images, top1, failed, skipped }] = JSON.parse(out).variants;
    assertEquals([images, top1, failed], [3, 1, 1]);
    assertEquals([skipped[0].file, skipped[0].label, skipped[0].code], [
      ...[cut, "ship", "image-damaged"],
    ]);
    const report = await Deno.readTextFile(join(directory, "out/report.html"));
    assertStringIncludes(report.slice(report.indexOf("Could not be read")), skipped[0].reason);
  });
});

Deno.test("evaluate names the line of a list whose picture is not there", async () => {
  const list = "class;split;path\ncat;a;1.png\nship;b;gone.jpg\ncat;b;1.png\n";
  await withFiles({ "1.png": CAT, "list.csv": list }, async (directory) => {
    const path = join(directory, "list.csv"), { code, out, err } = await evaluate(path);
    assertEquals(code, 1, err);
    assertEquals(err.trimEnd().split("\n"), [
      `warning: Columns of ${path} that are not used: split`,
      `warning: ${path} names pictures more than once, of which the first line counts: 1.png in lines 2 and 4`,
      `error: ${join(directory, "gone.jpg")} (line 3): there is no such file`,
    ]);
    assertEquals(JSON.parse(out).variants[0].images, 1);
  });
});
