/** The end of a convolution or dense layer: accumulators become what the layer gives. */

import type { Precision } from "../../engine.ts";
import { elements, FIXED_POINT, type Shape, STATE_HEADER, stateVectors } from "./kernel.ts";

export function accumulatorType(precision: Precision): "i32" | "f32" {
  return precision === "int8" ? "i32" : "f32";
}

/** What a layer gives. */
export interface OutputAttributes {
  readonly precision: Precision;
  readonly relu: boolean;
  readonly output: Shape;
}

/** What a convolution reads and gives, by whichever kernel. */
export interface ConvolutionAttributes extends OutputAttributes {
  /** As it is stored. */
  readonly input: Shape;
  /** Whether the maximum of 2x2 windows is taken: `output` is after it. */
  readonly pool: boolean;
}

/** The parameters that {@linkcode outputCode} needs. */
export function outputParameters(
  { precision, relu, output }: OutputAttributes,
): Record<string, number> {
  return {
    outHeight: output.height,
    outWidth: output.width,
    outQuads: output.channels / 4,
    relu: relu ? 1 : 0,
    // With float, all images share the layer's constants.
    scaleStride: precision === "int8" ? stateVectors(output.channels) : 0,
    scaleOffset: precision === "int8" ? STATE_HEADER : 0,
    maxima: elements(output) / 4,
  };
}

/**
 * Declares `writeQuad(index, scale, acc)`, which makes four channels' values of accumulators
 * (step 6) and stores them; `scaleIndex(image, quad)` says where their multipliers lie in the input
 * `scales`. `writeMaximum()`, at the end of `main`, stores the maximum of what the workgroup wrote
 * (the beginning of step 8); `workgroup` is the WGSL of its number.
 */
export function outputCode(precision: Precision, workgroup: string = FLAT_WORKGROUP): string {
  const scaleIndex = `
fn scaleIndex(image: i32, quad: i32) -> i32 {
  return image * parameters.scaleStride + parameters.scaleOffset + 2 * quad;
}
`;
  return scaleIndex + (precision === "int8" ? integerOutput(workgroup) : FLOAT_OUTPUT);
}

/** In a dispatch that covers the whole layer, with z the image. */
const FLAT_WORKGROUP =
  "i32((workgroupId.z * numWorkgroups.y + workgroupId.y) * numWorkgroups.x + workgroupId.x)";

const integerOutput = (workgroup: string): string => `
${FIXED_POINT}
var<workgroup> workgroupMaximum: atomic<i32>;
var<private> laneMaximum: i32;

fn writeQuad(index: i32, scale: i32, acc: vec4<i32>) {
  let m = bitcast<vec4<i32>>(load_scales(scale));
  let b = bitcast<vec4<i32>>(load_scales(scale + 1));
  var v = b + vec4<i32>(mulhiRound(acc.x << 2u, m.x), mulhiRound(acc.y << 2u, m.y),
    mulhiRound(acc.z << 2u, m.z), mulhiRound(acc.w << 2u, m.w));
  if (parameters.relu != 0) {
    v = max(v, vec4<i32>());
  }
  store(index, bitcast<vec4<u32>>(v));
  laneMaximum = max(laneMaximum, max(max(v.x, v.y), max(v.z, v.w)));
}

fn writeMaximum() {
  atomicMax(&workgroupMaximum, laneMaximum);
  workgroupBarrier();
  if (localIndex == 0u) {
    store(parameters.maxima + ${workgroup}, vec4<u32>(u32(atomicLoad(&workgroupMaximum))));
  }
}
`;

const FLOAT_OUTPUT = `
fn writeQuad(index: i32, scale: i32, acc: vec4<f32>) {
  var y = acc * bitcast<vec4<f32>>(load_scales(scale)) + bitcast<vec4<f32>>(load_scales(scale + 1));
  if (parameters.relu != 0) {
    y = max(y, vec4<f32>());
  }
  store(index, bitcast<vec4<u32>>(y));
}

fn writeMaximum() {}
`;

/** What one lane computes: output pixels, and channels, which come in fours. */
export interface LaneTile {
  /** Both even where a max-pool follows. */
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
}

export function accumulator(row: number, column: number, channel: number): string {
  return `acc_${row}_${column}_${channel}`;
}

/** Declares the accumulators of a lane; explicitly 0, as naga forgets that in a loop. */
export function declareAccumulators(
  { rows, columns, channels }: LaneTile,
  precision: Precision,
): string {
  const names: string[] = [];
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns; q++) {
      for (let j = 0; j < channels; j++) names.push(accumulator(r, q, j));
    }
  }
  return names.map((name) => `var ${name} = ${accumulatorType(precision)}();`).join("\n  ");
}

/**
 * An accumulator, or with a max-pool the largest of its 2x2 window: values do not decrease with
 * accumulators, so that this is the pool's.
 */
export function pooled(
  pool: boolean,
  row: number,
  column: number,
  at: (row: number, column: number) => string,
): string {
  return pool
    ? `max(max(${at(row, column)}, ${at(row, column + 1)}), ` +
      `max(${at(row + 1, column)}, ${at(row + 1, column + 1)}))`
    : at(row, column);
}

/**
 * Writes the outputs of a lane: `image`, `y0`, `x0` (of the first pixel, before the max-pool) and
 * `quad0` say which. Neighboring quads of a lane are `quadStride` apart.
 */
export function writeOutputs(
  { rows, columns, channels }: LaneTile,
  precision: Precision,
  pool: boolean,
  quadStride: number,
): string {
  const stride = pool ? 2 : 1;
  const type = accumulatorType(precision);
  const lines = [`let yOut = y0 / ${stride};`, `let xOut = x0 / ${stride};`];
  for (let j = 0; j < channels; j += 4) {
    lines.push(`let outQuad${j} = quad0 + ${j / 4 * quadStride};`);
    lines.push(`let scale${j} = scaleIndex(image, outQuad${j});`);
    for (let r = 0; r < rows; r += stride) {
      for (let q = 0; q < columns; q += stride) {
        const y = `yOut + ${r / stride}`;
        const x = `xOut + ${q / stride}`;
        const four = [0, 1, 2, 3]
          .map((k) => pooled(pool, r, q, (r, q) => accumulator(r, q, j + k)))
          .join(", ");
        lines.push(
          `if (${y} < parameters.outHeight && ${x} < parameters.outWidth && outQuad${j} < parameters.outQuads) {`,
          `  let index = ((image * parameters.outHeight + ${y}) * parameters.outWidth + ${x}) * parameters.outQuads;`,
          `  writeQuad(index + outQuad${j}, scale${j}, vec4<${type}>(${four}));`,
          `}`,
        );
      }
    }
  }
  return lines.join("\n  ");
}
