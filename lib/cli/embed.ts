/** `embed`: writes what a layer says about images. */

import { writeParts } from "../io/atomic_file.ts";
import { hashParts } from "../io/hash.ts";
import {
  choice,
  EMBEDDING_OPTIONS,
  pickOptions,
  RESOLVE_OPTIONS,
  type Table,
  text,
  type Values,
} from "../options.ts";
import { checkEmbedding } from "../output/embedding.ts";
import type { Command } from "./command.ts";
import {
  checkNoParts,
  checkOnlyParts,
  findJob,
  PARTS_OPTIONS,
  PARTS_OUT_DIR,
  runParts,
  withPartCodes,
} from "./parts/run_parts.ts";
import { SpooledRows } from "./parts/spooled_rows.ts";
import { WRITES } from "./permissions.ts";
import { outputFiles, ROW_FORMATS } from "./embedding_formats.ts";
import { newFiles, openOutput, printedOutput } from "./embedding_output.ts";
import { expandInputs, INPUT_FLAGS } from "./inputs.ts";
import { stampsOf } from "./known_images.ts";
import { openClassifier, openModel } from "./loading.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS } from "./outputs.ts";
import { FORMAT_FLAGS, formatOf } from "./results.ts";
import { CLASSIFIER_FLAGS, imagesOf, keepEach, once, withSettings } from "./run.ts";
import { checkExecutor, embeddingSettings, settingsOf } from "./settings.ts";
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
  ...PARTS_OPTIONS,
  ...PARTS_OUT_DIR,
  as: choice(
    { choices: ["npy", "safetensors", "csv", "parquet"], default: "npy" },
    "In which form the embeddings of a part are written",
  ),
  ...CLASSIFIER_FLAGS,
} satisfies Table;

type Options = Values<typeof OPTIONS>;

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
  notes:
    "Exit code: 0, or 1 if an image could not be embedded, or 2 for a wrong command line; of parts " +
    "0 once they are there, 65 for too many errors, 75 for what may pass.",

  async run(operands, options, signal) {
    if (options.manifest !== undefined) {
      return await withPartCodes(() => embedParts(operands, options, signal), signal);
    }
    checkNoParts(options);
    if (options.as !== undefined) {
      throw new UsageError(
        "Option --as is for the parts of a --manifest: the name of --out says it otherwise",
      );
    }
    const { out, force = false } = options, format = formatOf(options);
    if (out !== undefined && format !== "text") {
      throw new UsageError(`The name of --out says what is written: leave out --${format}`);
    }
    const written = out === undefined ? [] : outputFiles(out);
    const all = takeShard(
      await expandInputs(operands, options),
      parseShard(options.shard),
      ({ name }) => name,
    );
    const inputs = once(all, out !== undefined);
    const writes = out === undefined ? [] : await newFiles(out);
    const isWanted = await checkOutputs({
      reads: [...inputs.map(({ place }) => place), options.model, options.filesFrom],
      writes,
      grows: written.filter((path) => !writes.includes(path)),
    }, options);
    if (!isWanted) return 0;
    const { settings, embedding, ...asked } = await ask(options, signal);
    await using classifier = asked.classifier;
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

/** Opens what looks at pictures, and says what is wanted of it. */
async function ask(options: Options, signal: AbortSignal) {
  const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
  const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
  const embedding = pickOptions(EMBEDDING_OPTIONS, options);
  const layers = withSettings(() => checkEmbedding(embedding, model));
  const classifier = await openClassifier({ ...wanted, model });
  const settings = settingsOf("embed", [model], classifier.info, embeddingSettings(layers));
  return { classifier, embedding, settings };
}

/** Embeds the parts of a manifest: each gives a file of rows, and one of lines beside it. */
async function embedParts(
  operands: readonly string[],
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const { out, json, jsonl, csv, tsv, filesFrom, hidden, shard } = options;
  checkOnlyParts({ out, json, jsonl, csv, tsv, filesFrom, hidden, shard });
  const job = await findJob(operands, options);
  const { classifier, embedding, ...asked } = await ask(options, signal);
  await using _classifier = classifier;
  const ending = `.${options.as ?? "npy"}`, settings = { ...asked.settings, as: ending.slice(1) };
  const encode = await ROW_FORMATS.get(ending)!(); // The choices are its keys.
  const blank = { data: new Uint8Array(3), width: 1, height: 1 };
  const { shape } = await classifier.embed(blank, { ...embedding, signal });
  await runParts(
    job,
    {
      settings,
      verb: ["Embedding", "embedded"],
      stream: (images) => classifier.embedStream(images, { ...embedding, signal }),
      begin(part, pathOf) {
        const rows = new SpooledRows(part.entries.map(({ id }) => id), shape, settings, job.outDir);
        return {
          record({ index, embedding }) {
            checkExecutor(classifier);
            rows.add(index, embedding);
            return {};
          },
          async finish(errors) {
            const table = rows.table(errors);
            // Where a picture comes and goes, two runs have two arrays.
            const path = pathOf(`.${(await hashParts(encode(table))).slice(0, 12)}${ending}`);
            await writeParts(path, encode(table), signal);
            return path;
          },
          [Symbol.dispose]: () => rows[Symbol.dispose](),
        };
      },
    },
    options,
    signal,
  );
  return 0;
}
