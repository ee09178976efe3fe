/** What a trained network says of the pictures that judge it. */

import { createEngine } from "../engine/create.ts";
import type { BackendOptions } from "../engine/engine.ts";
import { imagesTogether } from "../input/batches.ts";
import type { Model } from "../model/model.ts";
import { ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import type { Pictures } from "./pixels.ts";

/**
 * What a model says of some pictures, from their bytes as they were read: files may be gone by now.
 *
 * @returns Logits, `[pictures, K]`, `NaN` of all others.
 */
export async function pixelLogits(
  model: Model,
  { pixels, classes }: Pick<Pictures, "pixels" | "classes">,
  pictures: readonly number[],
  options: BackendOptions,
): Promise<Float64Array> {
  await using engine = await createEngine(model, options);
  const { labels, architecture: { input } } = model, { height, width, channels } = input;
  const size = height * width * channels, most = imagesTogether(input);
  const about = { stage: "evaluate", unit: "images" } as const;
  const progress = new ProgressTeller(options, about, pictures.length);
  const logits = new Float64Array(classes.length * labels.length).fill(NaN);
  for (let first = 0; first < pictures.length; first += most) {
    await takeTurn(options.signal);
    progress.reach(first);
    const some = pictures.slice(first, first + most), batch = new Uint8Array(some.length * size);
    some.forEach((n, i) => batch.set(pixels.subarray(n * size, (n + 1) * size), i * size));
    const { data, scale } = await engine.run(
      { data: batch, count: some.length, height, width },
      { signal: options.signal },
    );
    some.forEach((n, i) => {
      const own = data.subarray(i * labels.length, (i + 1) * labels.length);
      logits.set(Float64Array.from(own, (value) => value * scale[i]!), n * labels.length);
    });
  }
  progress.reach(pictures.length);
  return logits;
}
