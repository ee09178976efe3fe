/** All commands, in the groups and the order of the help. */

import type { Command } from "./command.ts";

/** A command, as it is listed. */
export interface CommandInfo {
  /** What it is for, in a few words that follow its name. */
  readonly about: string;
  /** Imports it, so that no command pays for another. */
  readonly load: () => Promise<Command>;
}

/** Commands that serve one purpose. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: Readonly<Record<string, CommandInfo>>;
}

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: "Look at pictures",
    commands: {
      classify: {
        about: "which label each picture gets",
        load: async () => (await import("./classify.ts")).classifyCommand,
      },
      explain: {
        about: "which part of a picture speaks for a label, drawn",
        load: async () => (await import("./explain.ts")).explainCommand,
      },
      embed: {
        about: "what similar pictures are found by, as .npy, .csv, JSON lines ...",
        load: async () => (await import("./embed.ts")).embedCommand,
      },
      similar: {
        about: "the pictures of a folder that are most similar to others",
        load: async () => (await import("./similar.ts")).similarCommand,
      },
      duplicates: {
        about: "the pictures of a folder that are copies of each other",
        load: async () => (await import("./duplicates.ts")).duplicatesCommand,
      },
    },
  },
  {
    title: "Make and measure models",
    commands: {
      fit: {
        about: "teach a model your own classes, from one folder per class",
        load: async () => (await import("./fit.ts")).fitCommand,
      },
      evaluate: {
        about: "accuracy on labeled pictures, with an HTML report",
        load: async () => (await import("./evaluate.ts")).evaluateCommand,
      },
      convert: {
        about: "a PyTorch, Keras, ONNX ... checkpoint into a model file",
        load: async () => (await import("./convert.ts")).convertCommand,
      },
      profile: {
        about: "what each layer costs on this machine",
        load: async () => (await import("./profile.ts")).profileCommand,
      },
    },
  },
  {
    title: "Manage",
    commands: {
      models: {
        about: "list, describe, remove models; where the cache is",
        load: async () => (await import("./models.ts")).modelsCommand,
      },
      pull: {
        about: "download a model of the catalog into the cache",
        load: async () => (await import("./pull.ts")).pullCommand,
      },
      doctor: {
        about: "backend, threads, cache and model in use, and why",
        load: async () => (await import("./doctor.ts")).doctorCommand,
      },
    },
  },
];

/** All of them, by name. */
export const COMMANDS: Readonly<Record<string, CommandInfo>> = Object.assign(
  {},
  ...COMMAND_GROUPS.map(({ commands }) => commands),
);
