/**
 * The command line.
 *
 * @module
 */

import { print, tell, tellError } from "./lib/cli/terminal.ts";
import { UsageError } from "./lib/cli/usage_error.ts";
import type { Command } from "./lib/cli/command.ts";
import { VERSION } from "./lib/version.ts";

/** Each command is imported when it is called, so that none pays for another. */
const COMMANDS: Readonly<Record<string, { about: string; load: () => Promise<Command> }>> = {
  classify: {
    about: "Predicts the labels of images",
    load: async () => (await import("./lib/cli/classify.ts")).classifyCommand,
  },
  embed: {
    about: "Writes what a layer of the network says about images",
    load: async () => (await import("./lib/cli/embed.ts")).embedCommand,
  },
  similar: {
    about: "Finds the pictures of a folder that are most similar to others",
    load: async () => (await import("./lib/cli/similar.ts")).similarCommand,
  },
  duplicates: {
    about: "Finds the pictures of a folder that are copies of each other",
    load: async () => (await import("./lib/cli/duplicates.ts")).duplicatesCommand,
  },
  explain: {
    about: "Draws which part of an image speaks for a class",
    load: async () => (await import("./lib/cli/explain.ts")).explainCommand,
  },
  evaluate: {
    about: "Measures what a model scores on labeled images",
    load: async () => (await import("./lib/cli/evaluate.ts")).evaluateCommand,
  },
  fit: {
    about: "Teaches a model your own classes: freezes its layers and trains a new head",
    load: async () => (await import("./lib/cli/fit.ts")).fitCommand,
  },
  convert: {
    about: "Converts a VGG checkpoint of another framework to an int8 model file",
    load: async () => (await import("./lib/cli/convert.ts")).convertCommand,
  },
  pull: {
    about: "Downloads a model of the catalog, quantizes it, and keeps it in the cache",
    load: async () => (await import("./lib/cli/pull.ts")).pullCommand,
  },
  models: {
    about: "Lists, shows and removes the models that are known by name",
    load: async () => (await import("./lib/cli/models.ts")).modelsCommand,
  },
  profile: {
    about: "Shows what each layer costs on this machine, and which kernel computes it",
    load: async () => (await import("./lib/cli/profile.ts")).profileCommand,
  },
};

function help(): string {
  const lines = Object.entries(COMMANDS).map(([name, { about }]) =>
    `  ${name.padEnd(10)} ${about}`
  );
  return `vgg16 ${VERSION}: quantized VGG image classification

Usage: deno run cli.ts COMMAND [OPTIONS]

Commands:
${lines.join("\n")}

Options:
  --help     Shows this, or a command's own help
  --version  Shows the version

Ctrl-C ends a command with exit code 130, a second one at once. What was half written is removed,
and what can be gone on with is kept.
`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version") {
    print(VERSION);
    return 0;
  }
  if (name === undefined || name === "--help") {
    print(help().split("\n"));
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const { closestName } = await import("./lib/options/closest.ts");
    const nearest = closestName(name, Object.keys(COMMANDS));
    throw new UsageError(`There is no command ${name}: did you mean ${nearest}?`);
  }
  const { runCommand } = await import("./lib/cli/command.ts");
  return await runCommand(await command.load(), args, name, command.about);
}

if (import.meta.main) {
  let code: number;
  try {
    code = await main(Deno.args);
  } catch (error) {
    tellError(error);
    if (error instanceof UsageError) tell("Try --help.");
    code = error instanceof UsageError ? 2 : 1;
  }
  Deno.exit(code);
}
