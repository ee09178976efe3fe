/** All commands, in the groups and the order of the help. */

import type { CommandInfo } from "./command.ts";
import { READS, WRITES } from "./permissions.ts";

/** Commands that serve one purpose. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: Readonly<Record<string, CommandInfo>>;
}

/** With the folder for caches, which is found in the environment. */
const CACHED = `${READS} --allow-env`;

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: "Look at pictures",
    commands: {
      classify: {
        about: "says which label each picture gets",
        completed: { paths: "pictures" },
        load: async () => (await import("./classify.ts")).classifyCommand,
      },
      explain: {
        about: "draws which part of a picture speaks for a label",
        permissions: WRITES,
        completed: { paths: "pictures" },
        load: async () => (await import("./explain.ts")).explainCommand,
      },
      embed: {
        about: "writes what similar pictures are found by, as .npy, .csv ...",
        completed: { paths: "pictures" },
        load: async () => (await import("./embed.ts")).embedCommand,
      },
      similar: {
        about: "finds the pictures of a folder that are most similar to others",
        completed: { paths: "pictures" },
        load: async () => (await import("./similar.ts")).similarCommand,
      },
      duplicates: {
        about: "finds the pictures of a folder that are copies of each other",
        completed: { paths: "folders" },
        load: async () => (await import("./duplicates.ts")).duplicatesCommand,
      },
      worker: {
        about: "answers another program: pictures on standard input",
        load: async () => (await import("./worker.ts")).workerCommand,
      },
    },
  },
  {
    title: "Make and measure models",
    commands: {
      fit: {
        about: "teaches a model your own classes, from one folder per class",
        permissions: WRITES,
        completed: { paths: "files" },
        load: async () => (await import("./fit.ts")).fitCommand,
      },
      evaluate: {
        about: "measures accuracy on labeled pictures, with an HTML report",
        completed: { paths: "files" },
        load: async () => (await import("./evaluate.ts")).evaluateCommand,
      },
      convert: {
        about: "makes a model file of a PyTorch, Keras, ONNX ... checkpoint",
        permissions: WRITES,
        completed: { paths: "files" },
        load: async () => (await import("./convert.ts")).convertCommand,
      },
      profile: {
        about: "measures what each layer costs on this machine",
        load: async () => (await import("./profile.ts")).profileCommand,
      },
    },
  },
  {
    title: "Work on many machines",
    commands: {
      manifest: {
        about: "divides millions of pictures into parts, once",
        permissions: WRITES,
        completed: { paths: "files" },
        load: async () => (await import("./manifest.ts")).manifestCommand,
      },
      merge: {
        about: "tells whether the results of all parts are there",
        completed: { paths: "folders" },
        load: async () => (await import("./merge.ts")).mergeCommand,
      },
    },
  },
  {
    title: "Manage",
    commands: {
      models: {
        about: "lists, describes and removes models",
        permissions: CACHED,
        completed: { words: ["info", "remove"], ids: true },
        load: async () => (await import("./models.ts")).modelsCommand,
      },
      pull: {
        about: "downloads a model of the catalog into the cache",
        permissions: `${WRITES} --allow-net --allow-env`,
        completed: { ids: true },
        load: async () => (await import("./pull.ts")).pullCommand,
      },
      doctor: {
        about: "says which backend, threads, cache and model are in use, and why",
        load: async () => (await import("./doctor.ts")).doctorCommand,
      },
      completions: {
        about: "prints what makes your shell complete commands and options",
        permissions: "",
        completed: { words: ["bash", "zsh", "fish"] },
        load: async () => (await import("./completions.ts")).completionsCommand(COMMANDS),
      },
      man: {
        about: "prints the manual page",
        permissions: "",
        load: async () => (await import("./man.ts")).manCommand(COMMANDS),
      },
    },
  },
];

/** All of them, by name. */
export const COMMANDS: Readonly<Record<string, CommandInfo>> = Object.assign(
  {},
  ...COMMAND_GROUPS.map(({ commands }) => commands),
);
