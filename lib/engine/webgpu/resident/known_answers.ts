/**
 * A known-answer test: a driver that compiles a kernel wrongly must give an error, never a wrong
 * label.
 *
 * A small network with weights from a formula goes through the very kernels and tiles that a model
 * will use; what it must give was computed by the naive reference.
 */

import { Cleanup } from "../../../cleanup.ts";
import { BackendUnavailableError } from "../../../errors.ts";
import { type Architecture, CONFIGURATIONS, layersOf } from "../../../model/architecture.ts";
import type { Model, WeightPiece } from "../../../model/model.ts";
import type { Batch, Precision } from "../../engine.ts";
import { compileProgram } from "../../program.ts";
import { checked, type Gpu } from "../device/device.ts";
import type { Tuning } from "../tuning/tile.ts";
import { planLayers } from "./plan.ts";
import { ResidentModel } from "./resident_model.ts";

/**
 * A network whose answers are known: its configuration, channels and pooling. Configuration E has
 * the layers of all others but C, which has 1x1 kernels.
 */
export type AnswerName = `${"C" | "E"}${1 | 3}${"" | " average"}`;

/**
 * The logits of {@linkcode answerModel} on {@linkcode answerBatch}: int32 values, and their scale.
 * With float the same real values come out, but for the rounding of activations to 7 bits.
 */
export const ANSWERS: Readonly<
  Record<AnswerName, { values: readonly number[]; float: readonly number[] }>
> = {
  C1: { values: [-7016, 15735, 12746, 2966], float: [-6.698943, 15.24274, 12.51123, 3.422651] },
  C3: { values: [-11033, 17023, 14049, 2793], float: [-11.39425, 17.34745, 14.43750, 3.025222] },
  E1: {
    values: [-26289, -2869, -19046, -18008],
    float: [-26.60001, -3.083598, -19.18497, -18.02492],
  },
  E3: {
    values: [-23962, -4038, -16187, -17048],
    float: [-25.89456, -5.249587, -18.52465, -19.21099],
  },
  "C1 average": {
    values: [-8645, 16831, 15045, 4295],
    float: [-16.35702, 32.44538, 28.74484, 7.880767],
  },
  "C3 average": {
    values: [-9273, 17305, 15841, 4965],
    float: [-12.50604, 23.40684, 21.37939, 6.553056],
  },
  "E1 average": {
    values: [-18780, 1237, -17138, -18217],
    float: [-59.68201, 4.111187, -54.58499, -57.69223],
  },
  "E3 average": {
    values: [-18814, 503, -16913, -17663],
    float: [-54.77102, 0.7200039, -49.40113, -51.42350],
  },
};

/** Relative to the largest; a wrong kernel is off by far more. */
const FLOAT_TOLERANCE = 1e-3;

const CLASSES = 4;

/** The network whose answers are known. An average is of 2x2 positions. */
export function answerModel(name: AnswerName): Model {
  const configuration = name.startsWith("C") ? "C" : "E", channels = name.includes("1") ? 1 : 3;
  const pooling = name.endsWith("average") ? "average" : "flatten";
  const side = pooling === "average" ? 64 : 32;
  const architecture: Architecture = {
    configuration,
    input: { height: side, width: side, channels },
    convolutions: CONFIGURATIONS[configuration].flat().map(() => 16),
    pooling,
    dense: [16, 16, CLASSES],
  };
  const layers = layersOf(architecture);
  const inner = (layer: typeof layers[number]): number =>
    layer.filterSize[0] * layer.filterSize[1] * layer.inChannels;
  return {
    id: "known-answers",
    architecture,
    preprocessing: {
      resize: "direct",
      size: side,
      filter: "bilinear",
      scale: 1 / 255,
      mean: [0.5, 0.4, 0.3].slice(0, channels),
      std: [0.25, 0.2, 0.3].slice(0, channels),
    },
    labels: [],
    provenance: {},
    parameters: layers.map((layer) => ({
      name: layer.name,
      // He initialization keeps activations alive; channels differ.
      scale: Float32Array.from(
        { length: layer.outChannels },
        (_, o) => (1 + o / 16) * Math.sqrt(4 / inner(layer)) / 127,
      ),
      bias: Float32Array.from({ length: layer.outChannels }, (_, o) => (o % 5 - 2) / 16),
    })),
    weightBytes: layers.reduce((sum, layer) => sum + inner(layer) * layer.outChannels, 0),
    async *weights(): AsyncGenerator<WeightPiece> {
      for (const [index, layer] of layers.entries()) {
        const data = Int8Array.from(
          { length: inner(layer) * layer.outChannels },
          (_, i) => hash(index * 100_000 + i) % 255 - 127,
        );
        yield { layer: layer.name, first: 0, count: layer.outChannels, data };
      }
    },
  };
}

/** The image whose answers are known. */
export function answerBatch({ architecture: { input } }: Pick<Model, "architecture">): Batch {
  const { height, width, channels } = input;
  const data = Uint8Array.from({ length: height * width * channels }, (_, i) => hash(i) & 255);
  return { data, count: 1, height, width };
}

/** A well-mixed word (the finalizer of MurmurHash3). */
function hash(i: number): number {
  let h = i + 1;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Runs the test with the kernels that a model of this architecture will use. Nobody else may be
 * using the device.
 *
 * @throws {BackendUnavailableError} If an answer is wrong.
 */
export async function checkAnswers(
  gpu: Gpu,
  architecture: Architecture,
  precision: Precision,
  tuning: Tuning,
): Promise<void> {
  const configuration = architecture.configuration === "C" ? "C" : "E";
  const channels = architecture.input.channels === 1 ? 1 : 3;
  const pooling = architecture.pooling === "average" ? " average" : "";
  const name: AnswerName = `${configuration}${channels}${pooling}`;
  const model = answerModel(name);
  const program = compileProgram(model);
  const batch = answerBatch(model);
  using made = new Cleanup();
  const resident = await checked(
    gpu.device,
    () => made.use(new ResidentModel(gpu, model, program, precision, tuning)),
  );
  await resident.upload(model.weights());
  const plan = planLayers(program, precision, batch);
  const [activations] = await resident.run(plan, batch);
  const { data } = activations!;
  const { values, float } = ANSWERS[name];
  const expected = precision === "int8" ? values : float;
  const allowed = precision === "int8"
    ? 0
    : FLOAT_TOLERANCE * Math.max(...expected.map((value) => Math.abs(value)));
  if (!expected.every((value, i) => Math.abs((data[i] ?? NaN) - value) <= allowed)) {
    throw new BackendUnavailableError(
      "backend-missing",
      "webgpu",
      `${gpu.description} gives wrong answers: expected ${expected.join()}, found ${data.join()}. ` +
        'Update its driver, or use backend "wasm"',
    );
  }
}
