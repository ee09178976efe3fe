/** In which order the layers of a file run, as far as the file tells. */

import type { WeightedLayer } from "./names.ts";
import { filterSizes } from "./filters.ts";
import { ambiguous, unsupported } from "./trace.ts";

/** A name in words and numbers: `block1_conv2` is `block`, 1, `conv`, 2, and `fc` is `fc`, -1. */
type Token = string | number;

/** Splits a name, so that those of a series differ in numbers alone. */
export function tokensOf(name: string): Token[] {
  return name.split(/[./]/).flatMap((segment) => {
    // The 2 of Keras' `conv2d`, `conv2d_1` numbers nothing.
    const tokens = (segment.match(/([^\d]|2(?=d(_|$)))+|\d+/g) ?? []).map((text): Token => {
      if (/^\d+$/.test(text)) return Number(text);
      const word = text.replace(/^[_-]+|[_-]+$/g, "");
      // `conv1a`, `conv1_b` are numbered by letters.
      return /^[a-e]$/i.test(word) && segment.endsWith(word) && segment !== word
        ? word.toLowerCase().charCodeAt(0) - 96
        : word;
    }).filter((token) => token !== "");
    // The first of a series has no number: Keras' `dense`, `dense_1`.
    return typeof tokens.at(-1) === "number" ? tokens : [...tokens, -1];
  });
}

/** What the names of a series have in common: `features.0` and `features.28` are of one. */
export function seriesOf(name: string): string {
  return tokensOf(name).map((token) => typeof token === "number" ? "#" : token).join(" ");
}

/** The order of two names of one series: by the first number that differs. */
export function compareNames(a: string, b: string): number {
  const others = tokensOf(b);
  const index = tokensOf(a).findIndex((token, i) => token !== others[i]);
  return index < 0 ? 0 : Number(tokensOf(a)[index]) - Number(others[index]);
}

/** What chains layers. */
interface Chained {
  readonly inputs: number;
  readonly outputs: number;
}

/** How many values go into a layer and come out; all that a filter sees are inputs of a dense layer. */
export function connections({ weight }: WeightedLayer, isDense: boolean): Chained {
  const { outputs, channels, window } = filterSizes(weight)!;
  return { inputs: isDense ? channels * window[0] * window[1] : channels, outputs };
}

/**
 * Puts layers in the order in which they run: that of their numbers, or that in which they were declared,
 * or the only one that their shapes allow.
 *
 * @param isDeclared Whether the file's own order is that of the network.
 * @param starts Whether a layer may be the first.
 * @throws {CheckpointFormatError} If these contradict each other, or several orders are possible.
 */
export function orderLayers(
  layers: readonly WeightedLayer[],
  kind: "convolutions" | "dense layers",
  { isDeclared, starts }: { isDeclared: boolean; starts: (layer: WeightedLayer) => boolean },
  file: string,
): WeightedLayer[] {
  if (layers.length < 2) return [...layers];
  const isDense = kind === "dense layers";
  const chains = (order: readonly WeightedLayer[]): boolean =>
    starts(order[0]!) && order.every((layer, index) =>
      index === 0 ||
      connections(order[index - 1]!, isDense).outputs === connections(layer, isDense).inputs
    );
  const declared = isDeclared ? layers.toSorted((a, b) => a.index - b.index) : undefined;
  const isSeries = new Set(layers.map(({ name }) => seriesOf(name))).size === 1;
  if (isSeries) {
    const named = layers.toSorted((a, b) => compareNames(a.name, b.name));
    const contradicts = declared?.some((layer, index) => layer !== named[index]) === true;
    if (!contradicts || !chains(declared)) return named;
    if (!chains(named)) return declared;
    throw ambiguous(
      `The ${kind} of ${file} are declared in the order ${namesOf(declared)}, and their names say ${
        namesOf(named)
      }: their shapes allow both`,
      file,
    );
  }
  const isInTurn = declared?.every((layer, index) => isTurn(layer, declared.slice(index + 1)));
  if (declared !== undefined && isInTurn && chains(declared)) return declared;
  const possible = chainsOf(layers, isDense, starts);
  if (possible.length === 1) return possible[0]!;
  if (possible.length > 1) {
    throw ambiguous(
      `The order of the ${kind} of ${file} is not known: their names do not tell it, and their shapes ` +
        `allow ${differing(possible[0]!, possible[1]!)} as well as ${
          differing(possible[1]!, possible[0]!)
        }`,
      file,
    );
  }
  throw unsupported(
    `The ${kind} of ${file} are no chain, in which each takes what another one gives: found ${
      layers.map((layer) => `${layer.name} [${layer.weight.shape}]`).join(", ")
    }${isDense ? ". Several heads side by side are not converted" : ""}`,
    file,
  );
}

/** More steps than a network takes in which shapes tell the order. */
const MAX_STEPS = 10_000;

/** Up to two orders in which all layers are one chain, in series in the order of their numbers. */
function chainsOf(
  layers: readonly WeightedLayer[],
  isDense: boolean,
  starts: (layer: WeightedLayer) => boolean,
): WeightedLayer[][] {
  const found: WeightedLayer[][] = [];
  let steps = 0;
  const extend = (chain: WeightedLayer[], rest: readonly WeightedLayer[]): void => {
    if (rest.length === 0) found.push(chain);
    for (const layer of rest) {
      if (found.length === 2 || ++steps > MAX_STEPS) return;
      const before = chain.at(-1);
      const fits = before === undefined
        ? starts(layer)
        : connections(before, isDense).outputs === connections(layer, isDense).inputs;
      if (fits && isTurn(layer, rest)) {
        extend([...chain, layer], rest.filter((other) => other !== layer));
      }
    }
  };
  extend([], layers);
  return steps > MAX_STEPS ? [] : found;
}

/** Whether none of the rest is of the same series and comes before. */
function isTurn({ name }: WeightedLayer, rest: readonly WeightedLayer[]): boolean {
  return !rest.some((other) =>
    seriesOf(other.name) === seriesOf(name) && compareNames(other.name, name) < 0
  );
}

/** From the layer before the first that differs on. */
function differing(order: readonly WeightedLayer[], other: readonly WeightedLayer[]): string {
  const index = order.findIndex((layer, i) => layer !== other[i]);
  return namesOf(order.slice(Math.max(0, index - 1), index + 3));
}

/** A few names, for messages. */
function namesOf(layers: readonly WeightedLayer[]): string {
  const names = layers.map(({ name }) => name);
  return names.length > 6 ? `${names.slice(0, 6).join(", ")} …` : names.join(", ");
}
