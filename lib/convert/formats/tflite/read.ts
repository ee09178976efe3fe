/** Reads TensorFlow Lite's models: of floats, halves, and integers that stand for them. */

import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { Translator, weightsOf } from "../tensorflow/translate.ts";
import { readMetadata } from "./metadata.ts";
import { readTfliteModel } from "./model.ts";
import { graphOf } from "./nodes.ts";

/** Opens a model. Values between layers are floats, also where the model rounds them to integers. */
export async function readTflite(source: ByteSource, budget: Budget): Promise<Checkpoint> {
  const model = await readTfliteModel(source, budget);
  const translator = new Translator(await graphOf(model), source.name, budget, () => undefined);
  const graph = await translator.translate(model.outputs.map((index) => `t${index}`));
  const tensors = weightsOf(graph, "TensorFlow Lite model", source.name);
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
