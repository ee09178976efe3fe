/** Where the max-pools of a network are that has convolutions alone: what its names say of it. */

import { CONFIGURATIONS } from "../../model/architecture.ts";
import { filterSizes } from "./filters.ts";
import type { LayerNames } from "./layer_names.ts";
import type { WeightedLayer } from "./names.ts";
import { seriesOf, tokensOf } from "./order.ts";
import type { Positions } from "./positions.ts";
import { unsupported } from "./trace.ts";

/** The convolutions of a network in blocks. */
export interface Blocks {
  /** Of each convolution, whether it is the last of its block: a max-pool follows. */
  readonly isLast: readonly boolean[];
  /** Of each convolution without a normalization, whether there is room for a ReLU behind it. */
  readonly hasRelu: readonly boolean[];
  /** What was taken for granted. */
  readonly assumptions: readonly string[];
}

/** What tells them. */
export interface BlockEvidence {
  readonly convolutions: readonly WeightedLayer[];
  readonly positions: Positions;
  readonly layerNames: LayerNames;
}

/**
 * Finds the blocks by the number of convolutions, and holds them against the pools that a file names, the
 * gaps in numbered sequences and the groups in names such as `conv4_3`.
 *
 * @param hasNorms Whether normalizations are among them.
 * @throws {CheckpointFormatError} If these contradict each other.
 */
export function findBlocks(
  { convolutions, positions, layerNames }: BlockEvidence,
  hasNorms: boolean,
  file: string,
): Blocks {
  // C and D have the same blocks, and differ in their filters.
  const windows = convolutions.map(({ weight }) => filterSizes(weight)!.window[0]);
  const columns = Object.entries(CONFIGURATIONS)
    .filter(([, blocks]) => blocks.flat().length === convolutions.length);
  const [column, blocks] =
    columns.find(([, blocks]) => String(blocks.flat()) === String(windows)) ?? columns.at(-1) ?? [];
  if (column === undefined || blocks === undefined) {
    throw unsupported(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found ${convolutions.length}`,
      file,
    );
  }
  const sizes = blocks.map((filters) => filters.length);
  const isLast = sizes.flatMap((size) =>
    Array.from({ length: size }, (_, index) => index === size - 1)
  );
  const gaps = convolutions.slice(1).map((next, i) => positions.between(convolutions[i]!, next));
  const known = gaps.filter((gap) => gap !== undefined);
  // A list of all, and nothing else: modules without weights are elsewhere.
  const isBare = known.length === gaps.length && known.every((gap) => gap === 0);
  if (known.length > 0 && !isBare) {
    const assumptions = checkGaps(
      { convolutions, gaps, isLast, column },
      positions,
      hasNorms,
      file,
    );
    const hasRelu = [...gaps, undefined].map((gap) => gap !== 0);
    return { isLast, hasRelu, assumptions };
  }
  const hasRelu = convolutions.map(() => true);
  const pools = layerNames.pools(convolutions);
  const wrong = pools?.findIndex((hasPool, index) => hasPool !== isLast[index]) ?? -1;
  if (wrong >= 0) {
    throw unsupported(
      `Behind ${convolutions[wrong]!.name} of ${file} there must be ${
        isLast[wrong] ? "a" : "no"
      } max-pool, as in configuration ${column}: the pools of this network are elsewhere`,
      file,
    );
  }
  const isKnown = pools !== undefined || hasGroups(convolutions, sizes, column, file) ||
    hasPoolsBetween(convolutions, isLast, column, file);
  if (isKnown) return { isLast, hasRelu, assumptions: [] };
  return {
    isLast,
    hasRelu,
    assumptions: [
      `Nothing in the file says where its max-pools are: where VGG configuration ${column} has them.`,
    ],
  };
}

/** An encoder and a decoder, a front end and a back end: what connects them is not in the file. */
export function refuseParts(convolutions: readonly WeightedLayer[], file: string): void {
  const parts = [...Map.groupBy(convolutions, ({ name }) => seriesOf(name)).values()];
  if (parts.length === 1 || parts.every((part) => part.length === 1)) return;
  throw unsupported(
    `The convolutions of ${file} are in parts, ${
      parts.map((part) =>
        `${part[0]!.name}${part.length > 1 ? ` and ${part.length - 1} more` : ""}`
      )
        .join(", ")
    }: how they are connected is not in the file, and a VGG has one series of them`,
    file,
  );
}

interface Sequence {
  readonly convolutions: readonly WeightedLayer[];
  /** Modules without weights behind each convolution, where they are known. */
  readonly gaps: readonly (number | undefined)[];
  readonly isLast: readonly boolean[];
  readonly column: string;
}

/**
 * Within a block there is a ReLU behind a convolution, at its end a pool as well. One module more at all
 * such places is dropout, which changes nothing; what is only at some is not known. Two modules within
 * blocks and three at their ends could also be a normalization without weights, where no other is.
 */
function checkGaps(
  { convolutions, gaps, isLast, column }: Sequence,
  positions: Positions,
  hasNorms: boolean,
  file: string,
): string[] {
  const most = (last: boolean): number | undefined =>
    mostFrequent(gaps.filter((_, i) => isLast[i] === last));
  const [within, end] = [most(false), most(true)];
  const hasDropout = (within ?? 1) > 1 || (end ?? 2) > 2;
  for (const [index, gap] of gaps.entries()) {
    const usual = (isLast[index] ? end : within)!;
    const isUsual = gap === undefined ||
      gap === usual && (isLast[index] ? gap >= Math.max(2, within ?? 1) || within === 0 : true);
    if (isUsual) continue;
    const expected = isLast[index] ? Math.max(2, end!) : within!;
    const [layer, next] = [convolutions[index]!, convolutions[index + 1]!];
    const number = positions.numberOf(next)! - gap + expected;
    throw unsupported(
      `Tensor ${next.weight.name} of ${file} must be ${
        next.name.replace(/\d+$/, `${number}`)
      }, as convolution ${
        index + 2
      } of configuration ${column}: the pools of this network are elsewhere. ` +
        `Between it and ${layer.name} there ${
          gap === 1 ? "is 1 module" : `are ${gap} modules`
        } without weights`,
      file,
    );
  }
  if (!hasDropout) return [];
  if (!hasNorms && within === 2 && end !== 2 || (within ?? 1) > 2 || (end ?? 2) > 3) {
    throw unsupported(
      `Between ${convolutions[0]!.name} and ${
        convolutions[1]!.name
      } of ${file} and so on there are modules without ` +
        "weights besides ReLU and max-pools, and nothing tells what they are: dropout, which changes nothing, or a " +
        "normalization. Convert the network's ONNX export",
      file,
    );
  }
  return [
    "Between its convolutions there are modules without weights besides ReLU and max-pools: they are taken for dropout.",
  ];
}

function mostFrequent(values: readonly (number | undefined)[]): number | undefined {
  const counts = [...Map.groupBy(values.filter((value) => value !== undefined), (value) => value)];
  return counts.toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0];
}

/** Whether names group the convolutions, as `conv4_3` does: then they have to be the blocks. */
function hasGroups(
  convolutions: readonly WeightedLayer[],
  sizes: readonly number[],
  column: string,
  file: string,
): boolean {
  const tokens = convolutions.map(({ name }) => tokensOf(name));
  const place = tokens[0]!.findIndex((token, i) => tokens.some((other) => other[i] !== token));
  const numbers = tokens.map((token) => token[place]);
  const groups = [...Map.groupBy(numbers, (number) => number).values()].map(({ length }) => length);
  if (typeof numbers[0] !== "number" || groups.length === convolutions.length) return false;
  if (String(groups) === String(sizes)) return true;
  throw unsupported(
    `By their names the convolutions of ${file} (${convolutions[0]!.name} …) are in groups of ${
      groups.join(", ")
    }: expected ${sizes.join(", ")}, as the blocks of configuration ${column} are`,
    file,
  );
}

/** Whether numbers of small sequences in a large one, `features.3.0`, leave room for pools between them. */
function hasPoolsBetween(
  convolutions: readonly WeightedLayer[],
  isLast: readonly boolean[],
  column: string,
  file: string,
): boolean {
  const segments = convolutions.map(({ name }) => name.split(/[./]/));
  const place = segments[0]!.findIndex((segment, i) =>
    segments.some((path) => path[i] !== segment)
  );
  const numbers = segments.map((path) => /^\d+$/.test(path[place]!) ? Number(path[place]) : NaN);
  const hasRoom = numbers.slice(1).map((number, i) => number - numbers[i]! > 1);
  if (!hasRoom.includes(true)) return false;
  const wrong = hasRoom.findIndex((room, index) => room !== isLast[index]);
  if (wrong < 0) return true;
  throw unsupported(
    `Between ${convolutions[wrong]!.name} and ${
      convolutions[wrong + 1]!.name
    } of ${file} there is ${
      hasRoom[wrong] ? "" : "no "
    }room for a max-pool, other than in configuration ${column}: the pools of this network are elsewhere`,
    file,
  );
}
