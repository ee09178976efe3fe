/** A model in several files with fixed names: a folder, or a repository of a Hugging Face host. */

import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import type { OpenSibling } from "../formats/checkpoint.ts";
import { describeModel, type ModelDescription } from "./describe.ts";

/** Where the files are. */
export interface ModelFiles {
  /** For messages and provenance. */
  readonly name: string;
  /** What to call the model. */
  readonly id: string;
  /** What is said before the names of the files of which there is none. */
  readonly problem: string;
  /** `undefined` if there is no such file. */
  open(file: string): Promise<ByteSource | undefined>;
}

/** A model whose weights are open. */
export interface OpenedModel {
  readonly bytes: ByteSource;
  /** Of the file with the weights, for messages. */
  readonly name: string;
  readonly openSibling: OpenSibling;
  readonly description: ModelDescription;
}

/** Files with weights, the best first: the safest, and those that say most. */
const WEIGHTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "model.weights.h5",
  "tf_model.h5",
  "flax_model.msgpack",
];
/** Larger than any of their descriptions. */
const MAX_JSON_BYTES = 16 << 20;

/**
 * Opens a model's weights, and reads what the files beside them say.
 *
 * @param others Names that may stand for a model elsewhere, after all others.
 * @throws {CheckpointFormatError} If there are none.
 */
export async function openModelFiles(
  files: ModelFiles,
  others: readonly string[] = [],
): Promise<OpenedModel> {
  for (const file of [...WEIGHTS, ...others]) {
    const bytes = await files.open(file);
    if (bytes === undefined) continue;
    try {
      const [config, preprocessor] = [
        await readJson(files, "config.json"),
        await readJson(files, "preprocessor_config.json"),
      ];
      return {
        bytes,
        name: bytes.name,
        openSibling: (name) => openOf(files, name, bytes.name),
        description: describeModel(config, preprocessor),
      };
    } catch (error) {
      bytes.close();
      throw error;
    }
  }
  throw new CheckpointFormatError(
    `${files.problem} ${WEIGHTS.join(", ")}`,
    { code: "checkpoint-unsupported", file: files.name },
  );
}

async function openOf(files: ModelFiles, name: string, by: string): Promise<ByteSource> {
  if (/[/\\]|^\.{0,2}$/.test(name)) {
    const message = `${by} refers to ${name}: expected the name of a file beside it`;
    throw new CheckpointFormatError(message, { file: by });
  }
  const found = await files.open(name);
  if (found !== undefined) return found;
  throw new CheckpointFormatError(`${by} refers to ${name} beside it: there is none`, { file: by });
}

async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const source = await files.open(name);
  if (source === undefined) return undefined;
  try {
    if (source.size! > MAX_JSON_BYTES) throw new SyntaxError(`${source.size} bytes are too many`);
    const bytes = new Uint8Array(source.size!);
    await source.read(0, bytes);
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = `${source.name} is not JSON: ${cause.message}`;
    throw new CheckpointFormatError(message, { file: source.name, cause });
  } finally {
    source.close();
  }
}
