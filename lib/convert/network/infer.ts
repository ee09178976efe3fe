/** Tells the network from the names, shapes and order of tensors, where the file holds nothing else. */

import { CheckpointFormatError } from "../../errors.ts";
import type { Checkpoint } from "../formats/checkpoint.ts";
import type { Graph } from "../formats/graph.ts";

/** What a user answers where tensors alone are ambiguous. */
export interface InferOptions {
  /** Height and width of the input. */
  readonly inputSize?: number | undefined;
  /** What the dense layers see of the last pool's map. */
  readonly afterPool?: "flatten" | "average" | undefined;
  /** Where batch normalization stands. */
  readonly norm?: "before-relu" | undefined;
}

/**
 * Infers the graph of a checkpoint that has none.
 *
 * @throws {CheckpointFormatError} If the tensors are no VGG's, or those of more than one network: then the
 *   message names the choices, and the option that answers.
 */
export function inferGraph(checkpoint: Checkpoint, file: string, _options: InferOptions): Graph {
  throw new CheckpointFormatError(`No network is inferred from ${checkpoint.format} in ${file}`, {
    code: "checkpoint-unsupported",
    file,
  });
}
