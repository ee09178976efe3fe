/** Tells the network from the names, shapes and order of tensors, where the file holds nothing else. */

import { CheckpointFormatError } from "../../errors.ts";
import type { Checkpoint, ImageHint } from "../formats/checkpoint.ts";
import type { Graph } from "../formats/graph.ts";

/** What a user answers where tensors alone are ambiguous. */
export interface InferOptions {
  /** Height and width of the input. */
  readonly inputSize?: number | undefined;
  /** What the dense layers see of the last pool's map. */
  readonly afterPool?: "flatten" | "average" | undefined;
  /** Where batch normalization stands. */
  readonly norm?: "before-relu" | undefined;
  /** Which of several networks in a file: what precedes the names of its tensors. */
  readonly state?: string | undefined;
}

/** A network that was told from tensors. */
export interface InferredNetwork {
  readonly graph: Graph;
  /** How images are prepared, where tensors tell that; else the checkpoint's own hint holds. */
  readonly images?: ImageHint | undefined;
  /** What was taken for granted, in sentences for people: `"The input is 32x32 pixels, as …"`. */
  readonly assumptions: readonly string[];
}

/**
 * Infers the graph of a checkpoint that has none.
 *
 * @throws {CheckpointFormatError} If the tensors are no VGG's, or those of more than one network: then the
 *   message names the choices, and the option that answers.
 */
export function inferNetwork(
  checkpoint: Checkpoint,
  file: string,
  _options: InferOptions,
): Promise<InferredNetwork> {
  throw new CheckpointFormatError(`No network is inferred from ${checkpoint.format} in ${file}`, {
    code: "checkpoint-unsupported",
    file,
  });
}
