/** `embed`: writes what a layer says about images. */

import { EMBEDDING_OPTIONS, pickOptions, RESOLVE_OPTIONS, type Table, text } from "../options.ts";
import { checkEmbedding } from "../output/embedding.ts";
import type { Command } from "./command.ts";
import { WRITES } from "./permissions.ts";
import { outputFiles } from "./embedding_formats.ts";
import { newFiles, openOutput, printedOutput } from "./embedding_output.ts";
import { expandInputs, INPUT_FLAGS } from "./inputs.ts";
import { stampsOf } from "./known_images.ts";
import { openClassifier, openModel } from "./loading.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS } from "./outputs.ts";
import { FORMAT_FLAGS, formatOf } from "./results.ts";
import { CLASSIFIER_FLAGS, imagesOf, keepEach, once, withSettings } from "./run.ts";
import { checkExecutor, settingsOf } from "./settings.ts";
import { parseShard, SHARD_OPTION, takeShard } from "./shard.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  ...EMBEDDING_OPTIONS,
  ...FORMAT_FLAGS,
  out: text(
    { placeholder: "FILE", unset: "JSON lines on standard output" },
    ".jsonl, .npy (with .names.jsonl), .safetensors, .csv or .parquet; a run that was " +
      "interrupted goes on, and a .jsonl takes more images",
  ),
  ...OUTPUT_FLAGS,
  ...INPUT_FLAGS,
  ...SHARD_OPTION,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const embedCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] PICTURE ...",
  operands: {
    "PICTURE": "A file, a folder, a URL, a pattern, or - for one picture on standard input",
  },
  examples: [
    { line: "vgg16 embed cat.jpg" },
    { line: "vgg16 embed photos --out vectors.npy", permissions: WRITES },
    { line: "vgg16 embed photos --layer pool5 --pooling avg --normalize" },
  ],
  options: OPTIONS,
  groups: { "What is written": ["layer", "pooling", "normalize"] },
  notes: "Exit code: 0, or 1 if an image could not be embedded, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const { out, force = false } = options, format = formatOf(options);
    if (out !== undefined && format !== "text") {
      throw new UsageError(`The name of --out says what is written: leave out --${format}`);
    }
    const written = out === undefined ? [] : outputFiles(out);
    const all = takeShard(await expandInputs(operands, options), parseShard(options.shard));
    const inputs = once(all, out !== undefined);
    const writes = out === undefined ? [] : await newFiles(out);
    const isWanted = await checkOutputs({
      reads: [...inputs.map(({ place }) => place), options.model, options.filesFrom],
      writes,
      grows: written.filter((path) => !writes.includes(path)),
    }, options);
    if (!isWanted) return 0;
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
    const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
    const embedding = pickOptions(EMBEDDING_OPTIONS, options);
    const { layer, parts } = withSettings(() => checkEmbedding(embedding, model));
    await using classifier = await openClassifier({ ...wanted, model });
    const settings = settingsOf("embed", [model], classifier.info, {
      layer,
      parts: parts.map(({ layer, pooling, normalize }) =>
        `${layer} ${pooling}${normalize ? " normalized" : ""}`
      ).join(", "),
    });
    if (out !== undefined) await makeFolderOf(out);
    const stamps = await stampsOf(out === undefined ? [] : inputs);
    using output = out === undefined
      ? printedOutput(format, { ...settings, backend: classifier.info.backend })
      : await openOutput(out, settings, stamps, force);
    const left = inputs.filter(({ name }) => !output.done.has(name));
    const items = classifier.embedStream(imagesOf(left), { ...embedding, signal });
    const code = await keepEach(
      items,
      {
        ...{ total: inputs.length, done: inputs.length - left.length, where: out, signal },
        ...{ verb: ["Embedding", "embedded"], goesOn: out !== undefined },
      },
      ({ embedding }, file) => {
        checkExecutor(classifier);
        output.add(file, embedding);
      },
      (failure) => output.addFailure(failure),
    );
    await output.finish(all.map(({ name }) => name), signal);
    return code;
  },
};
