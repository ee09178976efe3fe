/**
 * A copy of the project in which one module at a time is changed, and tests are run.
 *
 * @module
 */

import { dirname, fromFileUrl, join } from "@std/path";

/** The root of the project. */
export const ROOT: string = fromFileUrl(new URL("../", import.meta.url));
/** Seconds for a test of one mutant. One that makes it hang is noticed. */
export const LIMIT_S = 120;

/** How a test ended. */
export interface TestRun {
  readonly outcome: "passed" | "failed" | "hung" | "none ran";
  readonly seconds: number;
  /** Its first error, in a line. */
  readonly error: string;
}

/** Where mutants are tried. */
export class MutatedCopy implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param tracked The files that are copied, relative to the root. */
  static async of(tracked: readonly string[]): Promise<MutatedCopy> {
    const folder = await Deno.makeTempDir({ prefix: "mutants-" });
    for (const path of tracked) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.copyFile(join(ROOT, path), join(folder, path));
    }
    return new MutatedCopy(folder);
  }

  /** Does something while a module has another text. */
  async with<Value>(path: string, text: string, work: () => Promise<Value>): Promise<Value> {
    const file = join(this.#folder, path), before = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, text);
    try {
      return await work();
    } finally {
      await Deno.writeTextFile(file, before);
    }
  }

  /** Runs a test file, or those of its tests whose name has some words, for so many seconds at most. */
  async test(
    file: string,
    { filter, limit = LIMIT_S }: { filter?: string | undefined; limit?: number } = {},
  ): Promise<TestRun> {
    const start = performance.now();
    const only = filter === undefined ? [] : ["--filter", filter];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--no-lock", "--allow-all", "--fail-fast", ...only, file],
      cwd: this.#folder,
      env: { NO_COLOR: "1" },
      ...{ stdout: "piped", stderr: "piped", detached: true },
    }).spawn();
    let hasHung = false;
    const timer = setTimeout(() => {
      hasHung = true;
      end(child.pid);
    }, 1000 * limit);
    const { success, stdout, stderr } = await child.output();
    clearTimeout(timer);
    // What a test has started ends with it.
    end(child.pid);
    const seconds = (performance.now() - start) / 1000;
    const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
    const ran = !/\| 0 passed.*\| 0 failed|No test modules/.test(text);
    const outcome = success ? (ran ? "passed" : "none ran") : hasHung ? "hung" : "failed";
    return { outcome, seconds, error: /^.*\berror: .*$/im.exec(text)?.[0] ?? "" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Ends a process and what it has started: it leads a group of its own. */
function end(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch (error) {
    // All of them have ended.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The files that git knows, and those that are new and not ignored. */
export async function trackedFiles(): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await new Deno.Command("git", { args, cwd: ROOT }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
}

/** Draws without putting back. */
export function sample<T>(items: T[], count: number, seed: number): T[] {
  let state = seed;
  const random = (): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < Math.min(count, items.length - 1); i++) {
    const j = i + Math.floor(random() * (items.length - i));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items.slice(0, count);
}
