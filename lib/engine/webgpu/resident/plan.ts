/**
 * What a run consists of: the kernel and the sizes of each layer, and whether a device has room for
 * it.
 */

import { BackendUnavailableError } from "../../../errors.ts";
import type { Batch, Precision } from "../../engine.ts";
import {
  geometriesOf,
  type Geometry,
  type LayerOutput,
  layerOutput,
  operationsOf,
  type Size,
} from "../../geometry.ts";
import type { Program, ProgramLayer } from "../../program.ts";
import { allocatedBytes } from "../device/memory.ts";
import { type MemoryKind, TEXTURE_WIDTH } from "../device/tfjs.ts";
import {
  elements,
  imageVectors,
  MAX_WORKGROUPS,
  padChannels,
  padded,
  type Shape,
} from "../kernels/kernel.ts";
import { weightVectors } from "./pack.ts";

export interface PlannedLayer {
  readonly layer: ProgramLayer;
  readonly kernel: "first" | "convolution" | "average" | "dense";
  readonly precision: Precision;
  /** Of what the layer reads, as it is stored. */
  readonly input: Shape;
  /** Zeros around it that are not stored. */
  readonly padding: 0 | 1;
  /** Whether its max-pool is taken. */
  readonly pool: boolean;
  /** Of its values, after the max-pool. */
  readonly output: Shape;
  /** The name under which a run gives its values, if it does. */
  readonly read: string | undefined;
  /**
   * Whether this is the layer before once more, now with its max-pool. It is computed again: in float a
   * pool of what was read could have other bits than the tile that a run takes which does not read it.
   */
  readonly again: boolean;
  /** Multiplications and additions, as the layer is defined. */
  readonly operations: number;
}

/** Plans the layers up to the last output, for a batch of at least the network's input size. */
export function planLayers(
  program: Program,
  precision: Precision,
  batch: Pick<Batch, "count" | "height" | "width">,
  outputs: readonly LayerOutput[] = [layerOutput(program)],
): PlannedLayer[] {
  return geometriesOf(program.layers, batch, outputs)
    .map((geometry) => planLayer(geometry, batch.count, precision));
}

export function planOneImage(program: Program, precision: Precision): PlannedLayer[] {
  return planLayers(program, precision, { ...program.input, count: 1 });
}

function planLayer(
  { layer, first, input, full, out, pooled, read, again }: Geometry<ProgramLayer>,
  images: number,
  precision: Precision,
): PlannedLayer {
  const channels = first ? layer.inChannels : padChannels(layer.inChannels);
  // With int8, the activations are stored with their zeros.
  const stored = !first && precision === "int8";
  return {
    layer,
    kernel: first ? "first" : kernelOf(layer, full),
    precision,
    input: padded({ images, channels, ...input }, stored ? layer.padding : 0),
    padding: stored ? 0 : layer.padding,
    pool: pooled,
    output: { images, channels: padChannels(layer.outChannels), ...out },
    read,
    again,
    operations: images * operationsOf({ layer, input, full }),
  };
}

/** A dense layer on a larger image than those of the training is a convolution. */
function kernelOf({ kind }: ProgramLayer, { height, width }: Size): PlannedLayer["kernel"] {
  if (kind === "average") return "average";
  return height * width === 1 ? "dense" : "convolution";
}

/** Vectors that a run needs for each of its tensors, the results not among them. */
export interface RunVectors {
  readonly image: number;
  readonly activations: number;
  readonly values: number;
}

/** Adds up what a run needs. `maxima` gives a layer's workgroups, which store a maximum each. */
export function runVectors(
  plan: readonly PlannedLayer[],
  precision: Precision,
  maxima: (planned: PlannedLayer) => number,
): RunVectors {
  const perVector = precision === "int8" ? 16 : 4;
  const inner = plan.filter(({ read }) => read === undefined);
  const largest = (counts: number[]): number => Math.max(0, ...counts);
  return {
    image: imageVectors(plan[0]!.input),
    activations: largest(
      plan.filter(({ kernel }) => kernel !== "first")
        .map(({ input }) => elements(input) / perVector),
    ),
    values: precision === "float"
      ? 0
      : largest(inner.map((planned) => elements(planned.output) / 4 + maxima(planned))),
  };
}

/** The limits of a device that matter here. */
export type Limits = Pick<
  GPUSupportedLimits,
  "maxStorageBufferBindingSize" | "maxBufferSize" | "maxTextureDimension2D"
>;

/** Bytes that one tensor can have. */
export function largestTensor(limits: Limits, memory: MemoryKind): number {
  return memory === "texture"
    ? allocatedBytes(TEXTURE_WIDTH, "texture") * limits.maxTextureDimension2D
    : Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** How many images of a plan for one fit a run; 0 if not one does. */
export function imagesPerRun(
  plan: readonly PlannedLayer[],
  precision: Precision,
  limits: Limits,
  memory: MemoryKind,
): number {
  // Results are buffers, the others are what the engine's memory is. Maxima of workgroups, at most
  // one for each sixteen vectors, are allowed for.
  const { image, activations, values } = runVectors(plan, precision, () => 0);
  const results = plan.filter(({ read }) => read !== undefined)
    .map(({ output: { height, width, channels } }) => height * width * channels / 4);
  const bytes = (vectors: number): number => Math.ceil(vectors * 16 * 17 / 16);
  // Each image is a workgroup of its own in one dimension.
  return Math.floor(Math.min(
    MAX_WORKGROUPS,
    largestTensor(limits, memory) / bytes(Math.max(image, activations, values)),
    largestTensor(limits, "buffer") / bytes(Math.max(...results)),
  ));
}

/**
 * Checks that a network fits a device, for one image of the training size.
 *
 * @throws {BackendUnavailableError} If it does not, with everything that does not fit.
 */
export function preflight(
  program: Program,
  precision: Precision,
  limits: Limits,
  memory: MemoryKind,
): void {
  const largest = largestTensor(limits, memory);
  const problems = program.layers.flatMap((layer, index) => {
    const bytes = allocatedBytes(weightVectors(layer, index === 0), memory);
    return bytes > largest ? [`the weights of ${layer.name} take ${mebibytes(bytes)}`] : [];
  });
  const { height, width } = program.input;
  if (imagesPerRun(planOneImage(program, precision), precision, limits, memory) < 1) {
    problems.push(`the activations of one image of ${height}x${width} do not fit`);
  }
  if (problems.length > 0) {
    throw new BackendUnavailableError(
      "backend-capacity",
      "webgpu",
      `the model does not fit the device, which allows ${mebibytes(largest)} for a ${memory}: ` +
        `${problems.join("; ")}. Use a smaller model, or backend "wasm"`,
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
