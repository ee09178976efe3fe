/**
 * `deno task release` tags the version of `deno.json`, once the changelog has it. The tag is pushed
 * by hand, and `.github/workflows/publish.yml` publishes it.
 *
 * @module
 */

/**
 * Checks a project and tags its version.
 *
 * @returns The tag.
 * @throws {Error} If something is not committed, the changelog does not begin with the version, or it was
 *   tagged before.
 */
export async function release(root: URL): Promise<string> {
  const git = async (...args: string[]): Promise<string> => {
    const options = { args, cwd: root, env: { LC_ALL: "C" } };
    const { success, stdout, stderr } = await new Deno.Command("git", options).output();
    if (!success) throw new Error(`git ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
    return new TextDecoder().decode(stdout).trim();
  };
  const read = (path: string): Promise<string> => Deno.readTextFile(new URL(path, root));

  const { version } = JSON.parse(await read("deno.json"));
  const tag = `v${version}`;
  const entry = /^## (\S+)/m.exec(await read("CHANGELOG.md"))?.[1];
  if (entry !== version) {
    throw new Error(`Expected CHANGELOG.md to begin with ${version}: found ${entry}`);
  }
  if (await git("status", "--porcelain") !== "") throw new Error("Commit everything first");
  if (await git("tag", "--list", tag) !== "") throw new Error(`${tag} exists: raise the version`);
  await git("tag", "--annotate", "--message", `Release ${version}`, tag);
  return tag;
}

if (import.meta.main) {
  try {
    const tag = await release(new URL("../", import.meta.url));
    console.log(`Tagged ${tag}. Publish it: git push origin ${tag}`);
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
