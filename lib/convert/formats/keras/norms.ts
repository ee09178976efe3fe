/** Keras' layers that scale and shift a value: for each channel, as a graph has it. */

import { jsonText } from "../../../model/json.ts";
import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import {
  constantOf,
  elementwise,
  type Made,
  type Shape,
  type Taken,
  tensorOf,
  Untranslatable,
} from "./values.ts";

/** Keras' `epsilon()`, the least deviation of its Normalization. */
const EPSILON = 1e-7;
/** What its batch normalization adds to the variance if nothing is said. */
const NORM_EPSILON = 1e-3;

export function batchNormalization(taken: Taken): Made {
  const { config, shape, weight } = taken;
  const { epsilon = NORM_EPSILON, mode = 0, axis = -1 } = config;
  const [only, ...others] = Array.isArray(axis) ? axis : [axis];
  const channels = shape.kind === "NCHW" ? [1, -3] : shape.kind === "NHWC" ? [3, -1] : [1, -1];
  if (others.length > 0 || (shape.kind !== undefined && !channels.includes(only as number))) {
    throw new Untranslatable(`its axis is ${jsonText(axis)}, and not that of the channels`);
  }
  if (mode !== 0) throw new Untranslatable(`its mode is ${jsonText(mode)}`);
  if (typeof epsilon !== "number" || !(epsilon >= 0)) {
    throw new Untranslatable("its epsilon must be a number");
  }
  return elementwise(taken, {
    kind: "batchNorm",
    gamma: config.scale === false ? undefined : weight("gamma"),
    beta: config.center === false ? undefined : weight("beta"),
    mean: weight("moving_mean"),
    variance: weight("moving_variance"),
    epsilon,
  });
}

export function rescaling(taken: Taken): Made {
  const { scale = 1, offset = 0 } = taken.config;
  const { name } = taken.layer;
  const operator: Operator = {
    kind: "affine",
    scale: constantOf(scale, `${name}.scale`),
    shift: constantOf(offset, `${name}.offset`),
  };
  const isPlain = typeof operator.scale === "number" && typeof operator.shift === "number";
  // Whether a list is one of channels depends on a setting of the program that made the model.
  if (!isPlain && taken.shape.kind === "NCHW") {
    throw new Untranslatable("it has a number for each channel, and takes a map NCHW");
  }
  return elementwise(taken, operator);
}

/** `(x - mean) / max(sqrt(variance), epsilon)`, or back. */
export function normalization(taken: Taken): Made {
  const { config, layer: { name }, weight, shape } = taken;
  const isGiven = (config.mean ?? undefined) !== undefined;
  const tensor = (word: "mean" | "variance"): CheckpointTensor => {
    if (!isGiven) return weight(word);
    const constant = constantOf(config[word], `${name}.${word}`);
    return typeof constant === "number"
      ? tensorOf(`${name}.${word}`, [1], () => [constant])
      : constant;
  };
  const mean = tensor("mean"), variance = tensor("variance");
  const sizes = [mean, variance].map(({ shape }) => sizeOf(shape));
  const length = Math.max(...sizes);
  const axes = keptAxes(config.axis, shape);
  if (axes.length > 1 || sizes.some((size) => size !== 1 && size !== length)) {
    throw new Untranslatable("it has numbers for more than the channels");
  }
  const [axis = 3] = axes;
  // From the axis to the last one, as numpy broadcasts it.
  const rank = shape.kind === "vector" ? 2 : 4;
  const broadcast = length === 1 ? [] : [length, ...new Array(rank - 1 - axis).fill(1)];
  const isInverse = config.invert === true;
  const values = async (of: (mean: number, deviation: number) => number): Promise<number[]> => {
    const [means, variances] = [await readAll(mean), await readAll(variance)];
    return Array.from({ length }, (_, c) => {
      const deviation = Math.max(Math.sqrt(variances[c % variances.length]!), EPSILON);
      return of(means[c % means.length]!, deviation);
    });
  };
  return elementwise(taken, {
    kind: "affine",
    scale: tensorOf(`${name}.scale`, broadcast, () => values((_, d) => isInverse ? d : 1 / d)),
    shift: tensorOf(`${name}.offset`, broadcast, () => values((m, d) => isInverse ? m : -m / d)),
  });
}

/** The axes that have numbers of their own, counted from the images' on. */
function keptAxes(axis: unknown, { kind }: Shape): number[] {
  const list = axis === null ? [] : Array.isArray(axis) ? axis : [axis ?? -1];
  const rank = kind === "vector" ? 2 : 4;
  return list.map((item) => {
    if (!Number.isInteger(item) || item >= rank || item < -rank) {
      throw new Untranslatable("its axis is none of the value's");
    }
    return item < 0 ? item + rank : item;
  });
}
