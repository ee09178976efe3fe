/** What decides what comes of an image, as the first line of a file that goes on holds it. */

import type { ViewOptions } from "../input/views.ts";
import type { Model } from "../model/model.ts";
import { VIEW_OPTIONS } from "../options.ts";
import { VERSION } from "../version.ts";

/** What decides what comes of an image; and `version`, which does not. */
export type Settings = Readonly<Record<string, string>>;

/**
 * The settings of a command that looks at images.
 *
 * @param models Those that look, several if they are fused.
 * @param own What only this command has.
 */
export function settingsOf(
  command: string,
  models: readonly Model[],
  { backend, precision }: { readonly backend: string; readonly precision: string },
  own: Readonly<Record<string, string>>,
): Settings {
  return {
    ...{ program: `vgg16 ${command}`, version: VERSION },
    model: models.map(({ id }) => id).join(" + "),
    // Of all that a model is: its weights, labels, preprocessing and temperature.
    sha256: models.map(({ sha256 }) => `${sha256}`).join(" + "),
    precision,
    // Integers are the same on all backends.
    ...precision === "float" && { backend },
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
