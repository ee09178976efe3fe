/**
 * Writes what a release publishes into an empty folder: `deno task publish:prepare FOLDER`.
 *
 * The packages are those of the workspace, with the files that `deno publish` would take of each, unchanged
 * but for the root's `deno.json`: there `@std` comes from JSR, and not from the copy that npm has.
 * `--keep-npm` leaves the copy's names, for a registry on loopback that has no `@std`.
 *
 * @module
 */

import { dirname, join, resolve } from "@std/path";
import { packageFolders, publicationOf } from "./publication.ts";

/** The copy of `@std` that npm has, and the version of it that is mapped. */
const COPY = "deno-std", COPY_VERSION = "1.4.0";
const COPIED = new RegExp(`"npm:${COPY}@([^/"]+)/([^"]*)"`, "g");

/**
 * The packages of `@std` that `deno-std` 1.4.0 has copied, and their versions: those of the release
 * 2026.07.30. The copy's files name no version. Its own repository's script takes the newest release and
 * compiles it, and of all releases the modules of this one alone, compiled, are the copy's 421 modules.
 */
export const STD: Readonly<Record<string, string>> = {
  assert: "1.0.19",
  async: "1.5.0",
  bytes: "1.0.6",
  crypto: "1.1.0",
  csv: "1.0.6",
  encoding: "1.0.11",
  html: "1.0.7",
  http: "1.1.3",
  path: "1.1.6",
  streams: "1.1.2",
  text: "1.0.19",
  yaml: "1.2.0",
};

/**
 * Gives the text of a `deno.json` in which JSR's packages stand for the copies of them:
 * `npm:deno-std@1.4.0/async/pool.js` becomes `jsr:@std/async@^1.5.0/pool`.
 *
 * @throws {Error} If a module is not of a copy whose versions are known.
 */
export function mapStd(config: string): string {
  return config.replaceAll(COPIED, (specifier, version, path) => {
    const [, name = "", module = ""] = /^([a-z_]+)\/([a-z0-9_/]+)\.js$/.exec(path) ?? [];
    const release = version === COPY_VERSION ? STD[name] : undefined;
    if (release === undefined) {
      throw new Error(
        `Cannot map ${specifier}: expected a module of ${COPY} ${COPY_VERSION}, and of its packages ` +
          `${Object.keys(STD).join(", ")}; add what it has copied to tools/prepare_publication.ts`,
      );
    }
    const entry = module === "mod" ? "" : `/${module.replaceAll("_", "-")}`;
    return `"jsr:@std/${name}@^${release}${entry}"`;
  });
}

/** How a publication is prepared. */
export interface PrepareOptions {
  /** Whether `@std` stays npm's copy. */
  readonly keepNpm?: boolean;
}

/**
 * Writes the workspace's packages to a folder, each at its place in the checkout.
 *
 * @param folder Its path; it is made if it is missing.
 * @throws {Error} If there is something in the folder, or Deno would not publish a package.
 */
export async function preparePublication(
  root: URL,
  folder: string,
  { keepNpm = false }: PrepareOptions = {},
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(folder)) {
    throw new Error(`Expected an empty folder for the publication: found ${name} in ${folder}`);
  }
  for (const source of packageFolders(root)) {
    const { files } = await publicationOf(source, ["--no-check"]);
    const target = join(folder, source.href.slice(root.href.length));
    for (const file of files) await copy(new URL(file, source), join(target, file));
  }
  if (keepNpm) return;
  const config = join(folder, "deno.json");
  await Deno.writeTextFile(config, mapStd(await Deno.readTextFile(config)));
}

async function copy(from: URL, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(from, to);
}

if (import.meta.main) {
  const [folder, ...rest] = Deno.args.filter((word) => word !== "--keep-npm");
  if (folder === undefined || rest.length > 0) {
    console.error("error: expected one folder: deno task publish:prepare FOLDER [--keep-npm]");
    Deno.exit(2);
  }
  const root = new URL("../", import.meta.url);
  await preparePublication(root, resolve(folder), { keepNpm: Deno.args.includes("--keep-npm") });
  console.log(`Publish from ${resolve(folder)}`);
}
