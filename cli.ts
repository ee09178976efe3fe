/**
 * The command line.
 *
 * @module
 */

import { system } from "./lib/system/system.ts";
import "./lib/entries/embedded.ts";
import "./lib/entries/whole.ts";
import { missed } from "./lib/cli/missing_permission.ts";
import { exitCodeOf, print } from "./lib/cli/terminal.ts";
import { VERSION } from "./lib/version.ts";

async function main([name, ...args]: readonly string[]): Promise<number> {
  switch (name) {
    case "--version":
    case "-V":
      print(VERSION);
      return 0;
    case undefined:
    case "--help":
    case "-h":
      print((await import("./lib/cli/help.ts")).programHelp());
      return name === undefined ? 2 : 0;
    case "help":
      return args.length === 0 ? await main(["--help"]) : await main([args[0]!, "--help"]);
  }
  const { COMMANDS } = await import("./lib/cli/commands.ts");
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const { unknownCommand } = await import("./lib/cli/unknown_command.ts");
    throw unknownCommand([name, ...args]);
  }
  const { runCommand } = await import("./lib/cli/command.ts");
  return await runCommand(await command.load(), args, name, command);
}

/** Does what the program's arguments say, and ends the program. */
export async function run(): Promise<never> {
  let code: number;
  try {
    code = await main(system.args);
    if (missed.size > 0) (await import("./lib/cli/failure.ts")).tellMissed(system.args);
  } catch (error) {
    code = await (await import("./lib/cli/failure.ts")).tellFailure(error, system.args);
  }
  return system.exit(exitCodeOf(code));
}

if (import.meta.main) await run();
