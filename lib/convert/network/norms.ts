/** Which normalization belongs to which layer, and whether it stands before the ReLU or after it. */

import { sizeOf } from "../formats/checkpoint.ts";
import { filterSizes } from "./filters.ts";
import type { LayerNames } from "./layer_names.ts";
import type { NormLayer, WeightedLayer } from "./names.ts";
import { compareNames, connections, seriesOf } from "./order.ts";
import type { Positions } from "./positions.ts";
import { ambiguous, unsupported } from "./trace.ts";

/** A normalization behind a layer. */
export interface PlacedNorm {
  readonly norm: NormLayer;
  readonly isBeforeRelu: boolean;
  /** Whether there is room for a ReLU at all. */
  readonly hasRelu: boolean;
}

/** All normalizations of a network. */
export interface PlacedNorms {
  /** Of the images. */
  readonly first?: NormLayer | undefined;
  /** Of what the first dense layer sees. */
  readonly ahead?: NormLayer | undefined;
  readonly behind: ReadonlyMap<WeightedLayer, PlacedNorm>;
}

/** What a user answers. */
export interface NormAnswers {
  /** Where batch normalization stands. */
  readonly norm?: "before-relu" | undefined;
  /** What follows each dense layer but the last at once. */
  readonly activation?: "relu" | undefined;
}

/** What tells where normalizations are. */
export interface NormEvidence extends NormAnswers {
  readonly convolutions: readonly WeightedLayer[];
  readonly dense: readonly WeightedLayer[];
  readonly positions: Positions;
  /** Whether the file's own order is that of the network. */
  readonly isDeclared: boolean;
  readonly layerNames: LayerNames;
}

/**
 * Places normalizations: by numbers in a sequence, by a name below that of its layer, by the order in which
 * layers were declared, or one for each layer.
 *
 * @throws {CheckpointFormatError} If that tells nothing of one, or not its place before or after the ReLU.
 */
export function placeNorms(
  norms: readonly NormLayer[],
  evidence: NormEvidence,
  file: string,
): PlacedNorms {
  const { convolutions, dense, positions } = evidence;
  const layers = [...convolutions, ...dense];
  const behind = new Map<WeightedLayer, PlacedNorm>();
  const place = (host: WeightedLayer, placed: PlacedNorm): void => {
    const { name, mean } = placed.norm;
    const { outputs } = filterSizes(host.weight)!;
    if (sizeOf(mean.shape) !== outputs || behind.has(host)) {
      throw unsupported(
        `Normalization ${name} of ${file} has ${
          sizeOf(mean.shape)
        } numbers and would follow ${host.name}, ` +
          `which has ${outputs} outputs${behind.has(host) ? " and another normalization" : ""}`,
        file,
      );
    }
    behind.set(host, placed);
  };
  const alone: { first?: NormLayer; ahead?: NormLayer } = {};
  const keep = (part: "first" | "ahead", norm: NormLayer): void => {
    const other = alone[part];
    if (other !== undefined) {
      throw unsupported(
        `Both ${other.name} and ${norm.name} of ${file} normalize the same values`,
        file,
      );
    }
    alone[part] = norm;
  };
  const unplaced: NormLayer[] = [];
  for (const norm of norms) {
    const host = layers.find(({ name }) =>
      norm.name.startsWith(`${name}/`) || norm.name.startsWith(`${name}.`)
    );
    const before = positions.neighbor(norm, layers, "before");
    const after = positions.neighbor(norm, layers, "after");
    if (host !== undefined) {
      // ConvBn2d, TF-Slim's normalizer: a part of the convolution, whose ReLU follows.
      place(host, { norm, isBeforeRelu: true, hasRelu: true });
    } else if (
      after !== undefined && after === dense[0] &&
      (before === undefined || positions.between(before, norm)! > 1)
    ) {
      // Behind a ReLU and a pool, or first in a sequence of dense layers.
      keep("ahead", norm);
    } else if (before !== undefined) {
      place(before, byNumbers(norm, before, after, evidence, file));
    } else if (after !== undefined && after === convolutions[0]) {
      keep("first", norm);
    } else if (isOfMap(norm, evidence)) {
      keep("ahead", norm);
    } else {
      unplaced.push(norm);
    }
  }
  const colors = unplaced.length > 0 ? takeFirst(unplaced, evidence) : undefined;
  if (colors !== undefined) keep("first", colors);
  for (const [norm, host] of pair(unplaced, evidence, file)) {
    place(host, { norm, isBeforeRelu: isBeforeRelu(norm, host, evidence, file), hasRelu: true });
  }
  return { ...alone, behind };
}

/**
 * Modules without weights before and after a normalization: the ReLU is where there is one. Behind a dense
 * layer it could be dropout, too, if there are some on both sides.
 */
function byNumbers(
  norm: NormLayer,
  host: WeightedLayer,
  next: WeightedLayer | undefined,
  { convolutions, positions, norm: answer, activation }: NormEvidence,
  file: string,
): PlacedNorm {
  const before = positions.between(host, norm)!;
  const after = next === undefined ? undefined : positions.between(norm, next)!;
  if (before === 0) return { norm, isBeforeRelu: true, hasRelu: after !== 0 };
  const isClear = after === 0 || convolutions.includes(host);
  if (isClear || activation === "relu") return { norm, isBeforeRelu: false, hasRelu: true };
  if (answer === "before-relu") return { norm, isBeforeRelu: true, hasRelu: true };
  throw ambiguous(
    `Normalization ${norm.name} of ${file} stands between modules without weights: the ReLU could be the one before ` +
      "it or the one after it, and the other dropout. Say --activation relu if the ReLU follows each dense layer at once, " +
      "--norm before-relu if the normalization comes first",
    file,
  );
}

/** Whether it has a number for each position of the last map, as the first dense layer has inputs. */
function isOfMap({ mean }: NormLayer, { convolutions, dense }: NormEvidence): boolean {
  const [first] = dense;
  const { outputs } = filterSizes(convolutions.at(-1)!.weight)!;
  return first !== undefined && sizeOf(mean.shape) === connections(first, true).inputs &&
    sizeOf(mean.shape) > outputs;
}

/** A normalization of the colors, such as Keras' `Normalization`: taken out of the list. */
function takeFirst(
  norms: NormLayer[],
  { convolutions }: NormEvidence,
): NormLayer | undefined {
  const { channels } = filterSizes(convolutions[0]!.weight)!;
  const index = norms.findIndex(({ mean }) => sizeOf(mean.shape) === channels);
  const isColors = index >= 0 && filterSizes(convolutions[0]!.weight)!.outputs !== channels;
  return isColors ? norms.splice(index, 1)[0] : undefined;
}

/** The layers of normalizations that no sequence places. */
function pair(
  norms: readonly NormLayer[],
  { convolutions, dense, isDeclared }: NormEvidence,
  file: string,
): (readonly [NormLayer, WeightedLayer])[] {
  const layers = [...convolutions, ...dense];
  // Programs declare each norm behind its layer, or all of them behind all convolutions.
  const areApart = norms.length > 1 &&
    layers.every(({ index }) => index < norms[0]!.index || index > norms.at(-1)!.index);
  if (isDeclared && !areApart) {
    return norms.map((norm) => {
      const host = layers.filter(({ index }) => index < norm.index)
        .toSorted((a, b) => b.index - a.index)[0];
      if (host === undefined) {
        throw unsupported(`Normalization ${norm.name} of ${file} stands before all layers`, file);
      }
      return [norm, host];
    });
  }
  const isSeries = new Set(norms.map(({ name }) => seriesOf(name))).size < 2;
  const hosts = [convolutions, layers.slice(0, -1), layers]
    .find(({ length }) => length === norms.length);
  if (norms.length === 0) return [];
  if (isSeries && hosts !== undefined) {
    return norms.toSorted((a, b) => compareNames(a.name, b.name))
      .map((norm, index) => [norm, hosts[index]!]);
  }
  throw unsupported(
    `Which layers the ${norms.length} normalizations of ${file} belong to is not told by their names ` +
      `(${
        norms[0]!.name
      } …): expected one for each of ${convolutions.length} convolutions, or for all layers but the last`,
    file,
  );
}

/** By the names of layers without weights, where the file has them; else by the user's answer. */
function isBeforeRelu(
  norm: NormLayer,
  host: WeightedLayer,
  { layerNames, norm: answer }: NormEvidence,
  file: string,
): boolean {
  const isBefore = layerNames.isBeforeRelu(host, norm);
  if (isBefore !== undefined) return isBefore;
  if (answer === "before-relu") return true;
  throw ambiguous(
    `Whether normalization ${norm.name} of ${file} stands before the ReLU of ${host.name} or after it is not told by ` +
      "the file: say --norm before-relu if a ReLU follows it, as in most networks. One after the ReLU is not converted",
    file,
  );
}
