/** How a network wants its images: what the file says, what the user says, or what is usual. */

import { CheckpointFormatError } from "../../errors.ts";
import type { Architecture } from "../../model/architecture.ts";
import { checkPreprocessing } from "../../model/document.ts";
import type { Preprocessing } from "../../model/model.ts";
import { meant, shortened } from "../../options.ts";
import type { ImageHint, PreprocessingPreset } from "../formats/checkpoint.ts";
import { at } from "./fold.ts";
import type { Affine, Network } from "./network.ts";

/** A preprocessing as a user gives it. */
export type GivenPreprocessing = Partial<Preprocessing> & {
  /** The order of the colors that the network takes, which that of `mean` and `std` follows. Default: `"rgb"`. */
  readonly colors?: "rgb" | "bgr" | undefined;
};

/** What a preprocessing that is given may have. */
const GIVEN_FIELDS: readonly string[] = Object.keys(
  {
    ...{ colors: 0, resize: 0, size: 0, filter: 0, grayscale: 0, standardize: 0, whitening: 0 },
    ...{ scale: 0, mean: 0, std: 0 },
  } satisfies Record<keyof GivenPreprocessing, 0>,
);

/** What is done to an image before a network's first layer. */
export interface ChosenPreprocessing {
  readonly preprocessing: Preprocessing;
  /** Whether the first convolution takes blue, green, red: the converter turns it round. */
  readonly isBgr: boolean;
  /** Of each color in the order red, green, blue: whether the first filter's weights change their sign. */
  readonly negated: readonly boolean[];
  /** Who says so. */
  readonly from: "read" | "given" | "assumed";
  /** Where it is from, in words. */
  readonly because: string;
}

/** A byte `p` becomes `(p * scale - mean) / std`; `mean` and `std` in the order of the colors. */
interface Normalization {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

type Preset = Normalization & { readonly colors: "rgb" | "bgr" };

/**
 * `torch` is torchvision's: bytes to 0…1, then the mean and standard deviation of ImageNet. `caffe` is that of
 * the paper's authors and of Keras: blue, green, red, the mean is subtracted from the bytes. `tf` is -1…1.
 */
const PRESETS: Readonly<Record<PreprocessingPreset, Preset>> = {
  torch: {
    colors: "rgb",
    scale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  caffe: { colors: "bgr", scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] },
  tf: { colors: "rgb", scale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1] },
  unit: { colors: "rgb", scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  byte: { colors: "rgb", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
};

/** The names of the well-known ways. */
export const PRESET_NAMES = Object.keys(PRESETS) as PreprocessingPreset[];

/**
 * Chooses the preprocessing of a network.
 *
 * @param given What the user says; it goes before what the file says.
 * @throws {RangeError} If what is given is not valid.
 * @throws {CheckpointFormatError} If it contradicts what the network does to its images itself, if what the file
 *   says cannot be done, or if nothing is usual, and nobody says what else.
 */
export function choosePreprocessing(
  { architecture, normalization, normalizesImages, reversesColors }: Network,
  hint: ImageHint | undefined,
  given: PreprocessingPreset | GivenPreprocessing | undefined,
  file: string,
): ChosenPreprocessing {
  const { input } = architecture;
  const range = normalizesImages ? rangeOf(normalization, reversesColors) : undefined;
  if (normalizesImages && normalization !== undefined) {
    refuseTwice(range, given, file);
    if (given === undefined && isBlueFirst(normalization)) throw askForOrder(range!, file);
  }
  if (given === undefined && hint?.problem !== undefined) {
    throw new CheckpointFormatError(
      `Images cannot be prepared as ${hint.because} of ${file} says: ${hint.problem}. ` +
        "Say --preprocess (option preprocessing)",
      { code: "checkpoint-unsupported", file },
    );
  }
  const base = given !== undefined
    ? namedOrGiven(given, input)
    : range !== undefined
    ? namedOrGiven(range, input)
    : hinted(hint ?? askFor(file), input);
  const own = normalization ?? { scale: Float64Array.of(1), shift: Float64Array.of(0) };
  const { normalized, negated } = compose(base, own, input.channels);
  const isBgr = input.channels === 3 && (base.colors === "bgr") !== reversesColors;
  // What is in the order of the graph's input is in red, green, blue here.
  const inRgb = <T>(values: readonly T[]): T[] =>
    base.colors === "bgr" ? values.toReversed() : [...values];
  const { colors: _, ...extra } = typeof given === "object" ? given : {};
  const resized = { ...usualResize(input), ...resizeFor(input, hint), ...extra };
  // Before as after it is composed with what the network does: a mean too few would go unseen.
  const whose = typeof given === "object" ? undefined : file;
  checked({ ...resized, ...base }, input, whose);
  const preprocessing = checked(
    {
      ...resized,
      scale: normalized.scale,
      mean: inRgb(normalized.mean),
      std: inRgb(normalized.std),
    },
    input,
    whose,
  );
  const common = { preprocessing, isBgr, negated: inRgb(negated) };
  if (given !== undefined) return { ...common, from: "given", because: "as was said" };
  if (range !== undefined) {
    return { ...common, from: "read", because: `the network's own, of ${RANGES[range]}` };
  }
  return { ...common, from: hint!.isRead ? "read" : "assumed", because: hint!.because };
}

function askFor(file: string): never {
  throw new CheckpointFormatError(
    `Nothing in ${file} tells how its network wants its images: say it (--preprocess ${
      PRESET_NAMES.join("|")
    } or a JSON file, option preprocessing)`,
    { code: "checkpoint-ambiguous", file },
  );
}

const RANGES = { byte: "bytes", unit: "numbers from 0 to 1" } as const;

/**
 * What a network that normalizes its images takes: bytes, or numbers from 0 to 1. The input that gives 0 tells it:
 * a mean is 123.68 of bytes and 0.485 of parts of 1. Where that is 0 itself, bytes are made small, and parts of 1
 * grow. `undefined`: neither.
 */
function rangeOf(
  normalization: Affine | undefined,
  reversesColors: boolean,
): "byte" | "unit" | undefined {
  if (normalization === undefined) return reversesColors ? "byte" : undefined;
  const { scale } = normalization;
  const zeros = zerosOf(normalization);
  const steepest = scale.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (zeros.every((zero) => zero === 0)) {
    return steepest < 0.1 ? "byte" : steepest > 1 ? "unit" : undefined;
  }
  if (zeros.some((zero) => zero < 0)) return undefined;
  return zeros.some((zero) => zero > 1) ? "byte" : "unit";
}

/** The input of each color that becomes 0. */
function zerosOf({ scale, shift }: Affine): number[] {
  const length = Math.max(scale.length, shift.length);
  return Array.from({ length }, (_, c) => 0 - at(shift, c) / at(scale, c));
}

/** The means of ImageNet, VGGFace and VGGFace2, of bytes in the order blue, green, red. */
const BLUE_FIRST_MEANS = [
  [103.939, 116.779, 123.68],
  [93.594, 104.7624, 129.1863],
  [91.4953, 103.8827, 131.0912],
];

/** Whether what a network subtracts is a well-known mean in the order blue, green, red, of bytes or of parts of 1. */
function isBlueFirst(normalization: Affine): boolean {
  const zeros = zerosOf(normalization);
  const bytes = zeros.map((zero) => zeros.every((zero) => zero <= 1) ? zero * 255 : zero);
  return BLUE_FIRST_MEANS.some((mean) =>
    bytes.length === 3 && mean.every((value, c) => Math.abs(bytes[c]! - value) < 1)
  );
}

function askForOrder(range: "byte" | "unit", file: string): CheckpointFormatError {
  const scale = range === "unit" ? ', "scale": 0.00392156862745098' : "";
  return new CheckpointFormatError(
    `The network of ${file} subtracts a mean that is well known for images with blue first, and nothing tells ` +
      `whether it takes those: say --preprocess ${range} if red comes first, or a JSON file with ` +
      `{"colors": "bgr"${scale}} if blue does (option preprocessing)`,
    { code: "checkpoint-ambiguous", file },
  );
}

/** Refuses to normalize what the network normalizes itself, and to guess what it takes. */
function refuseTwice(
  range: "byte" | "unit" | undefined,
  given: PreprocessingPreset | GivenPreprocessing | undefined,
  file: string,
): void {
  const fail = (message: string, code: "checkpoint-unsupported" | "checkpoint-ambiguous") => {
    const text = `The network of ${file} normalizes its images itself, ${message}`;
    return new CheckpointFormatError(text, { code, file });
  };
  const plain: unknown[] = ["byte", "unit", ...range === undefined ? ["tf"] : []];
  if (given === undefined && range === undefined) {
    const choices = "say --preprocess byte, unit (0…1) or tf (-1…1)";
    throw fail(
      `and its numbers do not tell what it takes: ${choices}`,
      "checkpoint-ambiguous",
    );
  }
  if (typeof given !== "string" || plain.includes(given)) return;
  throw fail(
    `so that ${given} would be done twice: leave the preprocessing out, or say what it takes, byte or unit`,
    "checkpoint-unsupported",
  );
}

function namedOrGiven(
  given: PreprocessingPreset | GivenPreprocessing,
  input: Architecture["input"],
): Preset {
  if (typeof given === "string") return preset(given, input);
  const unknown = Object.keys(given).find((name) => !GIVEN_FIELDS.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `A preprocessing has no field "${shortened(unknown)}": ${meant(unknown, GIVEN_FIELDS)}`,
    );
  }
  const { colors = "rgb", scale = 1, mean, std } = given;
  if (colors !== "rgb" && colors !== "bgr") {
    throw new RangeError(
      `preprocessing.colors must be "rgb" or "bgr": found ${shortened(JSON.stringify(colors))}`,
    );
  }
  const { channels } = input;
  return {
    colors,
    scale,
    mean: mean ?? new Array(channels).fill(0),
    std: std ?? new Array(channels).fill(1),
  };
}

function hinted(
  { preprocessing, colors, isRead }: ImageHint,
  input: Architecture["input"],
): Preset {
  if (typeof preprocessing === "string") {
    const named = preset(preprocessing, input);
    return colors === undefined || colors === named.colors ? named : {
      ...named,
      colors,
      mean: named.mean.toReversed(),
      std: named.std.toReversed(),
    };
  }
  const { scale, mean, std } = preprocessing;
  const { channels } = input;
  // What is usual for colors is not for grey.
  if (!isRead && mean.length !== channels) return preset("unit", input);
  const order = (values: readonly number[]): readonly number[] => {
    if (values.length === 1) return new Array(channels).fill(values[0]);
    return colors === "bgr" ? values.toReversed() : values;
  };
  return { colors: colors ?? "rgb", scale, mean: order(mean), std: order(std) };
}

/** A network for grey images has no published statistics: its bytes become 0…1. */
function preset(name: PreprocessingPreset, { channels }: Architecture["input"]): Preset {
  if (channels === 3) return PRESETS[name];
  const { scale, mean, std } = name === "torch" || name === "caffe" ? PRESETS.unit : PRESETS[name];
  return { colors: "rgb", scale, mean: mean.slice(0, channels), std: std.slice(0, channels) };
}

/** First one, then what the network does itself. A factor below 0 goes into the first filter's weights. */
function compose(
  { scale, mean, std }: Normalization,
  own: Affine,
  channels: number,
): { normalized: Normalization; negated: boolean[] } {
  const colors = Array.from({ length: channels }, (_, c) => {
    const [factor, shift] = [at(own.scale, c), at(own.shift, c)];
    const [m, s] = [mean[c] ?? NaN, std[c] ?? NaN];
    return { mean: m - shift * s / factor, std: s / Math.abs(factor), isNegated: factor < 0 };
  });
  const negated = colors.map(({ isNegated }) => isNegated);
  const stds = colors.map(({ std }) => std), means = colors.map(({ mean }) => mean);
  if (scale !== 1 || new Set(stds).size > 1) {
    return { normalized: { scale, mean: means, std: stds }, negated };
  }
  // One factor for all colors: bytes to 0…1 are read better as such.
  const [all = 1] = stds;
  return {
    normalized: {
      scale: 1 / all,
      mean: means.map((value) => value / all),
      std: stds.map(() => 1),
    },
    negated,
  };
}

/** @param file Whose it is; `undefined` if it is the user's. */
function checked(
  preprocessing: Preprocessing,
  input: Architecture["input"],
  file: string | undefined,
): Preprocessing {
  const problem = checkPreprocessing(preprocessing, input);
  if (problem === undefined) return preprocessing;
  if (file === undefined) throw new RangeError(`The preprocessing is not valid: ${problem}`);
  const text = `The preprocessing of ${file} is not valid: ${problem}`;
  throw new CheckpointFormatError(text, { file });
}

/** The paper's and torchvision's ratio of 256 to 224, which leaves small inputs as they are. */
function usualResize({ height, width }: Architecture["input"]) {
  const side = Math.max(height, width);
  const size = side >= 64 ? Math.round(side * 256 / 224) : side;
  return { resize: "shorter-side", size, filter: "bilinear" } as const;
}

/** What the file tells, unless it is for a smaller input. */
function resizeFor({ height, width }: Architecture["input"], hint: ImageHint | undefined) {
  const { size = Infinity } = hint?.resize ?? {};
  return size >= Math.max(height, width) ? hint?.resize : undefined;
}
