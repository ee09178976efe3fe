/** What the dense layers of a network see of its last map, and the input size that this implies. */

import type { Operator } from "../formats/graph.ts";
import { filterSizes } from "./filters.ts";
import type { LayerNames } from "./layer_names.ts";
import type { WeightedLayer } from "./names.ts";
import { connections, seriesOf } from "./order.ts";
import type { Positions } from "./positions.ts";
import { ambiguous, unsupported } from "./trace.ts";

/** What a user answers. */
export interface MapAnswers {
  /** Height and width of the input. */
  readonly inputSize?: number | undefined;
  /** What the dense layers see of the last pool's map. */
  readonly afterPool?: "flatten" | "average" | undefined;
}

/** What lies between the last pool and the first dense layer. */
export interface LastMap {
  /** Height and width of the input; `undefined` where nothing tells. */
  readonly inputSize: number | undefined;
  readonly operators: readonly Operator[];
  /** What was taken for granted. */
  readonly assumptions: readonly string[];
}

/** What tells it. */
export interface MapEvidence {
  readonly convolutions: readonly WeightedLayer[];
  readonly dense: readonly WeightedLayer[];
  readonly positions: Positions;
  readonly layerNames: LayerNames;
}

const FLATTEN: Operator = { kind: "flatten" };

/** Five pools halve the input. */
const PIXELS_A_POSITION = 32;

/**
 * Tells the map from the inputs of the first dense layer.
 *
 * As many inputs as channels are one position, of an input of 32 pixels, or the average of a map of any
 * size. Several dense layers speak for the first, as in the paper's networks made for small images; a
 * single one is what is put behind an average as well, so that the user has to say which it is.
 *
 * @throws {CheckpointFormatError} If both are possible, naming the options that answer.
 */
export function readMap(evidence: MapEvidence, options: MapAnswers, file: string): LastMap {
  const { convolutions, dense } = evidence;
  const { inputSize } = options;
  const [first] = dense;
  if (first === undefined) return { inputSize, operators: [], assumptions: [] };
  const channels = filterSizes(convolutions.at(-1)!.weight)!.outputs;
  const { inputs } = connections(first, true);
  if (inputs === 2 * channels) {
    throw unsupported(
      `Tensor ${first.weight.name} of ${file} takes ${inputs} inputs, two of each channel: as behind fastai's ` +
        "AdaptiveConcatPool2d, the average and the maximum, which is not converted",
      file,
    );
  }
  const side = Math.sqrt(inputs / channels);
  if (first.weight.shape.length === 4) return ofConvolution(first, inputSize);
  if (side === 1) return ofOnePosition(evidence, options, file);
  if (options.afterPool === "average") {
    throw unsupported(
      `Tensor ${first.weight.name} of ${file} takes ${inputs} inputs: an average gives it ${channels}`,
      file,
    );
  }
  if (!Number.isInteger(side)) return only(FLATTEN, inputSize);
  const size = PIXELS_A_POSITION * side;
  const assumptions = inputSize === undefined
    ? [
      `Its input has ${size}x${size} pixels, of which comes a map of ${side}x${side}; --input-size says otherwise.`,
    ]
    : [];
  // torchvision averages a map of any size to 7x7.
  const isAdaptive = side === 7 && /(^|[./])classifier[./]0$/.test(first.name) &&
    /(^| )features #( |$)|features -1 #/.test(seriesOf(convolutions[0]!.name));
  const operators: Operator[] = isAdaptive
    ? [{ kind: "adaptiveAverage", size: [side, side] }, FLATTEN]
    : [FLATTEN];
  return { inputSize: inputSize ?? size, operators, assumptions };
}

function only(operator: Operator, inputSize: number | undefined): LastMap {
  return { inputSize, operators: [operator], assumptions: [] };
}

/** timm averages a map that is smaller than its filter to the filter's size. */
function ofConvolution({ name, weight }: WeightedLayer, inputSize: number | undefined): LastMap {
  const { window } = filterSizes(weight)!;
  const size = PIXELS_A_POSITION * window[0];
  const isSmaller = inputSize !== undefined && inputSize < size && /pre_logits/.test(name);
  return {
    inputSize: inputSize ?? (window[0] === window[1] ? size : undefined),
    operators: isSmaller ? [{ kind: "adaptiveAverage", size: window }] : [],
    assumptions: [],
  };
}

function ofOnePosition(
  evidence: MapEvidence,
  { inputSize, afterPool }: MapAnswers,
  file: string,
): LastMap {
  const { dense, layerNames } = evidence;
  const tensor = dense[0]!.weight.name;
  if (layerNames.first("maximum") !== undefined) {
    return only({ kind: "unsupported", type: "GlobalMaxPooling2D" }, inputSize);
  }
  const isAverage = afterPool === "average" ||
    (afterPool === undefined && layerNames.first("average") !== undefined);
  if (isAverage && inputSize === undefined) {
    throw ambiguous(
      `Tensor ${tensor} of ${file} takes the average of a map of any size: say that of the input, --input-size N`,
      file,
    );
  }
  if (isAverage) {
    return { inputSize, operators: [{ kind: "globalAverage" }, FLATTEN], assumptions: [] };
  }
  const isPoint = inputSize !== undefined && inputSize < 2 * PIXELS_A_POSITION;
  if (afterPool === "flatten" || isPoint) {
    return { inputSize: inputSize ?? PIXELS_A_POSITION, operators: [FLATTEN], assumptions: [] };
  }
  if (inputSize !== undefined) {
    throw ambiguous(
      `Tensor ${tensor} of ${file} takes one number of each channel, and an input of ${inputSize} pixels gives ` +
        "several positions: say --after-pool average if it takes their average. Their maximum is not converted",
      file,
    );
  }
  const isFlat = layerNames.isComplete
    ? layerNames.first("flatten") !== undefined
    : dense.length > 1 && !hasRoom(evidence);
  if (isFlat) {
    return {
      inputSize: PIXELS_A_POSITION,
      operators: [FLATTEN],
      assumptions: [
        "Its input has 32x32 pixels, and its last map one position, which is flattened; --input-size and --after-pool average say otherwise.",
      ],
    };
  }
  throw ambiguous(
    `Tensor ${tensor} of ${file} takes one number of each channel: say --after-pool flatten if the input has 32x32 ` +
      "pixels, so that the last map has one position (--input-size N for up to 63), or --after-pool average with --input-size N " +
      "if it takes the average of a larger one",
    file,
  );
}

/** Whether there is room for an average pool beside a Flatten: two modules before the first dense layer. */
function hasRoom({ convolutions, dense, positions }: MapEvidence): boolean {
  const last = convolutions.at(-1)!, first = dense[0]!;
  const own = positions.between(last, first);
  // A ReLU, a max-pool and a Flatten.
  if (own !== undefined) return own > 3;
  const [, before, a] = /^(.*?)(\d+)[./]/.exec(last.name) ?? [];
  const [, same, b] = /^(.*?)(\d+)[./]/.exec(first.name) ?? [];
  const between = before === same && a !== undefined ? Number(b) - Number(a) - 1 : 0;
  return between + (positions.before(first) ?? 0) > 1;
}
