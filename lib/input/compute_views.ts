/** The views of some images -> what an engine says of each image. */

import type { Activations, Engine } from "../engine/engine.ts";
import { isVggError } from "../errors.ts";
import type { LayerName } from "../model/architecture.ts";
import type { ViewShare } from "../model/readout.ts";
import { batchViews, maxPixelsFor, type ViewBatch } from "./batches.ts";
import { settled, type Work } from "./each_image.ts";
import type { InputSize } from "./prepare.ts";
import type { View } from "./views.ts";

/** What comes of the views of one image. */
export interface Mean<Result> {
  /** Adds view `n` of a batch, with what each of the layers gives that were asked for. */
  add(layers: readonly Activations[], n: number, view: ViewShare): void;
  result(): Result;
}

/**
 * What is computed of images that are ready.
 *
 * @param layers What is read of each view; none for what the network ends with.
 */
export function computeViews<Result>(
  engine: Engine,
  input: InputSize,
  layers: readonly LayerName[],
  meanOf: () => Mean<Result>,
): Work<readonly View[], Result>["compute"] {
  return async (images, signal) => {
    const means = images.map(meanOf), failures = new Map<number, unknown>();
    const views = images.flatMap((own, image) => own.map((view) => ({ view, image })));
    for (const batch of batchViews(views, maxPixelsFor(input))) {
      const activations = await run(engine, batch, layers, signal);
      batch.views.forEach(({ image, ...view }, n) => {
        const added = settled(() => means[image]!.add(activations(), n, view));
        if (added.status === "rejected") failures.set(image, added.reason);
      });
    }
    return means.map((mean, image) =>
      failures.has(image)
        ? { status: "rejected", reason: failures.get(image) }
        : settled(() => mean.result())
    );
  };
}

/** Runs a batch. That its views are too large for the device is their images' fault, and nobody else's. */
async function run(
  engine: Engine,
  batch: ViewBatch,
  layers: readonly LayerName[],
  signal: AbortSignal | undefined,
): Promise<() => Activations[]> {
  try {
    const activations = layers.length === 0
      ? [await engine.run(batch, { signal })]
      : await engine.runLayers(batch, layers, { signal });
    return () => activations;
  } catch (error) {
    if (!isVggError(error, "backend-capacity")) throw error;
    return () => {
      throw error;
    };
  }
}
