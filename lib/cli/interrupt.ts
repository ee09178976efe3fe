/** Ctrl-C, other signals that end a command, and a reader that has left. */

import { system } from "../system/system.ts";
import { onOutputLost } from "./terminal.ts";

/** A signal that ends a command. */
type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** What ends a command, and its exit code then: 128 and the signal's number. */
const EXIT_CODES: Partial<Record<Signal, number>> = system.build.os === "windows"
  ? { SIGINT: 130 }
  : { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Runs work that Ctrl-C aborts: resolves to its exit code, or to 130 if it was aborted. A second Ctrl-C
 * ends the process at once. Output that nobody reads any more aborts it, too: that code is `exitCodeOf()`'s.
 */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interrupt = new AbortController();
  let exitCode = 0;
  const handlers = Object.entries(EXIT_CODES).map(([signal, code]) => {
    const stop = (): void => {
      if (interrupt.signal.aborted) system.exit(code);
      exitCode = code;
      interrupt.abort();
    };
    return [signal as Signal, stop] as const; // A key of the table.
  });
  for (const handler of handlers) system.addSignalListener(...handler);
  using _lost = onOutputLost(() => interrupt.abort());
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return exitCode;
    throw error;
  } finally {
    for (const handler of handlers) system.removeSignalListener(...handler);
  }
}
