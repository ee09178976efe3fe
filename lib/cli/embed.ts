/** `embed`: writes what a layer says about images. */

import { extname } from "node:path";
import { loadClassifier } from "../classifier.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { EMBEDDING_OPTIONS, pickOptions, type Table, text } from "../options.ts";
import {
  embeddingRecord,
  encodeEmbeddings,
  encodeNpy,
  type NamedEmbedding,
} from "../output/embedding_file.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { expandInputs } from "./inputs.ts";
import { keepInputs } from "./outputs.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE, imagesOf, keepEach } from "./run.ts";
import { parseShard, ResumableLines, SHARD_OPTION, takeShard } from "./shard.ts";
import { printJson, tell } from "./terminal.ts";

const OPTIONS = {
  ...EMBEDDING_OPTIONS,
  out: text(
    { placeholder: "FILE", unset: "JSON lines on standard output" },
    ".npy, .safetensors or .jsonl; lines are added to a .jsonl, without the images that it " +
      "has: a run that was interrupted goes on",
  ),
  ...SHARD_OPTION,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

type Encoder = (embeddings: readonly NamedEmbedding[]) => Uint8Array;

const ENCODERS = new Map(Object.entries<Encoder>({
  ".npy": encodeNpy,
  ".safetensors": encodeEmbeddings,
  // Its lines are added one by one, so that nothing is left to encode.
  ".jsonl": () => new Uint8Array(),
}));

export const embedCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] FILE|URL|DIRECTORY|- ...",
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,
  notes: "Exit code: 0, or 1 if an image could not be embedded, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const { out } = options;
    const encode = out === undefined ? undefined : encoderOf(out);
    const inputs = takeShard(await expandInputs(operands), parseShard(options.shard));
    await keepInputs(
      [...inputs.map(({ place }) => place), options.model],
      out === undefined ? [] : [out],
    );
    using lines = out?.toLowerCase().endsWith(".jsonl")
      ? await ResumableLines.open(out)
      : undefined;
    const left = inputs.filter(({ name }) => !lines?.done.has(name));
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal, onWarning: tell };
    await using classifier = await loadClassifier(wanted);
    const embedding = { ...pickOptions(EMBEDDING_OPTIONS, options), signal };
    const kept: NamedEmbedding[] = [];
    const items = classifier.embedStream(imagesOf(left), embedding);
    const code = await keepEach(items, left.length, ["Embedding", "embedded"], (found, file) => {
      const named = { file, embedding: found.embedding };
      if (encode === undefined) printJson(embeddingRecord(named));
      else if (lines !== undefined) lines.append(embeddingRecord(named));
      else kept.push(named);
    }, encode === undefined ? printJson : undefined);
    if (out !== undefined && encode !== undefined && kept.length > 0) {
      await writeWhole(out, encode(kept));
    }
    return code;
  },
};

function encoderOf(out: string): Encoder {
  const encoder = ENCODERS.get(extname(out).toLowerCase());
  if (encoder !== undefined) return encoder;
  throw new UsageError(
    `Option --out needs a file ending in ${[...ENCODERS.keys()].join(", ")}: found "${out}"`,
  );
}
