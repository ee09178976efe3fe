/** `embed`: writes what a layer says about images. */

import { loadClassifier } from "../classifier.ts";
import { resolveModel } from "../open_model.ts";
import {
  EMBEDDING_OPTIONS,
  flag,
  pickOptions,
  RESOLVE_OPTIONS,
  type Table,
  text,
} from "../options.ts";
import { checkEmbedding } from "../output/embedding.ts";
import type { Command } from "./command.ts";
import { outputFiles } from "./embedding_formats.ts";
import { keepExisting, openOutput, PRINTED } from "./embedding_output.ts";
import { expandInputs } from "./inputs.ts";
import { stampsOf } from "./known_images.ts";
import { keepInputs } from "./outputs.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE, imagesOf, keepEach } from "./run.ts";
import { settingsOf } from "./settings.ts";
import { parseShard, SHARD_OPTION, takeShard } from "./shard.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  ...EMBEDDING_OPTIONS,
  out: text(
    { placeholder: "FILE", unset: "JSON lines on standard output" },
    ".jsonl, .npy (with .names.jsonl), .safetensors, .csv or .parquet; a run that was " +
      "interrupted goes on, and a .jsonl takes more images",
  ),
  force: flag({}, "Replace FILE, which is kept otherwise"),
  ...SHARD_OPTION,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const embedCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] FILE|URL|DIRECTORY|- ...",
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,
  notes: "Exit code: 0, or 1 if an image could not be embedded, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const { out, force = false } = options;
    if (force && out === undefined) throw new UsageError("Option --force needs --out");
    const written = out === undefined ? [] : outputFiles(out);
    const inputs = takeShard(await expandInputs(operands), parseShard(options.shard));
    await keepInputs([...inputs.map(({ place }) => place), options.model], written);
    if (out !== undefined && !force) await keepExisting(out);
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal, onWarning: tell };
    const model = await resolveModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
    const embedding = pickOptions(EMBEDDING_OPTIONS, options);
    const { layer, parts } = checkEmbedding(embedding, model);
    await using classifier = await loadClassifier({ ...wanted, model });
    const settings = settingsOf("embed", [model], classifier.info, {
      layer,
      parts: parts.map(({ layer, pooling, normalize }) =>
        `${layer} ${pooling}${normalize ? " normalized" : ""}`
      ).join(", "),
    });
    const stamps = await stampsOf(out === undefined ? [] : inputs);
    using output = out === undefined ? PRINTED : await openOutput(out, settings, stamps, force);
    // What is given twice is computed once, unless it is printed.
    const each = out === undefined
      ? inputs
      : [...new Map(inputs.map((input) => [input.name, input])).values()];
    const left = each.filter(({ name }) => !output.done.has(name));
    const items = classifier.embedStream(imagesOf(left), { ...embedding, signal });
    let done = each.length - left.length;
    try {
      const code = await keepEach(items, left.length, ["Embedding", "embedded"], (item, file) => {
        output.add(file, item.embedding);
        done++;
      }, (failure) => output.addFailure(failure));
      await output.finish(inputs.map(({ name }) => name), signal);
      return code;
    } finally {
      if (signal.aborted && out !== undefined) {
        tell(`Stopped after ${done} of ${each.length}: run the same command to go on`);
      }
    }
  },
};
