/** Reads TensorFlow Lite's models: of floats, halves, and integers that stand for them. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { Translator } from "../tensorflow/translate.ts";
import { readMetadata } from "./metadata.ts";
import { readTfliteModel } from "./model.ts";
import { graphOf } from "./nodes.ts";

/** Opens a model. Values between layers are floats, also where the model rounds them to integers. */
export async function readTflite(source: ByteSource, budget: Budget): Promise<Checkpoint> {
  const model = await readTfliteModel(source, budget);
  const translator = new Translator(await graphOf(model), source.name, budget, () => undefined);
  const graph = await translator.translate(model.outputs.map((index) => `t${index}`));
  const tensors = graph.nodes.flatMap(({ operator }) =>
    operator.kind === "conv" || operator.kind === "dense" ? [operator.weight] : []
  );
  if (tensors.length === 0) {
    throw new CheckpointFormatError(
      `Expected convolutions with weights in the TensorFlow Lite model ${source.name}: found none`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const input = model.tensors[model.inputs[0] ?? -1];
  return {
    format: "TensorFlow Lite",
    tensors,
    order: "declared",
    graph,
    ...await readMetadata(source, model.metadata, input, budget),
    epsilon: 1e-3,
    close(): void {},
  };
}
