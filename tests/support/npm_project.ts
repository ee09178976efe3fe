/**
 * A project whose `node_modules` has the workspace's packages, as `tools/build_npm.ts` builds them, and what they depend
 * on, from Deno's cache: for programs of Node's, Bun's and bundlers'.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import config from "../../deno.json" with { type: "json" };

const BUILD = fromFileUrl(new URL("../../tools/build_npm.ts", import.meta.url));

/** A folder, until it is disposed of. */
export interface NpmProject extends AsyncDisposable {
  readonly folder: string;
  /** Where a package of the workspace is. */
  packageFolder(name: string): string;
  /** Writes a file. */
  write(path: string, text: string): Promise<void>;
  /**
   * Runs a program in the folder.
   *
   * @returns What it prints.
   * @throws {Error} With all that it printed, if it fails.
   */
  run(command: string, args: readonly string[]): Promise<string>;
}

/**
 * Builds the packages, and makes a project that has them.
 *
 * @param devDependencies What it has besides, of npm.
 */
export async function npmProject(
  devDependencies: Readonly<Record<string, string>> = {},
): Promise<NpmProject> {
  const folder = await Deno.makeTempDir(), modules = join(folder, "node_modules");
  const project: NpmProject = {
    folder,
    packageFolder: (name) => join(modules, name),
    write: (path, text) => Deno.writeTextFile(join(folder, path), text),
    run: (command, args) => run(command, args, folder),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
  await project.run(Deno.execPath(), ["run", "--no-lock", "--allow-all", BUILD, modules]);
  const main = await Deno.readTextFile(join(project.packageFolder(config.name), "package.json"));
  const { dependencies } = JSON.parse(main);
  const contents = { type: "module", dependencies, devDependencies };
  await project.write("package.json", JSON.stringify(contents));
  // All that is in the folder it leaves as it is.
  await project.run(Deno.execPath(), ["install", "--no-lock", "--node-modules-dir=auto"]);
  return project;
}

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { args: [...args], cwd, env: { NO_COLOR: "1" } };
  const { success, stdout, stderr } = await new Deno.Command(command, options).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${command} ${args.join(" ")}:\n${out}${errors}`);
  return out!;
}
