/** From an open checkpoint to the network that it is. */

import type { Checkpoint, ImageHint } from "../formats/checkpoint.ts";
import { inferNetwork, type InferOptions } from "./infer.ts";
import { matchNetwork, type MatchOptions } from "./match_network.ts";
import type { Network } from "./network.ts";

/** What a user answers where a file does not tell. */
export type Answers = InferOptions & MatchOptions;

/** A checkpoint that is understood. */
export interface Understood {
  readonly network: Network;
  readonly images: ImageHint | undefined;
  /** The classes' labels, where the file has them. */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Takes the graph that the file has, or that its tensors tell, to a network.
 *
 * @throws {CheckpointFormatError} If it is no VGG, or ambiguous.
 */
export async function understand(
  checkpoint: Checkpoint,
  file: string,
  answers: Answers,
): Promise<Understood> {
  const { images, labels, graph } = checkpoint;
  if (graph !== undefined) {
    return { network: await matchNetwork(graph, file, answers), images, labels };
  }
  const inferred = await inferNetwork(checkpoint, file, answers);
  const network = await matchNetwork(inferred.graph, file, answers, inferred.assumptions);
  return { network, images, labels };
}
