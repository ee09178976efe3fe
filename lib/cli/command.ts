/**
 * What a command is: the options that it takes, and a function. Its help, its completions and its
 * parsing come from them.
 */

import { type ENGINE_OPTIONS, flag, type Table, type Values } from "../options.ts";
import { parseArguments } from "./arguments.ts";
import type { Helped } from "./described.ts";
import { withEnvironment } from "./environment.ts";
import { optionsAtHome } from "./home.ts";
import { untilInterrupted } from "./interrupt.ts";
import { print, setVerbosity, tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** How much a command says. Every command has it. */
export const VERBOSITY = {
  quiet: flag({}, "Say nothing but errors"),
  verbose: flag({}, "Say more: which backend, model and threads work, and how long"),
} satisfies Table;

/** All that a command takes. */
export function allOptions<T extends Table>({ options }: Command<T>): T & typeof VERBOSITY {
  return { ...options, ...VERBOSITY };
}

export interface Command<T extends Table = Table> extends Helped<T> {
  /** Whether it goes on, if it is run again, where it was interrupted, and does not say so itself. */
  goesOn?(options: Values<T>): boolean;
  /** Does its work, until `signal` ends it. Resolves to the exit code. */
  run(operands: readonly string[], options: Values<T>, signal: AbortSignal): Promise<number>;
}

/** What a shell completes where a command takes no option. */
export interface Completed {
  readonly paths?: "pictures" | "folders" | "files";
  /** Whether ids of the catalog are meant as well. */
  readonly ids?: boolean;
  readonly words?: readonly string[];
}

/** A command, as it is listed. */
export interface CommandInfo {
  /** What it does, in a few words that follow its name. */
  readonly about: string;
  /** What Deno has to be told that it may do, in general. Default: read. */
  readonly permissions?: string;
  readonly completed?: Completed;
  /** Imports it, so that no command pays for another. */
  readonly load: () => Promise<Command>;
}

/**
 * Runs a command, or shows its help.
 *
 * @param name What it was called, and is for.
 * @throws {UsageError} If the command line is wrong.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
  name: string = "COMMAND",
  info: Pick<CommandInfo, "about" | "permissions"> = { about: "" },
): Promise<number> {
  const table = allOptions(command);
  const { operands, options: { quiet, verbose, ...given }, isHelp } = parseArguments(args, table);
  if (isHelp) {
    const { commandHelp } = await import("./command_help.ts");
    print(commandHelp({ ...command, options: table }, name, info));
    return 0;
  }
  checkTogether({ ...given, quiet, verbose });
  setVerbosity({ quiet, verbose });
  const asked = await withEnvironment(command.options, given);
  const options = optionsAtHome(command.options, asked);
  return await untilInterrupted(async (signal) => {
    try {
      return await command.run(operands, options, signal);
    } finally {
      if (signal.aborted && command.goesOn?.(options)) {
        tell("Stopped: run the same command to go on");
      }
    }
  });
}

/** @throws {UsageError} If options contradict each other, or one has no effect beside another. */
function checkTogether(given: Values<typeof ENGINE_OPTIONS & typeof VERBOSITY>): void {
  if (given.quiet === true && given.verbose === true) {
    throw new UsageError("--quiet and --verbose contradict each other: give one");
  }
  if (given.backend === "webgpu" && given.threads !== undefined) {
    throw new UsageError("--threads is for the wasm backend: it has no effect on webgpu");
  }
}
