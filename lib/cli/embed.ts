/**
 * `embed`: writes what a layer says about images.
 *
 * @module
 */

import { extname } from "@std/path/extname";
import { type EmbedOptions, loadClassifier } from "../classifier.ts";
import {
  embeddingLine,
  encodeEmbeddings,
  encodeNpy,
  type NamedEmbedding,
} from "../output/embedding_file.ts";
import { choiceOption, parseArguments, UsageError } from "./arguments.ts";
import { expandInputs } from "./inputs.ts";
import {
  CLASSIFIER_HELP,
  CLASSIFIER_OPTIONS,
  classifierOptions,
  eachImage,
  untilInterrupted,
} from "./run.ts";
import { ResumableLines, SHARD_HELP, shardOption, takeShard } from "./shard.ts";

const HELP = `Writes what a layer of the network says about images.

Usage: embed [OPTIONS] FILE|URL|DIRECTORY|- ...

Options:
  --layer LAYER         conv1_1 ... conv5_3, pool1 ... pool5, fc6, fc7, fc8 or prob
                        (default: the layer before the classifying one)
  --pooling POOLING     none, avg or max over all positions (default: none)
  --normalize           scale to a length of 1
  --out FILE            .npy, .safetensors or .jsonl (default: JSON lines on standard output); lines are
                        added to a .jsonl, without the images that it has: a run that was
                        interrupted goes on
${SHARD_HELP}
${CLASSIFIER_HELP}
  --help                shows this

Exit code: 0, or 1 if an image could not be embedded, or 2 for a wrong command line.
`;

const ENCODERS: Readonly<
  Record<string, (embeddings: readonly NamedEmbedding[]) => Uint8Array>
> = {
  ".npy": encodeNpy,
  ".safetensors": encodeEmbeddings,
  // Its lines are added one by one, so that nothing is left to encode.
  ".jsonl": () => new Uint8Array(),
};

/** Runs the command. Resolves to the exit code. */
export async function embedCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["normalize", "offline"],
    values: [...CLASSIFIER_OPTIONS, "layer", "pooling", "out", "shard"],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  if (parsed.operands.length === 0) {
    throw new UsageError("embed needs at least one file, URL, directory or - to read");
  }
  const out = parsed.values.get("out");
  const encode = out === undefined ? undefined : encoderOf(out);
  const inputs = takeShard(await expandInputs(parsed.operands), shardOption(parsed));
  using lines = out?.endsWith(".jsonl") ? await ResumableLines.open(out) : undefined;
  const left = inputs.filter((input) => !lines?.done.has(input));
  return await untilInterrupted(async (signal) => {
    await using classifier = await loadClassifier({ ...classifierOptions(parsed), signal });
    const options: EmbedOptions = {
      layer: parsed.values.get("layer"),
      pooling: choiceOption(parsed, "pooling", ["none", "avg", "max"]),
      normalize: parsed.flags.has("normalize"),
      signal,
    };
    const kept: NamedEmbedding[] = [];
    const code = await eachImage(left, ["Embedding", "embedded"], signal, async (image, file) => {
      const named = { file, embedding: await classifier.embed(image, options) };
      if (encode === undefined) return embeddingLine(named);
      if (lines !== undefined) await lines.append(embeddingLine(named));
      else kept.push(named);
    });
    if (out !== undefined && encode !== undefined && kept.length > 0) {
      await Deno.writeFile(out, encode(kept));
    }
    return code;
  });
}

function encoderOf(out: string): (embeddings: readonly NamedEmbedding[]) => Uint8Array {
  const extension = extname(out).toLowerCase();
  if (!Object.hasOwn(ENCODERS, extension)) {
    throw new UsageError(
      `Option --out needs a file ending in ${Object.keys(ENCODERS).join(", ")}: found "${out}"`,
    );
  }
  return ENCODERS[extension];
}
