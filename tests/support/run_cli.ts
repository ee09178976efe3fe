/** The command line as another process. */

import { fromFileUrl } from "@std/path";

const CLI = fromFileUrl(new URL("../../cli.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../../deno.json", import.meta.url));

/** What came of a command. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command runs with. */
export interface RunOptions {
  /** Variables besides those that keep drivers and colors quiet. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: all. */
  readonly permissions?: readonly string[];
  readonly cwd?: string;
  /** What is on standard input. Default: nothing, at once. */
  readonly stdin?: Uint8Array | undefined;
}

/**
 * Runs a command, which can ask for nothing. Variables of this program's own are not passed on, and there is no GPU and
 * an empty cache, unless `env` says otherwise: neither what this computer has nor what its user has pulled counts.
 */
export async function runCli(
  args: readonly string[],
  { env = {}, permissions = ["--allow-all"], cwd, stdin }: RunOptions = {},
): Promise<Run> {
  const { HOME = "/", PATH = "", DENO_DIR, DENO_COVERAGE_DIR } = Deno.env.toObject();
  const cache = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--config", CONFIG, ...permissions, CLI, ...args],
      cwd,
      clearEnv: true,
      env: {
        ...{ HOME, PATH, NO_COLOR: "1" },
        ...DENO_DIR !== undefined && { DENO_DIR },
        ...DENO_COVERAGE_DIR !== undefined && { DENO_COVERAGE_DIR },
        // Mesa's drivers complain on standard error where the session has no runtime directory.
        XDG_RUNTIME_DIR: "/tmp",
        ...{ VK_DRIVER_FILES: "/dev/null", VGG16_CACHE_DIR: cache },
        ...env,
      },
      ...{ stdin: stdin === undefined ? "null" : "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      // Who does not want to read all of it leaves.
      await writer.write(stdin).then(() => writer.close()).catch(() => {});
    }
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}
