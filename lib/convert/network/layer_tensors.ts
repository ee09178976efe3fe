/** Which tensors of a checkpoint belong together, and what each of them is. */

import { CheckpointFormatError } from "../../errors.ts";
import type { CheckpointTensor, OldCheckpoint } from "../formats/checkpoint.ts";

/** What a tensor is, by the last part of its name in the words of PyTorch, Keras, Frossard and machrisaa. */
const WORDS = {
  weight: ["weight", "weights", "kernel", "W"],
  bias: ["bias", "biases", "b"],
  gamma: ["gamma"],
  beta: ["beta"],
  mean: ["running_mean", "moving_mean", "mean"],
  variance: ["running_var", "moving_variance", "variance"],
} as const;

type Role = keyof typeof WORDS;

const ROLES: ReadonlyMap<string, Role> = new Map(
  (Object.keys(WORDS) as Role[]).flatMap((role) => WORDS[role].map((word) => [word, role])),
);

/** What precedes a role, as short as can be, so that `running_mean` is not a `mean`. */
const NAME = new RegExp(`^(?:(.*?)[./_])?(${[...ROLES.keys()].join("|")})$`);

/** The tensors of one layer, or of one batch normalization: then there is no weight. */
export type LayerTensors = { readonly name: string } & Partial<Record<Role, CheckpointTensor>>;

/** The tensors of a convolution or a dense layer. */
export type WeightedLayer = LayerTensors & {
  readonly weight: CheckpointTensor & {
    readonly shape: readonly [number, number] | readonly [number, number, number, number];
  };
};

/** Whether these are no batch normalization's. A weight has 2 or 4 dimensions: others are refused. */
export function isWeighted(layer: LayerTensors): layer is WeightedLayer {
  return layer.weight !== undefined;
}

/**
 * Finds the tensors of each layer by what precedes the role in their names, in the order of the network.
 *
 * @throws {CheckpointFormatError} If what belongs together is no layer.
 */
export function tensorsByLayer(checkpoint: OldCheckpoint, file: string): LayerTensors[] {
  const byName = new Map<string, { name: string } & Partial<Record<Role, CheckpointTensor>>>();
  for (const tensor of checkpoint.tensors) {
    const [, name = "", last = ""] = NAME.exec(tensor.name) ?? [];
    const role = ROLES.get(last);
    if (role === undefined) continue;
    const layer = byName.get(name) ?? { name };
    if (layer[role] !== undefined) {
      const message = `Layer ${name} of ${file} has more than one ${role}`;
      throw new CheckpointFormatError(message, { code: "checkpoint-ambiguous", file });
    }
    layer[role] = tensor;
    byName.set(layer.name, layer);
  }
  const layers = [...byName.values()].map(withNormNames).filter((layer) =>
    layer.weight !== undefined || layer.mean !== undefined || layer.variance !== undefined
  );
  for (const layer of layers) checkLayer(layer, file);
  return checkpoint.inGraphOrder ? layers : layers.sort((a, b) => compareNames(a.name, b.name));
}

function checkLayer({ name, weight, mean, variance }: LayerTensors, file: string): void {
  if (weight === undefined && (mean === undefined || variance === undefined)) {
    throw new CheckpointFormatError(
      `Batch normalization ${name} of ${file} must have a mean and a variance: found only one`,
      { code: "checkpoint-unsupported", file },
    );
  }
  if (weight !== undefined && weight.shape.length !== 2 && weight.shape.length !== 4) {
    throw new CheckpointFormatError(
      `Tensor ${weight.name} of ${file} must have 2 or 4 dimensions: found shape [${weight.shape}]`,
      { code: "checkpoint-unsupported", file },
    );
  }
}

/** PyTorch calls the scale and offset of a batch normalization weight and bias. */
function withNormNames(layer: LayerTensors): LayerTensors {
  if (layer.mean === undefined && layer.variance === undefined) return layer;
  const { weight, bias, ...rest } = layer;
  return { ...rest, gamma: layer.gamma ?? weight, beta: layer.beta ?? bias };
}

const NAMES = new Intl.Collator("en", { numeric: true });

function compareNames(a: string, b: string): number {
  // timm's last layer is the one whose name would be sorted first.
  const last = Number(/(^|\.)head\./.test(a + ".")) - Number(/(^|\.)head\./.test(b + "."));
  return last !== 0 ? last : NAMES.compare(a, b);
}

/** timm and Caffe store dense layers as convolutions. */
export function isDense({ name, weight }: WeightedLayer): boolean {
  return weight.shape.length === 2 || /(^|[./])(pre_logits|head|fc)/.test(name);
}

/** What a weight connects, whatever order its axes have. A dense layer's inputs are all one sees. */
export function weightSizes(
  { weight: { shape, layout } }: WeightedLayer,
): { outputs: number; inputs: number; filter: readonly [height: number, width: number] } {
  const isFirst = layout.outputs === "first";
  if (shape.length === 2) {
    const [outputs, inputs] = isFirst ? shape : [shape[1], shape[0]];
    return { outputs, inputs, filter: [1, 1] };
  }
  return isFirst
    ? { outputs: shape[0], inputs: shape[1], filter: [shape[2], shape[3]] }
    : { outputs: shape[3], inputs: shape[2], filter: [shape[0], shape[1]] };
}
