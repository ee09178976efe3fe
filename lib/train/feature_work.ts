/** What the frozen layers say of a picture, and what else is known of it, as work on many. */

import type { Engine } from "../engine/engine.ts";
import type { ImageOptions, Pixels } from "../image/image.ts";
import { releasePixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { imagesTogether } from "../input/batches.ts";
import { computeViews, type Mean } from "../input/compute_views.ts";
import type { Work } from "../input/each_image.ts";
import { PreparedImage } from "../input/prepared_image.ts";
import { looksOf, scalesOf, type View } from "../input/views.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import type { FeatureRecipe } from "../model/readout.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import { FeatureRows } from "../output/readout.ts";
import { colorHistogram } from "./baselines.ts";
import type { Computed } from "./feature_store.ts";

/** A network, and what is read of it. */
export type FeatureModel = Pick<Model, "architecture" | "preprocessing"> & {
  readonly readout: { readonly features: FeatureRecipe };
};

/** A picture that is ready for the network. */
interface Ready {
  readonly views: readonly View[];
  readonly fingerprint: string;
  readonly colors: Float32Array;
}

/** Makes what is known of pictures. */
export function featureWork(
  engine: Engine,
  model: FeatureModel,
  options: ImageOptions,
): Work<Ready, Computed> {
  const { input } = model.architecture, { features } = model.readout;
  const reading = {
    ...pickOptions(IMAGE_OPTIONS, options),
    shorterSide: Math.max(...scalesOf(model, {})),
  };
  const layers = features.blocks.map(({ layer }) => layer);
  const compute = computeViews(engine, input, layers, () => new RowOf(model));
  return {
    prepare: async (image, signal) => {
      if (image instanceof PreparedImage) throw new TypeError("Expected a picture to learn from");
      const pixels = await readImage(image, { ...reading, signal });
      const views = looksOf(pixels, model);
      const ready = {
        views,
        fingerprint: await fingerprint(pixels),
        colors: colorHistogram(pixels),
      };
      if (views.every(({ data }) => data.buffer !== pixels.data.buffer)) releasePixels(pixels);
      return ready;
    },
    compute: async (ready, signal) => {
      const rows = await compute(ready.map(({ views }) => views), signal);
      return rows.map((row, n) =>
        row.status === "rejected"
          ? row
          : { status: "fulfilled", value: { ...ready[n]!, features: row.value } }
      );
    },
    most: imagesTogether(input),
    bytesOf: ({ views }) => views.reduce((sum, { data }) => sum + data.length, 0),
  };
}

/** The features of one look at a picture. */
class RowOf extends FeatureRows implements Mean<Float32Array> {
  constructor({ architecture, readout }: FeatureModel) {
    super(readout.features, architecture);
  }

  result(): Float32Array {
    return this.rows[0]!.values;
  }
}

/** SHA-256 of a picture's pixels, in hex. */
export function fingerprint({ width, height, data }: Pixels): Promise<string> {
  return sha256(`${width}x${height}\n`, data);
}
