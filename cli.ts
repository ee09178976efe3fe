/**
 * The command line.
 *
 * @module
 */

import { exitCodeOf, print, tell, tellError } from "./lib/cli/terminal.ts";
import { UsageError } from "./lib/cli/usage_error.ts";
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
    const { unknownCommand } = await import("./lib/cli/help.ts");
    throw await unknownCommand(name, Object.keys(COMMANDS));
  }
  const { runCommand } = await import("./lib/cli/command.ts");
  return await runCommand(await command.load(), args, name, command);
}

if (import.meta.main) {
  let code: number;
  try {
    code = await main(Deno.args);
  } catch (thrown) {
    const error = await (await import("./lib/cli/error_words.ts")).inWords(thrown);
    tellError(error);
    if (error instanceof UsageError) tell("Try --help.");
    code = error instanceof UsageError ? 2 : 1;
  }
  Deno.exit(exitCodeOf(code));
}
