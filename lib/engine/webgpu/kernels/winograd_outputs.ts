/**
 * Winograd's transform of the products: what the layer gives, with its bias, ReLU and max-pool.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Precision } from "../../engine.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import type { Size } from "./layout.ts";
import { accumulatorType, outputCode, outputParameters } from "./output.ts";
import { transform, WINOGRAD, type WinogradTile } from "./winograd.ts";
import { type Chunk, OUTPUT_LANES, outputWorkgroups } from "./winograd_chunks.ts";

/** The outputs of a chunk. */
export interface OutputAttributes {
  readonly precision: Precision;
  readonly outputs: WinogradTile["outputs"];
  readonly relu: boolean;
  /** Whether the maximum of 2x2 windows is taken. */
  readonly pool: boolean;
  readonly output: Size;
  readonly chunk: Chunk;
  /** Workgroups of all chunks, for each image. */
  readonly groupsPerImage: number;
}

/** Transforms products to what {@linkcode convolve} gives. */
export const transformOutputs = defineKernel<
  { products: TensorInfo; scales: TensorInfo },
  OutputAttributes
>("VggWinogradOutputs", (attributes): Dispatch => {
  const { precision, outputs, relu, pool, output, chunk, groupsPerImage } = attributes;
  const quads = chunk.channels / 4;
  const tiles = chunk.rows * chunk.across;
  return {
    key: ["vgg-winograd-outputs", precision, outputs, pool].join(),
    code: () => outputsCode(attributes),
    parameters: {
      tiles,
      allTiles: tiles * chunk.images,
      across: chunk.across,
      quads,
      firstImage: chunk.firstImage,
      firstRow: chunk.firstRow,
      firstQuad: chunk.firstChannel / 4,
      firstGroup: chunk.firstGroup,
      groupsPerImage,
      ...outputParameters(precision, output, relu),
    },
    workgroupSize: OUTPUT_LANES,
    workgroups: [outputWorkgroups(chunk), 1, chunk.images],
  };
});

const GROUP =
  "(parameters.firstImage + i32(workgroupId.z)) * parameters.groupsPerImage + parameters.firstGroup + i32(workgroupId.x)";

function outputsCode({ precision, outputs, pool }: OutputAttributes): string {
  const type = accumulatorType(precision);
  const { output } = WINOGRAD[outputs];
  const size = outputs + 2;
  const loads = Array.from(
    { length: size * size },
    (_, p) =>
      `let m_${Math.floor(p / size)}_${
        p % size
      } = bitcast<vec4<${type}>>(load_products(first + ${p} * parameters.allTiles * parameters.quads));`,
  );
  return `
${outputCode(precision, GROUP)}
fn main() {
  let lane = i32(globalId.x);
  let quad = lane % parameters.quads;
  let tile = lane / parameters.quads;
  let image = parameters.firstImage + i32(workgroupId.z);
  if (tile < parameters.tiles) {
    let first = (i32(workgroupId.z) * parameters.tiles + tile) * parameters.quads + quad;
    let y0 = (parameters.firstRow + tile / parameters.across) * ${pool ? outputs / 2 : outputs};
    let x0 = tile % parameters.across * ${pool ? outputs / 2 : outputs};
    let outQuad = parameters.firstQuad + quad;
    let scale = scaleIndex(image, outQuad);
    ${loads.join("\n    ")}
    ${transform(output, "m", "y", type)}
    ${writeTile(precision, outputs, pool)}
  }
  writeMaximum();
}
`;
}

function writeTile(precision: Precision, outputs: WinogradTile["outputs"], pool: boolean): string {
  const step = pool ? 2 : 1;
  const { scale, toFour } = WINOGRAD[outputs];
  // An exact multiple of 4 comes out of the integer product.
  const accumulator = (y: number, x: number): string =>
    precision === "int8"
      ? `((y_${y}_${x} * ${toFour}) >> vec4<u32>(2u))`
      : `(y_${y}_${x} * ${1 / scale})`;
  const value = (y: number, x: number): string =>
    pool
      ? `max(max(${accumulator(y, x)}, ${accumulator(y, x + 1)}), ` +
        `max(${accumulator(y + 1, x)}, ${accumulator(y + 1, x + 1)}))`
      : accumulator(y, x);
  const lines: string[] = [];
  for (let y = 0; y < outputs; y += step) {
    for (let x = 0; x < outputs; x += step) {
      const row = `y0 + ${y / step}`;
      const column = `x0 + ${x / step}`;
      lines.push(
        `if (${row} < parameters.outHeight && ${column} < parameters.outWidth) {`,
        `  let index = ((image * parameters.outHeight + ${row}) * parameters.outWidth + ${column}) * parameters.outQuads;`,
        `  writeQuad(index + outQuad, scale, ${value(y, x)});`,
        `}`,
      );
    }
  }
  return lines.join("\n    ");
}
