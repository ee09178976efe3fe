/** What each tensor of a file is, by its name: whose weight, bias or statistic. */

import { type CheckpointTensor, sizeOf } from "../formats/checkpoint.ts";
import { ambiguous, unsupported } from "./trace.ts";

/**
 * What a tensor is, by the last part of its name in the words of PyTorch, Keras, TF-Slim, Flax, Chainer,
 * Paddle, tensorpack and MXNet.
 */
const WORDS = {
  weight: ["weight", "weights", "kernel", "W"],
  bias: ["bias", "biases", "b"],
  gamma: ["gamma", "scale"],
  beta: ["beta"],
  mean: ["running_mean", "moving_mean", "avg_mean", "_mean", "mean", "mean/EMA"],
  variance: [
    ...["running_var", "moving_variance", "moving_var", "avg_var"],
    ...["_variance", "variance", "var", "variance/EMA"],
  ],
} as const;

type Role = keyof typeof WORDS;

const ROLES: ReadonlyMap<string, Role> = new Map(
  (Object.keys(WORDS) as Role[]).flatMap((role) => WORDS[role].map((word) => [word, role])),
);

/** What precedes a role, as short as can be, so that `running_mean` is not a `mean`. */
const NAME = new RegExp(`^(?:(.*?)[./])?(${[...ROLES.keys()].join("|")})$`);

/** Frossard's and MXNet's: `conv1_1_W`, `fc6_bias`. */
const JOINED = /^(.+?)_(weight|bias|W|b|gamma|beta|moving_mean|moving_var)$/;

/** Counters, optimizers' slots, observers of a quantizer. */
const OF_TRAINING = [
  /(^|[./_])num_batches_tracked$|(^|[./])(_extra_state|N|count|num_updates|decay)$/,
  /(^|[./])(total_ops|total_params)$/,
  /(^|[./])(Adam(_1)?|Momentum|RMSProp(_1)?|ExponentialMovingAverage|optimizers?|opt_state)([./:]|$)/,
  /(^|[./])(global_step|learning_rate|beta[12]_power|iterations?|mean_rgb)$/,
  /fake_quant|activation_post_process|observer/,
];

/** A loss may hold numbers for each class, or a network of its own. */
const OF_A_LOSS =
  /(^|[./])(\w*loss(_\w+)?|losses|criterion|centers?|pos_weight|class_weights?)([./]|$)/i;

/** VGG19 has 19, and as many normalizations; what is compared with each other grows with their square. */
const MAX_LAYERS = 256;

/** The tensors of one layer; of a normalization those that others call weight and bias are gamma and beta. */
export type LayerTensors = {
  readonly name: string;
  /** Its place among the file's layers. */
  readonly index: number;
} & Partial<Record<Role, CheckpointTensor>>;

/** A convolution or a dense layer: its weight has four or two dimensions. */
export type WeightedLayer = LayerTensors & { readonly weight: CheckpointTensor };

/** A normalization with statistics. */
export type NormLayer = LayerTensors & {
  readonly mean: CheckpointTensor;
  readonly variance: CheckpointTensor;
};

/** `(x - mean) / std` of each color, which a network does to its images itself. */
export interface ColorTensors {
  readonly mean?: CheckpointTensor | undefined;
  readonly std?: CheckpointTensor | undefined;
}

/** The tensors of a network, sorted out. */
export interface NamedTensors {
  readonly weighted: readonly WeightedLayer[];
  readonly norms: readonly NormLayer[];
  readonly colors?: ColorTensors | undefined;
}

/**
 * Finds the tensors of each layer by what precedes the role in their names.
 *
 * @throws {CheckpointFormatError} Naming the first tensor that is not understood.
 */
export function nameTensors(tensors: readonly CheckpointTensor[], file: string): NamedTensors {
  const named = tensors.filter(({ name }) => !isOfTraining(name) && !OF_A_LOSS.test(name))
    .map((tensor) => ({ tensor, ...roleOf(tensor.name) }));
  const withVariance = new Set(
    named.flatMap(({ owner, role }) => role === "variance" ? [owner] : []),
  );
  const layers = new Map<string, LayerTensors>();
  const colors: { mean?: CheckpointTensor; std?: CheckpointTensor } = {};
  for (const { tensor, owner, role } of named) {
    const color = withVariance.has(owner) ? undefined : colorRole(tensor);
    if (color !== undefined) {
      if (colors[color] !== undefined) {
        throw ambiguous(
          `${
            colors[color].name
          } and ${tensor.name} of ${file} could both be what normalizes images`,
          file,
        );
      }
      colors[color] = tensor;
      continue;
    }
    if (role === undefined) throw unsupported(unknownTensor(tensor, file), file);
    const layer: LayerTensors = layers.get(owner) ?? { name: owner, index: layers.size };
    if (layer[role] !== undefined) {
      throw ambiguous(`Layer ${owner} of ${file} has more than one ${role}`, file);
    }
    layers.set(owner, { ...layer, [role]: tensor });
  }
  if (layers.size > MAX_LAYERS) {
    throw unsupported(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found ${layers.size} layers`,
      file,
    );
  }
  const all = [...layers.values()].flatMap(withoutOwnNorm);
  const hasColors = colors.mean !== undefined || colors.std !== undefined;
  return {
    weighted: all.filter((layer) => !isNorm(layer)).map((layer) => checkWeighted(layer, file)),
    norms: all.filter(isNorm).map((layer) => checkNorm(layer, file)),
    colors: hasColors ? colors : undefined,
  };
}

/** Whether a tensor is what training needs: no network's. */
export function isOfTraining(name: string): boolean {
  return OF_TRAINING.some((pattern) => pattern.test(name));
}

/** `features.0.weight` is the weight of `features.0`. */
function roleOf(tensor: string): { owner: string; role: Role | undefined } {
  // Flax keeps weights and statistics in collections; TensorFlow numbers the outputs of a variable.
  const name = tensor.replace(/^((params|batch_stats)[./])+/, "").replace(/:0$/, "");
  const [, owner = "", word = ""] = NAME.exec(name) ?? JOINED.exec(name) ?? [];
  return { owner, role: ROLES.get(word) };
}

/** `mean`, `normalize.std`, `pixel_mean` of one to three numbers are what a network does to colors. */
function colorRole({ name, shape }: CheckpointTensor): "mean" | "std" | undefined {
  if (sizeOf(shape) > 3) return undefined;
  return /(?:^|[./_])(mean|std)_?$/.exec(name)?.[1] as "mean" | "std" | undefined;
}

function isNorm(layer: LayerTensors): boolean {
  return layer.mean !== undefined || layer.variance !== undefined;
}

/** A convolution and its normalization may have one name: `conv1.weights`, `conv1.gamma`. */
function withoutOwnNorm(layer: LayerTensors): LayerTensors[] {
  const { name, index, weight, bias, ...norm } = layer;
  if (!isNorm(layer) || weight === undefined || weight.shape.length < 2) return [layer];
  return [{ name, index, weight, ...bias && { bias } }, { ...norm, name: `${name}/norm`, index }];
}

function checkNorm(layer: LayerTensors, file: string): NormLayer {
  const { name, index, weight, bias, gamma = weight, beta = bias, mean, variance } = layer;
  if (mean !== undefined && variance !== undefined) {
    // PyTorch calls the scale and offset of a normalization weight and bias.
    return { name, index, ...gamma && { gamma }, ...beta && { beta }, mean, variance };
  }
  throw unsupported(
    `Normalization ${name} of ${file} must have a mean and a variance: found only one`,
    file,
  );
}

function checkWeighted(layer: LayerTensors, file: string): WeightedLayer {
  const { name, weight, bias, gamma, beta } = layer;
  const scale = gamma ?? weight, shift = beta ?? bias;
  const rank = scale?.shape.length;
  if (weight !== undefined && (rank === 2 || rank === 4) && gamma === undefined) {
    return { ...layer, weight };
  }
  if (scale === undefined) {
    throw unsupported(
      `Tensor ${shift!.name} of ${file} is the bias of a layer without a weight`,
      file,
    );
  }
  if (rank! > 1) {
    throw unsupported(
      `Tensor ${scale.name} of ${file} must have 2 or 4 dimensions: found shape [${scale.shape}]`,
      file,
    );
  }
  throw unsupported(
    shift === undefined
      ? `Tensor ${scale.name} of ${file} is a scale of ${
        sizeOf(scale.shape)
      } numbers alone, as PReLU has: ` +
        "expected ReLU, which has none"
      : `Layer ${name} of ${file} has a scale and an offset, and no statistics: a group, instance or layer ` +
        "normalization depends on each image, and cannot be converted",
    file,
  );
}

function unknownTensor({ name, shape }: CheckpointTensor, file: string): string {
  const what = `Tensor ${name} of ${file}, of shape [${shape}], `;
  if (/(weight|kernel)_(g|v)$|parametrizations\.weight\.original/.test(name)) {
    return `${what}is part of a normalized weight: save the network without it, as torch.nn.utils.remove_weight_norm() makes it`;
  }
  if (/(^|[./])(arr|param)_\d+$/.test(name)) {
    return `${what}has no name that says what it is: expected the names of layers, as in conv1_1/kernel`;
  }
  return `${what}is no weight, bias or statistic of a VGG that is known by its name: ` +
    "if it does not belong to the network, save the file without it";
}
