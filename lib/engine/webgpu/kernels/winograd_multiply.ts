/**
 * The products of Winograd's algorithm: at each point a matrix product of transformed inputs and
 * filters.
 */

import type { Precision } from "../../engine.ts";
import { defineKernel } from "./kernel.ts";
import { accumulatorType } from "./output.ts";
import { type Chunk, patchesOf, pointsOf, type WinogradTile } from "./winograd.ts";

export interface MultiplyAttributes {
  readonly precision: Precision;
  /** Input channels. */
  readonly channels: number;
  readonly tile: WinogradTile;
  readonly chunk: Chunk;
}

/**
 * Multiplies and sums over the input channels: `[points, patches, O / 4]` vectors of int32, modulo
 * 2^32, or of float32.
 */
export const multiplyPoints = defineKernel(
  "winograd-multiply",
  ["inputs", "filters"],
  ({ precision, channels, tile, chunk }: MultiplyAttributes) => {
    const patches = patchesOf(chunk);
    return {
      // The same for all algorithms: their points are in `workgroups`.
      variant: [
        precision,
        `${tile.patches}x${tile.channels}`,
        `${tile.channelLanes}x${tile.patchLanes}`,
      ],
      code: () => multiplyCode(precision, tile),
      parameters: { patches, eights: channels / 8, quads: chunk.channels / 4 },
      workgroupSize: tile.channelLanes * tile.patchLanes,
      workgroups: [
        Math.ceil(patches / (tile.patches * tile.patchLanes)),
        Math.ceil(chunk.channels / (tile.channels * tile.channelLanes)),
        pointsOf(tile),
      ],
    };
  },
);

function multiplyCode(precision: Precision, tile: WinogradTile): string {
  const { patches, channels, channelLanes, patchLanes } = tile;
  const type = accumulatorType(precision);
  const vectors = precision === "int8" ? 1 : 2;
  const each = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join("\n    ");
  const quads = channels / 4;
  const quad = (j: number): string => `quad0 + ${j * channelLanes}`;
  const inputs = each(
    patches,
    (t) =>
      `let inputs${t} = (point * parameters.patches + min(patch0 + ${t}, parameters.patches - 1)) * parameters.eights * ${vectors};`,
  );
  const filters = each(quads, (j) => {
    const own = `(${quad(j)})`;
    return `let filters${j} = ((point * (parameters.quads >> 2u) + (${own} >> 2u)) * parameters.eights) * 16 + (${own} & 3);`;
  });
  const sums = each(
    patches * channels,
    (i) => `var ${sum(Math.floor(i / channels), i % channels)} = ${type}();`,
  );
  return `
// Eight 16-bit integers: those in the low halves of words, and those in the high ones.
fn low(words: vec4<u32>) -> vec4<i32> { return bitcast<vec4<i32>>(words << vec4<u32>(16u)) >> vec4<u32>(16u); }
fn high(words: vec4<u32>) -> vec4<i32> { return bitcast<vec4<i32>>(words) >> vec4<u32>(16u); }

fn main() {
  let lane = i32(localIndex);
  let point = i32(workgroupId.z);
  let quad0 = i32(workgroupId.y) * ${quads * channelLanes} + lane % ${channelLanes};
  let patch0 = (i32(workgroupId.x) * ${patchLanes} + lane / ${channelLanes}) * ${patches};
  if (patch0 >= parameters.patches || quad0 >= parameters.quads) {
    return;
  }
  ${inputs}
  ${filters}
  ${sums}
  for (var c = 0; c < parameters.eights; c++) {
    ${each(patches, (t) => loadInputs(precision, t))}
    ${each(channels, (o) => multiplyFilter(precision, patches, o))}
  }
  ${each(patches * quads, (i) => storeQuad(Math.floor(i / quads), i % quads, quad(i % quads)))}
}
`;
}

function sum(patch: number, channel: number): string {
  return `sum_${patch}_${channel}`;
}

function loadInputs(precision: Precision, t: number): string {
  if (precision === "int8") {
    return `let words${t} = load_inputs(inputs${t} + c); let a${t} = low(words${t}); let b${t} = high(words${t});`;
  }
  return ["a", "b"].map((name, k) =>
    `let ${name}${t} = bitcast<vec4<f32>>(load_inputs(inputs${t} + c * 2 + ${k}));`
  ).join(" ");
}

function multiplyFilter(precision: Precision, patches: number, o: number): string {
  const type = `vec4<${accumulatorType(precision)}>`;
  const products = Array.from(
    { length: patches },
    (_, t) => `${sum(t, o)} += dot(a${t}, wa) + dot(b${t}, wb);`,
  );
  return `{ let words = load_filters(filters${Math.floor(o / 4)} + c * 16 + ${o % 4 * 4});
      let wa = ${type}(low(words)); let wb = ${type}(high(words));
      ${products.join(" ")} }`;
}

function storeQuad(t: number, j: number, quad: string): string {
  const four = [0, 1, 2, 3].map((k) => sum(t, 4 * j + k)).join(", ");
  return `if (patch0 + ${t} < parameters.patches && ${quad} < parameters.quads) {
    store((point * parameters.patches + patch0 + ${t}) * parameters.quads + ${quad}, bitcast<vec4<u32>>(vec4(${four})));
  }`;
}
