/**
 * The workspace's packages in a registry on loopback, and programs that have them from there: in a cache of their own,
 * with npm's packages already in it.
 *
 * @module
 */

import { join, toFileUrl } from "@std/path";
import { preparePublication } from "../../tools/prepare_publication.ts";
import { packageFolders } from "../../tools/publication.ts";
import { type JsrRegistry, jsrRegistry } from "./jsr_registry.ts";

const ROOT = new URL("../../", import.meta.url);

/** What came of a program. */
export interface ProgramRun {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** How a program is run. */
export interface ProgramOptions {
  /** What is on its standard input. Default: nothing, at once. */
  readonly stdin?: Uint8Array<ArrayBuffer> | undefined;
  /** Another one than Deno. */
  readonly command?: string;
}

/** A registry with the packages, and a folder for programs, until both are disposed of. */
export interface Published extends AsyncDisposable {
  readonly registry: JsrRegistry;
  /** Where programs run and files of theirs may be written. */
  readonly folder: string;
  /** Runs Deno with arguments. */
  run(args: readonly string[], options?: ProgramOptions): Promise<ProgramRun>;
  /** Starts Deno with arguments, and kills it when the result is disposed of. */
  start(args: readonly string[]): AsyncDisposable;
}

/** Publishes the packages by `deno publish`, with the npm names of the checkout. */
export async function publish(): Promise<Published> {
  const registry = jsrRegistry(), folder = await Deno.makeTempDir();
  const env = {
    ...{ DENO_DIR: join(folder, "deno"), DENO_INSTALL_ROOT: folder, JSR_URL: registry.url },
    // No driver has anything to say.
    ...{ NO_COLOR: "1", XDG_RUNTIME_DIR: folder, VK_DRIVER_FILES: "/dev/null" },
  };
  const run: Published["run"] = (args, { stdin, command = Deno.execPath() } = {}) =>
    resultOf(spawn(command, args, folder, env, stdin ? "piped" : "null"), stdin);
  await copyNpmPackages(env.DENO_DIR);
  await publishFrom(join(folder, "publication"), run);
  return {
    ...{ registry, folder, run },
    start(args): AsyncDisposable {
      const child = spawn(Deno.execPath(), args, folder, env, "null"), output = child.output();
      return {
        async [Symbol.asyncDispose](): Promise<void> {
          child.kill();
          await output;
        },
      };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await registry[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function publishFrom(folder: string, run: Published["run"]): Promise<void> {
  await preparePublication(ROOT, folder, { keepNpm: true });
  for (const { href } of packageFolders(toFileUrl(`${folder}/`))) {
    const config = new URL("deno.json", href).pathname;
    // Types are checked by `deno task check`.
    const flags = ["--no-check", "--no-provenance", "--token", "none", "--config", config];
    const { code, errors } = await run(["publish", ...flags]);
    if (code !== 0) throw new Error(errors);
  }
}

/** Starts a program that has nothing of this process' environment but where programs are. */
function spawn(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  stdin: "piped" | "null",
): Deno.ChildProcess {
  const { HOME = "/", PATH = "" } = Deno.env.toObject();
  const streams = { stdin, stdout: "piped", stderr: "piped" } as const;
  const options = { args: [...args], cwd, clearEnv: true, env: { HOME, PATH, ...env }, ...streams };
  return new Deno.Command(command, options).spawn();
}

async function resultOf(
  child: Deno.ChildProcess,
  stdin: Uint8Array<ArrayBuffer> | undefined,
): Promise<ProgramRun> {
  if (stdin !== undefined) {
    // Who fails does not read all of it.
    await new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, errors: errors! };
}

/** So that nothing of theirs is downloaded. */
async function copyNpmPackages(target: string): Promise<void> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(target);
  await Deno.symlink(npmCache, join(target, "npm"));
}
