/** The options of a fit on frozen layers. */

import type { BackendOptions } from "../engine/engine.ts";
import type { LayerName } from "../model/architecture.ts";
import type { FeaturePooling } from "../model/readout.ts";
import type { ModelSource, ResolveOptions } from "../open_model.ts";
import type { Complete } from "../options.ts";
import type { FIT_OPTIONS } from "../options/training.ts";
import type { OutOptions } from "./fitted.ts";
import type { LearningOptions } from "./options.ts";
import type { Whitening } from "./statistics.ts";

/** Options of {@linkcode fit}. */
export interface FitOptions extends LearningOptions, OutOptions, BackendOptions, ResolveOptions {
  /** The model whose layers are frozen: catalog id, path, URL, bytes, or an open one. Default: the embedded one. */
  readonly model?: ModelSource | undefined;
  /**
   * The layers that the head sees, side by side: any of the model but the classifying one and the scores.
   * Default: `pool4` and `pool5`.
   */
  readonly layer?: LayerName | readonly LayerName[] | undefined;
  /** What becomes of a layer's positions: their average, the averages of four quarters, or each. Default: `"avg"`. */
  readonly pooling?: FeaturePooling | undefined;
  /**
   * Sides in pixels of the squares in which a picture is looked at, at most 4; what it says in each is put side
   * by side. Dense layers see the size that they were trained for. Default: that of the model's input; a fifth more
   * of 301 to 1,000 pictures.
   */
  readonly sides?: readonly number[] | undefined;
  /**
   * Whether a picture and its mirror image are looked at, and what they say is averaged, which takes twice the
   * time, also when the new model classifies. Default: `"auto"`, of up to 300 pictures.
   */
  readonly mirror?: "auto" | "on" | "off" | undefined;
  /**
   * `"linear"`: one dense layer, which learns until it is the best one (logistic regression); `"nearest"`: the
   * pictures that are most like one decide, from one picture a class on. Default: `"auto"`, nearest where the
   * median class has fewer than 10 pictures.
   */
  readonly head?: "auto" | "linear" | "nearest" | undefined;
  /** Units of a hidden layer of the head, which then learns in epochs; 0, the default, for none. */
  readonly hidden?: number | undefined;
  /** Epochs of which none judges the validation pictures better, after which a hidden layer stops. Default: 20. */
  readonly patience?: number | undefined;
  /**
   * `"conv5"`: the last block of convolutions learns, too, with a linear head and from mirrored and cropped
   * pictures; judged on the validation pictures. It takes minutes for hundreds of pictures. Default: none does.
   */
  readonly fineTune?: "conv5" | undefined;
  /** How features are brought to a common scale. Default: `"standardize"`. */
  readonly whitening?: Whitening | undefined;
  /** Drop the pictures' colors, also when the new model classifies. Default: `false`. */
  readonly grayscale?: boolean | undefined;
  /** `"image"`: remove each picture's own mean and deviation. Default: as the frozen model does. */
  readonly standardize?: "image" | undefined;
  /** Into how many parts pictures are divided, each of which is judged by what learned from the others. Default: 5. */
  readonly folds?: number | undefined;
  /**
   * A directory for features and the state of the training, from which a later call goes on, also one on other
   * pictures, of which those are looked at that are new or changed. It holds what one recipe of features gives at a time.
   */
  readonly directory?: string | undefined;
  /** Name of the new model. Default: `"fitted"`. */
  readonly id?: string | undefined;
}

/** Those options, with the defaults of what was not given. */
export type FitSettings = Complete<typeof FIT_OPTIONS>;
