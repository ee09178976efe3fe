/**
 * What a checkpoint's network gives for the fixtures' photo, in float64.
 *
 * @module
 */

import { openCheckpoint } from "../../lib/convert/formats/open_checkpoint.ts";
import {
  choosePreprocessing,
  type ChosenPreprocessing,
} from "../../lib/convert/network/preprocessing.ts";
import { understand, type Understood } from "../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../lib/convert/source.ts";
import { forward, networkLayers } from "./float_forward.ts";

/** Where the fixtures are. */
export const CHECKPOINTS = new URL("../fixtures/checkpoints/", import.meta.url);

/** What was understood of a checkpoint, and the logits of its network. */
export interface CheckpointLogits extends Understood {
  readonly chosen: ChosenPreprocessing;
  readonly logits: Float64Array;
}

/** Reads a checkpoint whose network takes 64x64 pixels and three channels. */
export async function checkpointLogits(
  file: URL | File,
  answers: Parameters<typeof understand>[2] = {},
): Promise<CheckpointLogits> {
  const source = await openConversionSource(file, {});
  try {
    const checkpoint = await openCheckpoint(source.bytes, source);
    try {
      const understood = await understand(checkpoint, source.name, answers);
      const { network, images } = understood;
      const chosen = choosePreprocessing(network, images, undefined, source.name);
      const { scale, mean, std } = chosen.preprocessing;
      const bytes = await Deno.readFile(new URL("photo.rgb", CHECKPOINTS));
      const values = Float64Array.from(bytes, (p, i) => (p * scale - mean[i % 3]) / std[i % 3]);
      const layers = await networkLayers(network, chosen);
      const logits = forward(layers, { height: 64, width: 64, channels: 3, values });
      return { ...understood, chosen, logits };
    } finally {
      checkpoint.close();
    }
  } finally {
    source.bytes.close();
  }
}
