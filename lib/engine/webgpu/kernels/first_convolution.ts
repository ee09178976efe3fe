/** The first convolution: reads image bytes through the normalization table. */

import type { Precision } from "../../engine.ts";
import { defineKernel } from "./kernel.ts";
import {
  accumulator,
  accumulatorType,
  type ConvolutionAttributes,
  declareAccumulators,
  outputCode,
  outputParameters,
  writeOutputs,
} from "./output.ts";

/** A lane's pixels, four channels at a time; one vector of the image is four columns. */
const TILE = { rows: 2, columns: 4, channels: 4 };
const CHANNEL_LANES = 2;
const PIXEL_LANES = 32;

export function firstConvolutionWorkgroups(
  { input }: Pick<ConvolutionAttributes, "input">,
): [number, number, number] {
  const tiles = Math.ceil(input.height / TILE.rows) * Math.ceil(input.width / TILE.columns);
  return [Math.ceil(tiles / PIXEL_LANES), 1, input.images];
}

/**
 * Convolves images with 3x3 int8 filters, zeros around. With int8, the table holds 16-bit integers
 * and the sums are exact int32; with float, it holds normalized inputs. `table` has a vector for
 * each byte, a word of it for each channel.
 */
export const convolveFirst = defineKernel(
  "first-convolution",
  ["image", "table", "weights", "scales"],
  (attributes: ConvolutionAttributes) => {
    const { precision, input, pool } = attributes;
    return {
      variant: [precision, `${input.channels} channels`, ...pool ? ["pool"] : []],
      code: () => firstConvolutionCode(attributes),
      parameters: {
        inHeight: input.height,
        inWidth: input.width,
        tilesAcross: Math.ceil(input.width / TILE.columns),
        ...outputParameters(attributes),
      },
      workgroupSize: CHANNEL_LANES * PIXEL_LANES,
      workgroups: firstConvolutionWorkgroups(attributes),
    };
  },
);

function firstConvolutionCode(
  { precision, input: { channels }, pool }: ConvolutionAttributes,
): string {
  const values = ["x", "y", "z"].map((c, i) =>
    i < channels ? `load_table(i32((pixel >> ${8 * i}u) & 255u)).${c}` : "0u"
  );
  return `
${outputCode(precision)}
fn imageVector(image: i32, y: i32, vector: i32) -> vec4<u32> {
  return load_image((image * parameters.inHeight + y) * parameters.tilesAcross + vector);
}

fn lookUp(pixel: u32, y: i32, x: i32) -> vec4<u32> {
  return vec4<u32>(${
    values.join(", ")
  }, 0u) * u32(y >= 0 && x >= 0 && y < parameters.inHeight && x < parameters.inWidth);
}

fn main() {
  let lane = i32(localIndex);
  let image = i32(workgroupId.z);
  let pixelTile = i32(workgroupId.x) * ${PIXEL_LANES} + lane / ${CHANNEL_LANES};
  let y0 = pixelTile / parameters.tilesAcross * ${TILE.rows};
  let vector0 = pixelTile % parameters.tilesAcross;
  let x0 = vector0 * ${TILE.columns};
  ${loadInputs(precision)}
  for (var quad0 = lane % ${CHANNEL_LANES}; quad0 < parameters.outQuads; quad0 += ${CHANNEL_LANES}) {
    ${declareAccumulators(TILE, precision)}
    ${multiplyTaps(precision, channels)}
    ${writeOutputs(TILE, precision, pool, 1)}
  }
  writeMaximum();
}
`;
}

/** `x_<row>_<column>`: the inputs of the lane's pixels and of the ring around them. */
function loadInputs(precision: Precision): string {
  const lines: string[] = [];
  for (let r = 0; r < TILE.rows + 2; r++) {
    for (const v of [-1, 0, 1]) {
      lines.push(`let image_${r}_${v + 1} = imageVector(image, y0 + ${r - 1}, vector0 + ${v});`);
    }
    for (let q = 0; q < TILE.columns + 2; q++) {
      const column = q - 1 + TILE.columns;
      const pixel = `image_${r}_${Math.floor(column / TILE.columns)}[${column % TILE.columns}]`;
      lines.push(
        `let x_${r}_${q} = bitcast<vec4<${accumulatorType(precision)}>>(` +
          `lookUp(${pixel}, y0 + ${r - 1}, x0 + ${q - 1}));`,
      );
    }
  }
  return lines.join("\n  ");
}

function multiplyTaps(precision: Precision, channels: number): string {
  const lines: string[] = [];
  const type = accumulatorType(precision);
  for (let tap = 0; tap < 9; tap++) {
    const [ky, kx] = [Math.floor(tap / 3), tap % 3];
    lines.push(`let weights_${tap} = load_weights(quad0 * 9 + ${tap});`);
    for (let j = 0; j < TILE.channels; j++) {
      const w = `w_${tap}_${j}`;
      lines.push(`let ${w} = vec4<${type}>(unpack4xI8(weights_${tap}[${j}]));`);
      for (let r = 0; r < TILE.rows; r++) {
        for (let q = 0; q < TILE.columns; q++) {
          const products = ["x", "y", "z"].slice(0, channels).map((c) =>
            `x_${r + ky}_${q + kx}.${c} * ${w}.${c}`
          );
          lines.push(`${accumulator(r, q, j)} += ${products.join(" + ")};`);
        }
      }
    }
  }
  return lines.join("\n    ");
}
