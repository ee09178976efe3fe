/** `completions`: what makes a shell complete commands, options and their values. */

import { bashCompletions } from "./completions/bash.ts";
import { fishCompletions } from "./completions/fish.ts";
import { type CompletedProgram, programOf } from "./completions/program.ts";
import { zshCompletions } from "./completions/zsh.ts";
import type { Command, CommandInfo } from "./command.ts";
import { installedName } from "./program_name.ts";
import { print } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const SHELLS: Readonly<Record<string, (program: CompletedProgram) => string[]>> = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
};

/** The command, for a table of commands, which it is itself in. */
export function completionsCommand(table: Readonly<Record<string, CommandInfo>>): Command {
  return {
    usage: "bash|zsh|fish",
    examples: [
      { line: 'eval "$(vgg16 completions bash)"', about: "in ~/.bashrc" },
      { line: "vgg16 completions zsh > ~/.zfunc/_vgg16", about: "a folder of fpath" },
      { line: "vgg16 completions fish > ~/.config/fish/completions/vgg16.fish" },
    ],
    options: {},
    notes: "They are for the program's name as it was installed, or vgg16.",

    async run([shell, ...more]) {
      if (shell === undefined || more.length > 0 || !Object.hasOwn(SHELLS, shell)) {
        const found = shell === undefined ? "none" : [shell, ...more].join(" ");
        throw new UsageError(`completions needs one of bash, zsh and fish: found ${found}`);
      }
      print(SHELLS[shell]!(await programOf(installedName() ?? "vgg16", table)));
      return 0;
    },
  };
}
