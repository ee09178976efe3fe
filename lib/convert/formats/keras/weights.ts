/** Which tensors of a file are the weights of a layer. */

import type { CheckpointTensor } from "../checkpoint.ts";
import type { KerasLayer, KerasModel } from "./description.ts";

/** What a weight is to its layer. */
export type Role =
  | "kernel"
  | "bias"
  | "kernel_scale"
  | "gamma"
  | "beta"
  | "moving_mean"
  | "moving_variance"
  | "mean"
  | "variance";

/** The weights of a layer. */
export type LayerWeights = Partial<Record<Role, CheckpointTensor>>;

/** Finds the weights of a layer; `undefined` where the file has none for it. */
export type FindWeights = (layer: KerasLayer) => LayerWeights | undefined;

/** What the last part of a weight's name says; Keras 1 has `block1_conv1_W_1:0`, and calls a variance `std`. */
const WORDS: readonly (readonly [pattern: RegExp, role: Role])[] = [
  [/^kernel_scale$/, "kernel_scale"],
  [/^(kernel|W|weight)$/, "kernel"],
  [/^(bias|b)$/, "bias"],
  [/^gamma$/, "gamma"],
  [/^beta$/, "beta"],
  [/^(moving_mean|running_mean)$/, "moving_mean"],
  [/^(moving_variance|running_std)$/, "moving_variance"],
  [/^mean$/, "mean"],
  [/^variance$/, "variance"],
];

/** Splits `block1_conv1/kernel:0` and `block1_conv1_W` into the layer's name and the role. */
export function splitWeightName(name: string): { layer: string; role: Role } | undefined {
  const plain = name.replace(/:0$/, "").replace(/(?<=[a-zA-Z])_\d+$/, "");
  // The longest word that is a role: `bn_running_mean` is no `mean`.
  for (const cut of plain.matchAll(/^|[/_]/g)) {
    const at = cut.index + cut[0].length;
    const role = WORDS.find(([pattern]) => pattern.test(plain.slice(at)))?.[1];
    if (role !== undefined) return { layer: plain.slice(0, cut.index), role };
  }
  return undefined;
}

/** The weights of a layer in the order in which Keras numbers them. */
export function rolesOf({ className, config }: KerasLayer): readonly Role[] {
  const bias: Role[] = config.use_bias === false ? [] : ["bias"];
  switch (className) {
    case "Conv2D":
    case "Convolution2D":
    case "Dense":
      return [
        "kernel",
        ...bias,
        ...quantizationOf(config) === undefined ? [] : ["kernel_scale"] as const,
      ];
    case "BatchNormalization":
      return [
        ...config.scale === false ? [] : ["gamma"] as const,
        ...config.center === false ? [] : ["beta"] as const,
        "moving_mean",
        "moving_variance",
      ];
    case "Normalization":
      return (config.mean ?? undefined) === undefined ? ["mean", "variance"] : [];
    default:
      return [];
  }
}

/** How the weights of a layer of Keras 3 are quantized: `"int8"`. */
export function quantizationOf({ dtype }: KerasLayer["config"]): string | undefined {
  const config = (dtype as { config?: { mode?: unknown } } | null | undefined)?.config;
  return typeof config?.mode === "string" ? config.mode : undefined;
}

/** A layer that has weights, behind the names of the models that it is in. */
export interface Place {
  readonly layer: KerasLayer;
  readonly path: readonly string[];
}

/** All layers of a model, those of models within it too. */
export function placesIn(model: KerasModel, path: readonly string[] = []): Place[] {
  return model.layers.flatMap((layer) => [
    { layer, path: [...path, layer.name] },
    ...layer.model === undefined ? [] : placesIn(layer.model, [...path, layer.name]),
  ]);
}

/** A tensor, and the name that the file has for it within its part. */
export interface NamedWeight {
  readonly name: string;
  readonly tensor: CheckpointTensor;
}

/**
 * Gives each layer its weights: those with its name. Those of all layers within a model lie together,
 * trainable ones first, so that their order is not that of the layers as a rule.
 *
 * @param places Layers of a model, or one alone, whose weights need not have its name.
 * @param isOrdered Whether the order of the weights counts where names do not tell.
 */
export function assignWeights(
  places: readonly Place[],
  weights: readonly NamedWeight[],
  isOrdered: boolean,
): Map<KerasLayer, LayerWeights> {
  const split = weights.flatMap(({ name, tensor }) => {
    const found = splitWeightName(name);
    return found === undefined ? [] : [{ ...found, tensor }];
  });
  const withWeights = places.filter(({ layer }) => rolesOf(layer).length > 0);
  const byRole = Map.groupBy(split, ({ role }) => role);
  const byName = Map.groupBy(split, ({ layer, role }) => `${role} ${lastPart(layer)}`);
  const assigned = new Map(withWeights.map(({ layer, path }) => {
    const found: LayerWeights = {};
    for (const role of rolesOf(layer)) {
      const all = byRole.get(role) ?? [];
      const own = places.length === 1 && all.length === 1
        ? all
        : named(byName.get(`${role} ${lastPart(layer.name)}`) ?? [], path);
      if (own.length === 1) found[role] = own[0]!.tensor;
    }
    return [layer, found];
  }));
  const isComplete = withWeights.every(({ layer }) =>
    rolesOf(layer).every((role) => assigned.get(layer)![role] !== undefined)
  );
  return isComplete || !isOrdered ? assigned : inOrder(withWeights, byRole) ?? assigned;
}

/** Layers that were renamed: their order tells, unless some are frozen, whose weights lie behind the others. */
function inOrder(
  places: readonly Place[],
  byRole: ReadonlyMap<Role, readonly { readonly tensor: CheckpointTensor }[]>,
): Map<KerasLayer, LayerWeights> | undefined {
  if (new Set(places.map(({ layer }) => layer.config.trainable ?? true)).size > 1) return undefined;
  const assigned = new Map<KerasLayer, LayerWeights>(places.map(({ layer }) => [layer, {}]));
  for (const [role, weights] of byRole) {
    const layers = places.filter(({ layer }) => rolesOf(layer).includes(role));
    if (layers.length !== weights.length) return undefined;
    layers.forEach(({ layer }, index) => assigned.get(layer)![role] = weights[index]!.tensor);
  }
  return assigned;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Those with a layer's name; if there are several, those with those of the models around it too. */
function named<T extends { readonly layer: string }>(
  candidates: readonly T[],
  path: readonly string[],
): readonly T[] {
  let best: readonly T[] = [];
  for (let first = path.length - 1; first >= 0; first--) {
    const suffix = path.slice(first).join("/");
    const found = candidates.filter(({ layer }) =>
      layer === suffix || layer.endsWith(`/${suffix}`)
    );
    if (found.length > 0) best = found;
    if (found.length <= 1) break;
  }
  return best;
}
