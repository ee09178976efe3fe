/** The dense kernel: layers whose filters cover their whole input. */

import type { Precision } from "../../engine.ts";
import { defineKernel, DOT16 } from "./kernel.ts";
import { accumulatorType, type OutputAttributes, outputCode, outputParameters } from "./output.ts";

/** How outputs are cut into lanes and workgroups. Changes no result. */
export interface DenseTile {
  /** Images of one lane: a weight is loaded once for all of them. */
  readonly images: number;
  /** Lanes of a workgroup with channels of their own, four each. */
  readonly channelLanes: number;
  /** Lanes that share an output: each sums a part of the inner dimension. */
  readonly innerLanes: number;
}

/** A tile's name: `1x4 64x1`. */
export function denseName({ images, channelLanes, innerLanes }: DenseTile): string {
  return `${images}x4 ${channelLanes}x${innerLanes}`;
}

export interface DenseAttributes extends OutputAttributes {
  /** Sixteens of inputs. */
  readonly sixteens: number;
  readonly tile: DenseTile;
}

/**
 * Multiplies `x`, `[N, I]`, with int8 `weights`. Gives what {@linkcode convolve} gives, without
 * maxima: the values of an image are few.
 */
export const multiplyDense = defineKernel(
  "dense",
  ["x", "weights", "scales"],
  (attributes: DenseAttributes) => {
    const { precision, sixteens, output, tile } = attributes;
    return {
      variant: [precision, denseName(tile)],
      code: () => denseCode(precision, tile),
      parameters: { sixteens, images: output.images, ...outputParameters(attributes) },
      workgroupSize: tile.channelLanes * tile.innerLanes,
      workgroups: [
        1,
        Math.ceil(output.channels / (4 * tile.channelLanes)),
        Math.ceil(output.images / tile.images),
      ],
    };
  },
);

function denseCode(precision: Precision, tile: DenseTile): string {
  const { images, channelLanes, innerLanes } = tile;
  const type = `vec4<${accumulatorType(precision)}>`;
  const each = (line: (n: number) => string): string =>
    Array.from({ length: images }, (_, n) => line(n)).join("\n    ");
  const integer = precision === "int8";
  const loadX = (n: number): string =>
    integer
      ? `let x${n} = load_x((image0 + ${n}) * parameters.sixteens + i);`
      : [0, 1, 2, 3].map((k) =>
        `let x${n}_${k} = bitcast<vec4<f32>>(load_x(((image0 + ${n}) * parameters.sixteens + i) * 4 + ${k}));`
      ).join(" ");
  const product = (n: number): string =>
    integer
      ? `dot16(x${n}, w)`
      : [0, 1, 2, 3].map((k) => `dot(x${n}_${k}, vec4<f32>(unpack4xI8(w[${k}])))`).join(" + ");
  const channels = ["x", "y", "z", "w"].map((channel, j) => {
    const sums = each((n) => `acc${n}.${channel} += ${product(n)};`);
    return `{ let w = load_weights(row + i * 16 + ${j * 4}); ${sums} }`;
  });
  return `
${integer ? DOT16 : ""}
${outputCode(precision)}
${innerLanes > 1 ? `var<workgroup> parts: array<${type}, ${channelLanes * innerLanes}>;` : ""}
fn main() {
  let lane = i32(localIndex);
  let inner = lane / ${channelLanes};
  let quad = i32(workgroupId.y) * ${channelLanes} + lane % ${channelLanes};
  let image0 = i32(workgroupId.z) * ${images};
  let row = (quad >> 2u) * parameters.sixteens * 16 + (quad & 3);
  ${each((n) => `var acc${n}: ${type};`)}
  for (var i = inner; i < parameters.sixteens; i += ${innerLanes}) {
    ${each(loadX)}
    ${channels.join("\n    ")}
  }
  ${each((n) => (innerLanes > 1 ? sumParts(tile, n) : "") + writeImage(n))}
}
`;
}

function sumParts({ channelLanes, innerLanes }: DenseTile, n: number): string {
  return `parts[lane] = acc${n};
  workgroupBarrier();
  if (inner == 0) {
    for (var i = 1; i < ${innerLanes}; i++) {
      acc${n} += parts[lane + i * ${channelLanes}];
    }
  }
  workgroupBarrier();
  `;
}

function writeImage(n: number): string {
  return `if (inner == 0 && image0 + ${n} < parameters.images && quad < parameters.outQuads) {
    writeQuad((image0 + ${n}) * parameters.outQuads + quad, scaleIndex(image0 + ${n}, quad), acc${n});
  }
  `;
}
