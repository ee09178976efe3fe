/** What the names of layers without weights say, which Keras' files have though they hold no graph. */

import type { LayerTensors } from "./names.ts";

/** Names that Keras gives by itself; people name layers as they like. */
const NAMES = {
  activation: /^(activation|re_?lu)$/i,
  pool: /^(max_?pool(ing)?(_?2d)?|(block\d+_)?pool)$/i,
  average: /^(global_?average_?pooling(_?2d)?|global_?avg_?pool|gap|avg_?pool)$/i,
  maximum: /^(global_?max_?pooling(_?2d)?|global_?max_?pool|gmp)$/i,
  flatten: /^flatten$/i,
  plain: /^(input(_layer)?|(spatial_)?dropout(_?2d)?|zero_?padding(_?2d)?)$/i,
  /** What they do is not in the file. */
  unknown:
    /^(rescaling|lambda|leaky_re_lu|p_re_lu|p_relu|elu|selu|thresholded_re_lu|average_pooling2d|add|concatenate|multiply|subtract|up_sampling2d|conv2d_transpose|depthwise_conv2d|separable_conv2d|layer_normalization|group_normalization|unit_normalization|tf_op_layer\w*|tfop_lambda)$/i,
} as const;

type Kind = keyof typeof NAMES | "other";

interface Entry {
  readonly name: string;
  /** `undefined` of a layer that has weights. */
  readonly kind: Kind | undefined;
  /** A normalization, which belongs to the layer before. */
  readonly isNorm: boolean;
}

/** The layers that a file names. */
export class LayerNames {
  readonly #entries: readonly Entry[];

  /**
   * @param names With weights and without.
   * @param isOrdered Whether they are in the order of the network.
   */
  constructor(
    names: readonly string[],
    layers: readonly LayerTensors[],
    readonly isOrdered: boolean,
  ) {
    const weighted = new Map(layers.map((layer) => [layer.name, layer]));
    // A model within the model is named as well as its layers.
    const isGroup = (name: string): boolean =>
      name === "" || names.some((other) => other.startsWith(`${name}/`));
    this.#entries = names.filter((name) => !isGroup(name))
      .map((name) => ({
        name,
        kind: weighted.has(name) ? undefined : kindOf(name),
        isNorm: weighted.get(name)?.mean !== undefined,
      }));
  }

  /** The first layer without weights of a kind. */
  first(kind: Kind): string | undefined {
    return this.#entries.find((entry) => entry.kind === kind)?.name;
  }

  /** How many max-pools are named. */
  get poolCount(): number {
    return this.#entries.filter(({ kind }) => kind === "pool").length;
  }

  /** Whether layers without weights are named at all. */
  get isComplete(): boolean {
    return this.#entries.some(({ kind }) => kind !== undefined);
  }

  /**
   * Whether a normalization stands before the ReLU of its layer; `undefined` where names do not tell. Where no
   * ReLU is named, it is a part of the layer.
   */
  isBeforeRelu(host: LayerTensors, norm: LayerTensors): boolean | undefined {
    const kinds = this.#entries.flatMap(({ kind }) => kind ?? []);
    if (kinds.length > 0 && !kinds.includes("activation") && !kinds.includes("other")) return false;
    const between = this.#between(host, norm), after = this.#between(norm, undefined);
    if (between?.includes("activation")) return false;
    return between?.length === 0 && after?.includes("activation") ? true : undefined;
  }

  /**
   * Whether a max-pool follows each layer; `undefined` where they are not named, or in no order. One alone comes
   * from a list that somebody has cut.
   */
  pools(layers: readonly LayerTensors[]): boolean[] | undefined {
    const found = layers.map((layer) => this.#between(layer, undefined)?.includes("pool") === true);
    return found.filter((hasPool) => hasPool).length > 1 ? found : undefined;
  }

  /** The layers without weights behind one, up to another one, or to the next convolution or dense layer. */
  #between(from: LayerTensors, to: LayerTensors | undefined): Kind[] | undefined {
    const begin = this.#entries.findIndex(({ name }) => name === from.name);
    if (!this.isOrdered || begin < 0) return undefined;
    const rest = this.#entries.slice(begin + 1);
    const end = rest.findIndex(({ name, kind, isNorm }) =>
      to === undefined ? kind === undefined && !isNorm : name === to.name
    );
    if (end < 0 && to !== undefined) return undefined;
    return (end < 0 ? rest : rest.slice(0, end)).flatMap(({ kind }) => kind ?? []);
  }
}

function kindOf(name: string): Kind {
  const own = name.replace(/^.*\//, "").replace(/_?\d+(_\d+)?$/, "");
  const kinds = Object.keys(NAMES) as (keyof typeof NAMES)[];
  return kinds.find((kind) => NAMES[kind].test(own)) ?? "other";
}
