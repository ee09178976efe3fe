import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { expandInputs } from "../../lib/cli/inputs.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { withFiles } from "../support/files.ts";
import { runCli } from "../support/run_cli.ts";

const FILES = {
  ...{ "a.png": "", "b.png": "", "c.jpg": "", ".d.png": "", "[e].png": "" },
  ...{ "one/a.png": "", "one/two/a.png": "", "one/two/b.jpg": "", "one/.hidden/a.png": "" },
};

Deno.test("a pattern that no shell has expanded names the files that one would", () =>
  withFiles(FILES, async (folder) => {
    const found = async (pattern: string): Promise<string[]> =>
      (await expandInputs([join(folder, pattern)])).map(({ place }) =>
        place.slice(folder.length + 1)
      );
    assertEquals(await found("*.png"), ["[e].png", "a.png", "b.png"]);
    assertEquals(
      await found("?.{png,jpg}"),
      []
        .concat(await found("?.png") as never[], await found("?.jpg") as never[]),
    );
    assertEquals(await found("[ab].png"), ["a.png", "b.png"]);
    assertEquals(await found("one/*.png"), ["one/a.png"]);
    assertEquals(await found("one/*/b.jpg"), ["one/two/b.jpg"]);
    assertEquals(await found("**/a.png"), ["a.png", "one/a.png", "one/two/a.png"]);
    // What is there by that name is meant.
    assertEquals(await found("[e].png"), ["[e].png"]);
    for (const pattern of ["*.gif", "none/*.png", "*/*/*/*.png"]) {
      await assertRejects(() => found(pattern), UsageError, "There is no file like");
    }
  }));

Deno.test("an input has the path below the only operand, and its own beside others", () =>
  withFiles(FILES, async (folder) => {
    const below = async (...operands: string[]): Promise<(string | undefined)[]> =>
      (await expandInputs(operands)).map(({ below }) => below);
    assertEquals(await below(join(folder, "one")), ["a.png", "two/a.png", "two/b.jpg"]);
    const url = toFileUrl(join(folder, "one")).href;
    assertEquals(await below(url), ["a.png", "two/a.png", "two/b.jpg"]);
    assertEquals(await below(`${url}/a.png`), ["a.png"]);
    assertEquals(await below(join(folder, "one/a.png")), ["a.png"]);
    assertEquals(await below("http://x.test/y/z.png?key=1"), ["z.png"]);
    assertEquals(await below(join(folder, "a.png"), join(folder, "b.png")), [undefined, undefined]);
  }));

Deno.test("URLs are called by what may be shown of them, and read as they are", async () => {
  const secret = "https://me:pass@x.test/a.png?token=1";
  const inputs = await expandInputs([
    secret,
    secret,
    "file:///a%20b.png",
    "sftp://me:pass@x/y.png",
  ]);
  assertEquals(inputs.map(({ name }) => name), [
    ...["https://x.test/a.png", "https://x.test/a.png (2)", "/a b.png", "sftp://x/y.png"],
  ]);
  assertEquals(inputs.map(({ place }) => place), [
    secret,
    secret,
    "/a b.png",
    "sftp://me:pass@x/y.png",
  ]);
});

Deno.test("names come from a file, one a line, beside operands", () =>
  withFiles(
    { ...FILES, "names": "\ufeffa.png\r\n\n  \nhttps://x.test/b.png\n" },
    async (folder) => {
      const names = join(folder, "names");
      const inputs = await expandInputs([join(folder, "c.jpg")], { filesFrom: names });
      assertEquals(inputs.map(({ place }) => place), [
        join(folder, "c.jpg"),
        "a.png",
        "https://x.test/b.png",
      ]);
      await Deno.writeTextFile(names, "a\0b");
      await assertRejects(
        () => expandInputs([], { filesFrom: names }),
        UsageError,
        "it is no text",
      );
      await Deno.writeTextFile(names, "\n\n");
      await assertRejects(
        () => expandInputs([], { filesFrom: names }),
        UsageError,
        "names no file",
      );
    },
  ));

Deno.test("pictures in a list are looked at when their turn comes: a pipe among them is no file", () =>
  withFiles({ "a.png": "x" }, async (folder) => {
    const made = await new Deno.Command("mkfifo", { args: [join(folder, "pipe.png")] }).output();
    assertEquals(made.success, true);
    await Deno.mkdir(join(folder, "folder.png"));
    const list = new TextEncoder().encode("a.png\ngone.png\npipe.png\nfolder.png\n");
    const { code, stderr } = await runCli(["classify", "--files-from", "-"], {
      cwd: folder,
      stdin: list,
    });
    assertEquals(code, 1);
    for (
      const message of [
        "a.png: Expected JPEG",
        "gone.png: There is no",
        "pipe.png: It is no file",
        "it is a folder",
      ]
    ) {
      assertStringIncludes(stderr, message);
    }
  }));
