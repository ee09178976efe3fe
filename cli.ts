/**
 * The command line.
 *
 * @module
 */

import { UsageError } from "./lib/cli/arguments.ts";
import { VERSION } from "./lib/version.ts";

type Command = (args: readonly string[]) => Promise<number>;

/** Each command is imported when it is called, so that none pays for another. */
const COMMANDS: Readonly<Record<string, { about: string; load: () => Promise<Command> }>> = {
  classify: {
    about: "prints the labels of images",
    load: async () => (await import("./lib/cli/classify.ts")).classifyCommand,
  },
  embed: {
    about: "writes what a layer says about images",
    load: async () => (await import("./lib/cli/embed.ts")).embedCommand,
  },
  explain: {
    about: "draws which part of an image speaks for a class",
    load: async () => (await import("./lib/cli/explain.ts")).explainCommand,
  },
  evaluate: {
    about: "measures what a model scores on labelled images",
    load: async () => (await import("./lib/cli/evaluate.ts")).evaluateCommand,
  },
  fit: {
    about: "teaches a model your own classes",
    load: async () => (await import("./lib/cli/fit.ts")).fitCommand,
  },
  convert: {
    about: "makes an int8 model of a checkpoint, of any of seven formats",
    load: async () => (await import("./lib/cli/convert.ts")).convertCommand,
  },
  pull: {
    about: "downloads a model of the catalog",
    load: async () => (await import("./lib/cli/pull.ts")).pullCommand,
  },
  models: {
    about: "lists, shows and removes models",
    load: async () => (await import("./lib/cli/models.ts")).modelsCommand,
  },
  profile: {
    about: "shows what each layer costs on this machine",
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
  --help     shows this, or a command's own help
  --version  shows the version
`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version") {
    console.log(VERSION);
    return 0;
  }
  if (name === undefined || name === "--help") {
    console.log(help());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const { closestString } = await import("@std/text/closest-string");
    const nearest = closestString(name, Object.keys(COMMANDS));
    throw new UsageError(`Unknown command ${name}: did you mean ${nearest}?`);
  }
  return await (await command.load())(args);
}

if (import.meta.main) {
  let code: number;
  try {
    code = await main(Deno.args);
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    if (error instanceof UsageError) console.error("Try --help.");
    code = error instanceof UsageError ? 2 : 1;
  }
  Deno.exit(code);
}
