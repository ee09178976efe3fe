/** Which column of the paper's table a chain of convolutions and pools is. */

import { type Configuration, CONFIGURATIONS } from "../../model/architecture.ts";
import type { Pair } from "../formats/graph.ts";
import { unsupported } from "./trace.ts";

/** A convolution of a chain. */
export interface ChainConvolution {
  /** Its weight's, for messages. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly window: Pair;
  /** Whether a max pool follows. */
  readonly pooled: boolean;
}

const COLUMNS = Object.keys(CONFIGURATIONS) as Configuration[];

/**
 * Finds the configuration with these filters and pools.
 *
 * @throws {CheckpointFormatError} If none has them, naming the first place where the nearest differs.
 */
export function findConfiguration(
  convolutions: readonly ChainConvolution[],
  file: string,
): Configuration {
  const found = convolutions.map(({ window, pooled }) => ({ size: window.join("x"), pooled }));
  const candidates = COLUMNS.map((name) => ({ name, expected: chainOf(name) }))
    .filter(({ expected }) => expected.length === found.length);
  if (candidates.length === 0) {
    throw unsupported(
      `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found ${found.length}`,
      file,
    );
  }
  const differences = candidates.map(({ name, expected }) => ({
    name,
    expected,
    index: expected.findIndex(({ size, pooled }, i) =>
      size !== found[i]!.size || pooled !== found[i]!.pooled
    ),
  }));
  const same = differences.find(({ index }) => index < 0);
  if (same !== undefined) return same.name;
  const { name, expected, index } = differences.toSorted((a, b) => b.index - a.index)[0]!;
  const { name: tensor, shape } = convolutions[index]!;
  const { size, pooled } = expected[index]!;
  const place = `${tensor} of ${file}, convolution ${index + 1} of ${found.length}`;
  throw unsupported(
    size !== found[index]!.size
      ? `Tensor ${place}, must have a ${size} filter as in configuration ${name}: found shape [${shape}]`
      : `Behind ${place}, there must be ${
        pooled ? "a" : "no"
      } max pool, as in configuration ${name}: the pools of this network are elsewhere`,
    file,
  );
}

function chainOf(name: Configuration): { size: string; pooled: boolean }[] {
  return CONFIGURATIONS[name].flatMap((filters) =>
    filters.map((size, index) => ({
      size: `${size}x${size}`,
      pooled: index === filters.length - 1,
    }))
  );
}
