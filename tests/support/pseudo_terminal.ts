/** Programs on a terminal of their own, by `script` of util-linux. */

const HAS_TERMINALS = await hasScript();

/**
 * A test that starts programs on terminals. Without a `script` that takes a command it is skipped, with a name
 * that says why; where `TESTS_REQUIRE_ALL=1` is set it fails.
 */
export function terminalTest(name: string, test: () => Promise<void>): void {
  const needed = "script of util-linux is missing: Debian's bsdutils has it";
  if (HAS_TERMINALS) Deno.test(name, test);
  else if (Deno.env.get("TESTS_REQUIRE_ALL") === "1") {
    Deno.test(name, () => Promise.reject(new Error(needed)));
  } else Deno.test.ignore(`${name} [skipped: ${needed}]`, () => {});
}

/** Whether there is a `script` that takes a command. */
async function hasScript(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  try {
    const args = ["-qec", "stty size", "/dev/null"];
    const { success } = await new Deno.Command("script", { args, stdin: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

/** A program at work. */
export interface OnTerminal {
  /** All that it has written so far, with what a terminal obeys. */
  readonly written: () => string;
  /** Resolves to its exit code. */
  readonly ended: Promise<number>;
  /** Types a text. */
  readonly type: (text: string) => Promise<void>;
}

/** Starts a command of a shell on a terminal of so many columns. */
export function startOnTerminal(
  command: string,
  { columns, cwd, env }: { columns: number; cwd: string; env: Record<string, string> },
): OnTerminal {
  const child = new Deno.Command("script", {
    args: ["-qec", `stty cols ${columns} rows 24; ${command}`, "/dev/null"],
    cwd,
    env: { SHELL: "/bin/sh", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let written = "";
  const decoder = new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>;
  const reading = child.stdout.pipeThrough(decoder).pipeTo(
    new WritableStream({ write: (text) => void (written += text) }),
  );
  const keyboard = child.stdin.getWriter();
  const ended = (async () => {
    const { code } = await child.status;
    await reading;
    await keyboard.close().catch(() => {});
    return code;
  })();
  const type = (text: string): Promise<void> => keyboard.write(new TextEncoder().encode(text));
  return { written: () => written, ended, type };
}

/** What stands on a terminal in the end, if it is as wide as the lines that were written. */
export function screenOf(written: string): string[] {
  return written.replaceAll("\r\n", "\n").split("\n").map((line) => line.split("\r\x1b[K").at(-1)!);
}
