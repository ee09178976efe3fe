/** The average kernel: all positions of a map become one. */

import type { Precision } from "../../engine.ts";
import { defineKernel, type Shape } from "./kernel.ts";
import { accumulatorType } from "./output.ts";

/** What is averaged. */
export interface AverageAttributes {
  readonly precision: Precision;
  /** Of the map, which is stored without zeros around it. */
  readonly input: Shape;
}

/** Lanes of a workgroup, which share the positions. */
const LANES = 64;

/**
 * Sums `x`, `[N, H, W, C]`, over all positions, and with float divides by their number. Gives what
 * {@linkcode multiplyDense} gives, `[N, C]` without maxima. A workgroup takes the channels of a
 * vector.
 */
export const averagePositions = defineKernel(
  "average",
  ["x"],
  ({ precision, input }: AverageAttributes) => {
    const vectors = input.channels / (4 * quadsOf(precision));
    return {
      variant: [precision],
      code: () => averageCode(precision),
      parameters: { vectors, positions: input.height * input.width },
      workgroupSize: LANES,
      workgroups: [vectors, 1, input.images],
    };
  },
);

/** Quads of channels that a vector of `x` holds. */
const quadsOf = (precision: Precision): number => precision === "int8" ? 4 : 1;

function averageCode(precision: Precision): string {
  const quads = quadsOf(precision), type = `vec4<${accumulatorType(precision)}>`;
  const [value, result] = precision === "int8"
    ? ["unpack4xI8(vector[quad])", "sum"]
    : ["bitcast<vec4<f32>>(vector)", "sum / f32(parameters.positions)"];
  return `
var<workgroup> parts: array<${type}, ${quads * LANES}>;

fn main() {
  let lane = i32(localIndex);
  let image = i32(workgroupId.z);
  let column = i32(workgroupId.x);
  var sums: array<${type}, ${quads}>;
  for (var position = lane; position < parameters.positions; position += ${LANES}) {
    let vector = load_x((image * parameters.positions + position) * parameters.vectors + column);
    for (var quad = 0; quad < ${quads}; quad++) {
      sums[quad] += ${value};
    }
  }
  for (var quad = 0; quad < ${quads}; quad++) {
    parts[lane * ${quads} + quad] = sums[quad];
  }
  workgroupBarrier();
  if (lane < ${quads}) {
    var sum = ${type}();
    for (var part = lane; part < ${quads * LANES}; part += ${quads}) {
      sum += parts[part];
    }
    store((image * parameters.vectors + column) * ${quads} + lane, bitcast<vec4<u32>>(${result}));
  }
}
`;
}
