/**
 * The first convolution: reads image bytes through the normalisation table.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { accumulator, epilogueCode } from "./epilogue.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { elements, type Size } from "./layout.ts";

/** What the first convolution is. */
export interface FirstConvolutionAttributes {
  readonly relu: boolean;
  /** Whether the maximum of 2x2 windows is taken. */
  readonly pool: boolean;
  /** Of the images, without padding: `channels` is 1 or 3. */
  readonly input: Size;
  /** Padded to a multiple of 16. */
  readonly outChannels: number;
}

/** Output channels, rows and columns of one lane. */
const CHANNELS = 4;
const ROWS = 2;
const COLUMNS = 2;
const PIXEL_LANES = 16;
const CHANNEL_LANES = 4;

/** Sizes of the values of the first convolution. */
export function firstOutputSize(
  { pool, input, outChannels }: Pick<FirstConvolutionAttributes, "pool" | "input" | "outChannels">,
): Size {
  const shift = pool ? 1 : 0;
  return {
    images: input.images,
    height: input.height >> shift,
    width: input.width >> shift,
    channels: outChannels,
  };
}

/**
 * Convolves images with 3x3 int8 filters, zeros around: int16 x int8 products, exact int32 sums.
 *
 * `image` is `[N, H, W, channels]` bytes, four per word; `table` is `[channels, 256]` words; `weights` is `[O, 9]`
 * words, the channels of a tap in the bytes of a word.
 */
export const convolveFirst = defineKernel(
  "VggFirstConvolution",
  (
    inputs: { image: TensorInfo; table: TensorInfo; weights: TensorInfo; state: TensorInfo },
    attributes: FirstConvolutionAttributes,
  ): Dispatch => {
    const { input, outChannels, relu, pool } = attributes;
    const out = firstOutputSize(attributes);
    const tilesAcross = Math.ceil(input.width / (COLUMNS * PIXEL_LANES));
    const workgroups: [number, number, number] = [
      tilesAcross * Math.ceil(input.height / ROWS),
      outChannels / (CHANNELS * CHANNEL_LANES),
      input.images,
    ];
    return {
      key: ["vgg-first-convolution", input.channels, outChannels, relu, pool].join(),
      code: firstConvolutionCode(attributes),
      inputs: [
        { name: "image", tensor: inputs.image, components: 1 },
        { name: "table", tensor: inputs.table, components: 1 },
        { name: "weights", tensor: inputs.weights, components: 1 },
        { name: "state", tensor: inputs.state, components: 1 },
      ],
      uniforms: {
        inHeight: input.height,
        inWidth: input.width,
        outHeight: out.height,
        outWidth: out.width,
        tilesAcross,
        maximaOffset: elements(out),
      },
      workgroupSize: [CHANNEL_LANES, PIXEL_LANES, 1],
      workgroups,
      outputWords: elements(out) + workgroups[0] * workgroups[1] * workgroups[2],
    };
  },
);

function firstConvolutionCode(
  { input: { channels }, outChannels, relu, pool }: FirstConvolutionAttributes,
): string {
  const declare: string[] = [];
  const load: string[] = [];
  const add: string[] = [];
  const each = (height: number, width: number, visit: (y: number, x: number) => void): void => {
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) visit(y, x);
  };
  each(ROWS + 2, COLUMNS + 2, (y, x) => {
    for (let c = 0; c < channels; c++) {
      load.push(`let x_${y}_${x}_${c} = pixel(image0, y0 + ${y - 1}, x0 + ${x - 1}, ${c});`);
    }
  });
  for (let j = 0; j < CHANNELS; j++) {
    each(3, 3, (ky, kx) => {
      add.push(
        `{ let w = unpack4xI8(u32(weights[(o + ${j * CHANNEL_LANES}) * 9 + ${ky * 3 + kx}]));`,
      );
      each(ROWS, COLUMNS, (r, q) => {
        const terms = Array.from(
          { length: channels },
          (_, c) => `x_${r + ky}_${q + kx}_${c} * w[${c}]`,
        );
        add.push(`${accumulator(r, q, j)} += ${terms.join(" + ")};`);
      });
      add.push("}");
    });
    each(ROWS, COLUMNS, (r, q) => declare.push(`var<private> ${accumulator(r, q, j)}: i32;`));
  }
  const step = pool ? 2 : 1;
  return `
${declare.join("\n")}
${
    epilogueCode({
      rows: ROWS,
      columns: COLUMNS,
      channels: CHANNELS,
      channelStep: CHANNEL_LANES,
      outChannels,
      relu,
      pool,
    })
  }
// The 16-bit value of a byte of the image, 0 outside.
fn pixel(image0: i32, y: i32, x: i32, channel: i32) -> i32 {
  if (y < 0 || x < 0 || y >= uniforms.inHeight || x >= uniforms.inWidth) {
    return 0;
  }
  let index = ((image0 * uniforms.inHeight + y) * uniforms.inWidth + x) * ${channels} + channel;
  let byte = (u32(image[index >> 2u]) >> (u32(index & 3) * 8u)) & 0xffu;
  return table[channel * 256 + i32(byte)];
}

fn main() {
  let image0 = i32(workgroupId.z);
  let o = i32(workgroupId.y) * ${CHANNELS * CHANNEL_LANES} + i32(localId.x);
  let tileY = i32(workgroupId.x) / uniforms.tilesAcross;
  let tileX = (i32(workgroupId.x) - tileY * uniforms.tilesAcross) * ${PIXEL_LANES} + i32(localId.y);
  let y0 = tileY * ${ROWS};
  let x0 = tileX * ${COLUMNS};
  ${load.join("\n  ")}
  ${add.join("\n  ")}
  writeValues(image0, y0 / ${step}, x0 / ${step}, o);
}
`;
}
