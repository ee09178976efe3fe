import { assertEquals, assertRejects } from "@std/assert";
import { toFileUrl } from "@std/path";
import { release } from "../../tools/release.ts";

/** A repository in a temporary folder, at version 1.2.3, with everything committed. */
async function withRepository(
  test: (root: URL, git: (...args: string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const git = async (...args: string[]): Promise<string> => {
    const options = { args: args, cwd: folder };
    const { stdout, success, stderr } = await new Deno.Command("git", options).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  const root = toFileUrl(`${folder}/`);
  try {
    await git("init", "--quiet");
    await git("config", "user.name", "Test");
    await git("config", "user.email", "test@localhost");
    await Deno.writeTextFile(new URL("deno.json", root), '{ "version": "1.2.3" }');
    await Deno.writeTextFile(new URL("CHANGELOG.md", root), "# Changelog\n\n## 1.2.3\n\n- All.\n");
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "all");
    await test(root, git);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a release tags the version, once", async () => {
  await withRepository(async (root, git) => {
    assertEquals(await release(root), "v1.2.3");
    assertEquals(await git("cat-file", "-t", "v1.2.3"), "tag");
    assertEquals(await git("rev-parse", "v1.2.3^{commit}"), await git("rev-parse", "HEAD"));
    await assertRejects(() => release(root), Error, "v1.2.3 exists: raise the version");
  });
});

const FAULTS = [
  ["CHANGELOG.md", "# Changelog\n\n## 1.2.2\n", "to begin with 1.2.3: found 1.2.2"],
  ["notes.txt", "not committed", "Commit everything first"],
] as const;
for (const [file, text, message] of FAULTS) {
  Deno.test(`a release is refused: ${message}`, async () => {
    await withRepository(async (root, git) => {
      await Deno.writeTextFile(new URL(file, root), text);
      await assertRejects(() => release(root), Error, message);
      assertEquals(await git("tag", "--list"), "");
    });
  });
}
