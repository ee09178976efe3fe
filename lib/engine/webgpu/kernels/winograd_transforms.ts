/**
 * Winograd's transforms: of filters and of inputs, which {@linkcode multiplyPoints} multiplies, and
 * of its products, which become what the layer gives, with bias, ReLU and max-pool.
 */

import type { Precision } from "../../engine.ts";
import { type Matrix, WINOGRAD } from "../../winograd.ts";
import { defineKernel, type Shape } from "./kernel.ts";
import {
  accumulatorType,
  type OutputAttributes,
  outputCode,
  outputParameters,
  pooled,
} from "./output.ts";
import {
  algorithmName,
  type Chunk,
  inputVectors,
  OUTPUT_LANES,
  outputWorkgroups,
  type WinogradTile,
} from "./winograd.ts";

const LANES = 64;

export interface FilterAttributes {
  readonly outputs: WinogradTile["outputs"];
  /** Input channels. */
  readonly channels: number;
  readonly chunk: Chunk;
}

/**
 * Transforms int8 filters to 16-bit integers: `[points, O / 16, I / 8, 4, 4]` vectors of eight
 * input channels. Of sixteen output channels, `o` lies at `[o % 4, o / 4]`, as in the weights.
 */
export const transformFilters = defineKernel(
  "winograd-filters",
  ["weights"],
  ({ outputs, channels, chunk }: FilterAttributes) => {
    const lanes = chunk.channels * channels / 8;
    return {
      variant: [algorithmName(outputs)],
      code: () => filterCode(outputs),
      parameters: { lanes, eights: channels / 8, firstBlock: chunk.firstChannel / 16 },
      workgroupSize: LANES,
      workgroups: [Math.ceil(lanes / LANES), 1, 1],
    };
  },
);

function filterCode(outputs: WinogradTile["outputs"]): string {
  const { filter } = WINOGRAD[outputs];
  const loads = points(3).map((point, tap) =>
    `let w_${point} = pairs(load_weights(first + ${tap} * (parameters.eights >> 1u) * 16), half);`
  );
  return `
${PAIRS}
fn main() {
  let index = i32(globalId.x);
  if (index >= parameters.lanes) {
    return;
  }
  let eight = index / 16 % parameters.eights;
  let block = parameters.firstBlock + index / 16 / parameters.eights;
  let first = (block * 9 * (parameters.eights >> 1u) + (eight >> 1u)) * 16 + index % 16;
  let half = (eight & 1) == 1;
  ${loads.join("\n  ")}
  ${transform(filter, "w", "u", "i32")}
  ${storePoints(filter.length, "u", "i32")}
}
`;
}

export interface InputAttributes {
  readonly precision: Precision;
  readonly outputs: WinogradTile["outputs"];
  /** Of `x`, as it is stored, and the zeros around it that are not. */
  readonly input: Shape;
  readonly padding: 0 | 1;
  readonly chunk: Chunk;
}

/**
 * Transforms patches of activations, which overlap by two rows and columns:
 * `[points, patches, C / 8]` vectors of eight 16-bit integers, or with float
 * `[points, patches, C / 4]`.
 */
export const transformInputs = defineKernel(
  "winograd-inputs",
  ["x"],
  ({ precision, outputs, input, padding, chunk }: InputAttributes) => {
    const vectors = inputVectors(precision, input.channels);
    const lanes = chunk.rows * chunk.across * vectors;
    return {
      variant: [precision, algorithmName(outputs)],
      code: () => inputCode(precision, outputs),
      parameters: {
        lanes: lanes * chunk.images,
        lanesPerImage: lanes,
        vectors,
        across: chunk.across,
        firstImage: chunk.firstImage,
        firstRow: chunk.firstRow,
        height: input.height,
        width: input.width,
        padding,
      },
      workgroupSize: LANES,
      workgroups: [Math.ceil(lanes / LANES), 1, chunk.images],
    };
  },
);

function inputCode(precision: Precision, outputs: WinogradTile["outputs"]): string {
  const integer = precision === "int8";
  const type = integer ? "i32" : "f32";
  const { input } = WINOGRAD[outputs];
  const loads = input.flatMap((_, y) =>
    input.map((_, x) => `let x_${y}_${x} = input(image, y0 + ${y}, x0 + ${x}, vector);`)
  );
  const load = integer
    ? "pairs(load_x(pixel * (parameters.vectors >> 1u) + (vector >> 1u)), (vector & 1) == 1)"
    : "bitcast<vec4<f32>>(load_x(pixel * parameters.vectors + vector))";
  return `
${integer ? PAIRS : ""}
fn input(image: i32, y: i32, x: i32, vector: i32) -> vec4<${type}> {
  // What lies outside must not be read: it is no activation, and would disturb the patch's outputs
  // inside.
  if (y < 0 || x < 0 || y >= parameters.height || x >= parameters.width) {
    return vec4<${type}>();
  }
  let pixel = (image * parameters.height + y) * parameters.width + x;
  return ${load};
}

fn main() {
  let lane = i32(globalId.x);
  if (lane >= parameters.lanesPerImage) {
    return;
  }
  let image = parameters.firstImage + i32(workgroupId.z);
  let index = i32(workgroupId.z) * parameters.lanesPerImage + lane;
  let vector = lane % parameters.vectors;
  let patchIndex = lane / parameters.vectors;
  let y0 = (parameters.firstRow + patchIndex / parameters.across) * ${outputs} - parameters.padding;
  let x0 = patchIndex % parameters.across * ${outputs} - parameters.padding;
  ${loads.join("\n  ")}
  ${transform(input, "x", "v", type)}
  ${storePoints(input.length, "v", type)}
}
`;
}

export interface ChunkAttributes extends OutputAttributes {
  readonly outputs: WinogradTile["outputs"];
  /** Whether the maximum of 2x2 windows is taken. */
  readonly pool: boolean;
  readonly chunk: Chunk;
  /** Workgroups of all chunks, for each image. */
  readonly workgroupsPerImage: number;
}

/** Transforms products to what {@linkcode convolve} gives. */
export const transformOutputs = defineKernel("winograd-outputs", ["products", "scales"], (
  attributes: ChunkAttributes,
) => {
  const { precision, outputs, pool, chunk, workgroupsPerImage } = attributes;
  const quads = chunk.channels / 4;
  const patches = chunk.rows * chunk.across;
  return {
    variant: [precision, algorithmName(outputs), ...pool ? ["pool"] : []],
    code: () => outputsCode(attributes),
    parameters: {
      patches,
      allPatches: patches * chunk.images,
      across: chunk.across,
      quads,
      firstImage: chunk.firstImage,
      firstRow: chunk.firstRow,
      firstQuad: chunk.firstChannel / 4,
      firstWorkgroup: chunk.firstWorkgroup,
      workgroupsPerImage,
      ...outputParameters(attributes),
    },
    workgroupSize: OUTPUT_LANES,
    workgroups: [outputWorkgroups(chunk), 1, chunk.images],
  };
});

const WORKGROUP =
  "(parameters.firstImage + i32(workgroupId.z)) * parameters.workgroupsPerImage + parameters.firstWorkgroup + i32(workgroupId.x)";

function outputsCode({ precision, outputs, pool }: ChunkAttributes): string {
  const type = accumulatorType(precision);
  const { output } = WINOGRAD[outputs];
  const stride = pool ? outputs / 2 : outputs;
  const loads = points(outputs + 2).map((point, p) =>
    `let m_${point} = bitcast<vec4<${type}>>(load_products(first + ${p} * parameters.allPatches * parameters.quads));`
  );
  return `
${outputCode(precision, WORKGROUP)}
fn main() {
  let lane = i32(globalId.x);
  let quad = lane % parameters.quads;
  let patchIndex = lane / parameters.quads;
  let image = parameters.firstImage + i32(workgroupId.z);
  if (patchIndex < parameters.patches) {
    let first = (i32(workgroupId.z) * parameters.patches + patchIndex) * parameters.quads + quad;
    let y0 = (parameters.firstRow + patchIndex / parameters.across) * ${stride};
    let x0 = patchIndex % parameters.across * ${stride};
    let outQuad = parameters.firstQuad + quad;
    let scale = scaleIndex(image, outQuad);
    ${loads.join("\n    ")}
    ${transform(output, "m", "y", type)}
    ${writePatch(precision, outputs, pool)}
  }
  writeMaximum();
}
`;
}

function writePatch(precision: Precision, outputs: WinogradTile["outputs"], pool: boolean): string {
  const stride = pool ? 2 : 1;
  const { scale, toFour } = WINOGRAD[outputs];
  // An exact multiple of 4 comes out of the integer product.
  const accumulator = (y: number, x: number): string =>
    precision === "int8"
      ? `((y_${y}_${x} * ${toFour}) >> vec4<u32>(2u))`
      : `(y_${y}_${x} * ${1 / scale})`;
  const lines: string[] = [];
  for (let y = 0; y < outputs; y += stride) {
    for (let x = 0; x < outputs; x += stride) {
      const row = `y0 + ${y / stride}`;
      const column = `x0 + ${x / stride}`;
      lines.push(
        `if (${row} < parameters.outHeight && ${column} < parameters.outWidth) {`,
        `  let index = ((image * parameters.outHeight + ${row}) * parameters.outWidth + ${column}) * parameters.outQuads;`,
        `  writeQuad(index + outQuad, scale, ${pooled(pool, y, x, accumulator)});`,
        `}`,
      );
    }
  }
  return lines.join("\n    ");
}

/**
 * WGSL that declares `<to>_<row>_<column>`, the transform of `<from>_<row>_<column>` by a matrix
 * from both sides. The names are vectors of `type`.
 */
export function transform(matrix: Matrix, from: string, to: string, type: "i32" | "f32"): string {
  const size = matrix[0]!.length;
  const lines: string[] = [];
  matrix.forEach((row, i) => {
    for (let x = 0; x < size; x++) {
      const sum = combination(row, (y) => `${from}_${y}_${x}`, type);
      lines.push(`let ${to}_rows_${i}_${x} = ${sum};`);
    }
  });
  for (let i = 0; i < matrix.length; i++) {
    matrix.forEach((row, j) => {
      const sum = combination(row, (x) => `${to}_rows_${i}_${x}`, type);
      lines.push(`let ${to}_${i}_${j} = ${sum};`);
    });
  }
  return lines.join("\n  ");
}

/** A sum of multiples, without those of 0. */
function combination(
  coefficients: readonly number[],
  name: (i: number) => string,
  type: "i32" | "f32",
): string {
  return coefficients.flatMap((factor, i) => {
    if (factor === 0) return [];
    return [factor === 1 ? name(i) : `${type}(${factor}) * ${name(i)}`];
  }).join(" + ");
}

/** Stores `<name>_<row>_<column>` of each point at `index`. */
function storePoints(size: number, name: string, type: "i32" | "f32"): string {
  const value = (point: string): string =>
    type === "i32" ? `split(${point})` : `bitcast<vec4<u32>>(${point})`;
  return points(size).map((point, p) =>
    `store(${p} * parameters.lanes + index, ${value(`${name}_${point}`)});`
  ).join("\n  ");
}

/** `<row>_<column>` of a square's points. */
function points(size: number): string[] {
  return Array.from({ length: size * size }, (_, p) => `${Math.floor(p / size)}_${p % size}`);
}

/**
 * Two 16-bit integers in a word are transformed together, as `low + high * 2^16`: sums and
 * multiples of such words are those of their parts. `split` takes them apart: a low part below 0
 * has borrowed from the high one.
 */
const PAIRS = `
// Eight of sixteen signed bytes: channels 0 to 3 low, channels 4 to 7 high.
fn pairs(bytes: vec4<u32>, upper: bool) -> vec4<i32> {
  let words = select(bytes.xy, bytes.zw, upper);
  return unpack4xI8(words.x) + (unpack4xI8(words.y) << vec4<u32>(16u));
}

fn split(pairs: vec4<i32>) -> vec4<u32> {
  let words = bitcast<vec4<u32>>(pairs);
  return words + ((words & vec4<u32>(0x8000u)) << vec4<u32>(1u));
}
`;
