/**
 * What a release would publish: `deno task check:publication` asks Deno for each package of the workspace,
 * prints its files and bytes, and fails on one that it refuses or a registry would.
 *
 * @module
 */

import { fromFileUrl, relative } from "@std/path";

/** A package on JSR may have this many bytes. */
const MAX_BYTES = 20_000_000;

/** A package, as it would be published. */
export interface Publication {
  readonly name: string;
  /** Its files, by their paths from its folder. */
  readonly files: ReadonlySet<string>;
  readonly bytes: number;
}

/** The folders of the workspace's packages. */
export function packageFolders(root: URL): URL[] {
  const { workspace } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  return [root, ...workspace.map((folder: string) => new URL(`${folder}/`, root))];
}

/**
 * Finds out what a package would publish.
 *
 * @throws {Error} With Deno's words, if it would not.
 */
export async function publicationOf(folder: URL, flags: string[] = []): Promise<Publication> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", ...flags],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const name = /^Simulating publish of (\S+)@\S+ with files:/m.exec(text)?.[1];
  if (!success || name === undefined) throw new Error(text);
  const listed = [...text.matchAll(/^ +(file:\/\/\S+) \(/gm)].map(([, url]) => new URL(url!));
  const sizes = listed.map((file) => Deno.statSync(file).size);
  return {
    name,
    files: new Set(listed.map((file) => relative(fromFileUrl(folder), fromFileUrl(file)))),
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

if (import.meta.main) {
  for (const folder of packageFolders(new URL("../", import.meta.url))) {
    const { name, files, bytes } = await publicationOf(folder);
    console.log(`${name}: ${files.size} files, ${bytes} bytes`);
    if (bytes <= MAX_BYTES) continue;
    console.error(`error: ${name} has more than the ${MAX_BYTES} bytes that a package may have`);
    Deno.exitCode = 1;
  }
}
