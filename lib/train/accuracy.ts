/**
 * A finished model's accuracy.
 *
 * @module
 */

import { createEngine } from "../engine/create.ts";
import type { EngineOptions } from "../engine/engine.ts";
import type { Sample } from "../input/dataset.ts";
import { layersOf } from "../model/architecture.ts";
import { openModel } from "../model/file.ts";
import { computeFeatures } from "./features.ts";

/** The part of pictures of which a model file is right, 0…1. */
export async function accuracyOf(
  bytes: Uint8Array,
  samples: readonly Sample[],
  options: EngineOptions,
): Promise<number> {
  const model = await openModel(bytes);
  await using engine = await createEngine(model, options);
  const classes = model.labels.length, once = { flip: false, crops: 0 };
  const last = layersOf(model.architecture).at(-1)!.name;
  const { data } = await computeFeatures(engine, model, samples, last, classes, once, undefined, {
    signal: options.signal,
  });
  const right = samples.filter(({ label }, n) => {
    const logits = data.subarray(n * classes, (n + 1) * classes);
    return logits.indexOf(Math.max(...logits)) === label;
  });
  return right.length / samples.length;
}
