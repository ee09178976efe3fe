/** What decides what comes of an image, as the first line of a file that goes on holds it. */

import type { Classifier } from "../classifier.ts";
import type { ViewOptions } from "../input/views.ts";
import type { Model } from "../model/model.ts";
import { type SELECTION_OPTIONS, type Values, VIEW_OPTIONS } from "../options.ts";
import type { CheckedEmbedding } from "../output/embedding.ts";
import { VERSION } from "../version.ts";

/** What decides what comes of an image; and `version`, which does not. */
export type Settings = Readonly<Record<string, string>>;

/** What computes. */
interface Executor {
  readonly backend: string;
  readonly precision: string;
  /** Where that is known: the adapter, or the variant of the kernels. */
  readonly device?: string;
}

/**
 * Makes sure that what computes is still what the settings say: a GPU may be lost, and floats of its substitute are
 * others.
 *
 * @throws {Error} If it is not.
 */
export function checkExecutor(classifier: Classifier): void {
  const { backend, precision } = classifier.info;
  if (precision === "int8" || classifier.usage().backend === backend) return;
  throw new Error(`The ${backend} device was lost: run the same command again to go on with it`);
}

/**
 * The settings of a command that looks at images.
 *
 * @param models Those that look, several if they are fused.
 * @param own What only this command has.
 */
export function settingsOf(
  command: string,
  models: readonly Model[],
  { backend, precision, device }: Executor,
  own: Readonly<Record<string, string>>,
): Settings {
  return {
    ...{ program: `vgg16 ${command}`, version: VERSION },
    model: models.map(({ id }) => id).join(" + "),
    // Of all that a model is: its weights, labels, preprocessing and temperature.
    sha256: models.map(({ sha256 }) => `${sha256}`).join(" + "),
    precision,
    // Integers are the same everywhere.
    ...precision === "float" && { backend, ...device !== undefined && { device } },
    ...own,
  };
}

/** The parts of an image that are looked at, as settings. */
export function viewSettings({ crops, scales, flip }: ViewOptions): Settings {
  return {
    crops: crops ?? VIEW_OPTIONS.crops.default,
    ...scales !== undefined && { scales: scales.join(",") },
    ...flip !== undefined && { flip: String(flip) },
  };
}

/** Which labels are kept, as settings. */
export function selectionSettings(options: Values<typeof SELECTION_OPTIONS>): Settings {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, Array.isArray(value) ? JSON.stringify(value) : String(value)]),
  );
}

/** What is read for an embedding, as settings. */
export function embeddingSettings({ layer, parts }: CheckedEmbedding): Settings {
  return {
    layer,
    parts: parts.map(({ layer, pooling, normalize }) =>
      `${layer} ${pooling}${normalize ? " normalized" : ""}`
    ).join(", "),
  };
}
