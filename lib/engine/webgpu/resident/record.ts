/** The steps of a run over a model's tensors. */

import type { Precision } from "../../engine.ts";
import { type Program, reciprocalOf } from "../../program.ts";
import type { Step, Tensor } from "../device/tfjs.ts";
import { averagePositions } from "../kernels/average.ts";
import { convolutionSteps, scratchOf, workgroupsPerImage } from "../kernels/convolution.ts";
import { multiplyDense } from "../kernels/dense.ts";
import { convolveFirst, firstConvolutionWorkgroups } from "../kernels/first_convolution.ts";
import { elements, stateVectors } from "../kernels/kernel.ts";
import { beginFirst, endAndBegin, requantize } from "../kernels/requantize.ts";
import type { ScratchVectors } from "../kernels/winograd.ts";
import { denseTile, tileOf, type Tuning } from "../tuning/tile.ts";
import { weightVectors } from "./pack.ts";
import { type PlannedLayer, type RunVectors, runVectors } from "./plan.ts";

/** A step, and the layer that it belongs to. */
export interface LayerStep extends Step {
  readonly layer: string;
}

/** Where what a layer gives will be. */
export interface Result {
  readonly planned: PlannedLayer;
  readonly values: Tensor;
  /** The layer's state, with and without its max-pool the same; none with float. */
  readonly state: Tensor | undefined;
}

/** Everything that a run consists of, and its results, in the order of the layers. */
export interface Recording {
  readonly steps: readonly LayerStep[];
  readonly results: readonly Result[];
}

/** What the tensors of a run are for. They are shared by all layers, and by all runs. */
export type Role =
  | "image"
  | "values"
  | "state0"
  | "state1"
  | "activations0"
  | "activations1"
  | keyof ScratchVectors;

export interface RunContext {
  readonly program: Program;
  readonly precision: Precision;
  readonly tuning: Tuning;
  readonly table: Tensor;
  /** Of each layer by its name; the average has no weights. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly constants: ReadonlyMap<string, Tensor>;
  /** A tensor of this role with at least so many vectors. */
  reserve(role: Role, vectors: number): Tensor;
  /** A buffer that will be read back. */
  allocateResult(vectors: number): Tensor;
}

/** Lists the steps of a run, from the image in the tensor of that role. */
export function recordRun(context: RunContext, plan: readonly PlannedLayer[]): Recording {
  const run = new Run(context, plan);
  const image = context.reserve("image", run.needs.image);
  return context.precision === "int8" ? run.integerSteps(image) : run.floatSteps(image);
}

function stepsOf({ layer }: PlannedLayer, steps: readonly Step[]): LayerStep[] {
  return steps.map((step) => ({ layer: layer.name, ...step }));
}

class Run {
  readonly needs: RunVectors;
  readonly #context: RunContext;
  readonly #plan: readonly PlannedLayer[];

  constructor(context: RunContext, plan: readonly PlannedLayer[]) {
    this.#context = context;
    this.#plan = plan;
    this.needs = runVectors(plan, context.precision, (planned) => this.#maxima(planned));
  }

  integerSteps(image: Tensor): Recording {
    const { reserve, allocateResult } = this.#context;
    const { needs } = this;
    const plan = this.#plan;
    const values = needs.values > 0 ? reserve("values", needs.values) : undefined;
    const x = needs.activations > 0 ? reserve("activations0", needs.activations) : undefined;
    const steps: LayerStep[] = [], results: Result[] = [];
    // Two states, as the end of a layer reads one and writes the other; the results are apart.
    const stateVectorsOf = ({ output }: PlannedLayer): number =>
      output.images * stateVectors(output.channels);
    const largest = Math.max(...plan.map(stateVectorsOf));
    let state = image;
    let given = image;
    plan.forEach((planned, index) => {
      const ended = plan[index - 1], { read, again } = planned;
      const from = planned.kernel === "first" ? image : x!;
      const gives = read !== undefined ? this.#result(planned) : values!;
      if (!again) {
        const begun = read !== undefined
          ? allocateResult(stateVectorsOf(planned))
          : reserve(index % 2 === 0 ? "state0" : "state1", largest);
        steps.push(...stepsOf(planned, [
          this.#begin(ended, planned, given, state, begun),
          ...ended ? [this.#requantize(ended, planned, given, begun, x!)] : [],
        ]));
        state = begun;
      }
      steps.push(...stepsOf(planned, this.#multiply(planned, from, state, gives)));
      given = gives;
      if (read !== undefined) results.push({ planned, values: gives, state });
    });
    return { steps, results };
  }

  floatSteps(image: Tensor): Recording {
    const { reserve, constants } = this.#context;
    const steps: LayerStep[] = [], results: Result[] = [];
    let input = image, given = image, reserved = 0;
    for (const planned of this.#plan) {
      const { read, again, layer } = planned;
      if (!again) input = given;
      given = read !== undefined
        ? this.#result(planned)
        : reserve(reserved++ % 2 === 0 ? "activations0" : "activations1", this.needs.activations);
      const scales = constants.get(layer.name)!;
      steps.push(...stepsOf(planned, this.#multiply(planned, input, scales, given)));
      if (read !== undefined) results.push({ planned, values: given, state: undefined });
    }
    return { steps, results };
  }

  /** What a layer gives that is read: in a buffer. */
  #result(planned: PlannedLayer): Tensor {
    return this.#context.allocateResult(elements(planned.output) / 4 + this.#maxima(planned));
  }

  #begin(
    ended: PlannedLayer | undefined,
    planned: PlannedLayer,
    values: Tensor,
    state: Tensor,
    begun: Tensor,
  ): Step {
    const { program } = this.#context;
    const { name, biasExponent } = planned.layer, { images, channels } = planned.output;
    const constants = this.#context.constants.get(name)!;
    const begin = { images, channels, reciprocal: reciprocalOf(planned), biasExponent };
    if (ended === undefined) {
      return beginFirst({ constants }, { ...begin, input: program.inputReciprocal }, begun);
    }
    const attributes = { ...begin, endedChannels: ended.output.channels, ...this.#maximaOf(ended) };
    return endAndBegin({ constants, values, state }, attributes, begun);
  }

  #requantize(
    ended: PlannedLayer,
    { layer, output }: PlannedLayer,
    values: Tensor,
    state: Tensor,
    x: Tensor,
  ): Step {
    const attributes = {
      shape: ended.output,
      padding: layer.padding,
      nextChannels: output.channels,
    };
    return requantize({ values, state }, attributes, x);
  }

  #multiply(planned: PlannedLayer, x: Tensor, scales: Tensor, gives: Tensor): Step[] {
    const { precision, tuning, table } = this.#context;
    const { input, output, pool, padding, layer } = planned;
    if (planned.kernel === "average") return [averagePositions({ x }, { precision, input }, gives)];
    const weights = this.#context.weights.get(layer.name)!;
    const common = { precision, relu: layer.relu, pool, input, output };
    if (planned.kernel === "first") {
      return [convolveFirst({ image: x, table, weights, scales }, common, gives)];
    }
    if (planned.kernel === "dense") {
      const tile = denseTile(tuning, output.images);
      const sixteens = weightVectors(layer, false) / output.channels;
      return [multiplyDense({ x, weights, scales }, { ...common, sixteens, tile }, gives)];
    }
    return convolutionSteps(
      { x, weights, scales },
      { ...common, filterSize: layer.filterSize, padding, tile: tileOf(tuning, planned) },
      (role) => this.#scratch(role),
      gives,
    );
  }

  /** What the layers need most: it is of this size before the first of them is recorded with it. */
  #scratch(role: keyof ScratchVectors): Tensor {
    const { precision, tuning, reserve } = this.#context;
    const needs = this.#plan.filter(({ kernel }) => kernel === "convolution")
      .map((planned) => scratchOf({ ...planned, precision, tile: tileOf(tuning, planned) })[role]);
    return reserve(role, Math.max(...needs));
  }

  /** Vectors after a layer's values: a maximum of each workgroup. */
  #maxima(planned: PlannedLayer): number {
    const { maxima, maximaPerImage } = this.#maximaOf(planned);
    const none = maxima === 0 || this.#context.precision === "float";
    return none ? 0 : maximaPerImage * planned.output.images;
  }

  /** Where the maxima of a layer are. Of one position none are stored: its values are few. */
  #maximaOf(planned: PlannedLayer): { maxima: number; maximaPerImage: number } {
    const { precision, tuning } = this.#context;
    const { kernel, output } = planned;
    if (kernel === "dense" || kernel === "average") {
      return { maxima: 0, maximaPerImage: output.channels / 4 };
    }
    const maxima = elements(output) / 4;
    if (kernel === "convolution") {
      const tile = tileOf(tuning, planned);
      return { maxima, maximaPerImage: workgroupsPerImage({ ...planned, precision, tile }) };
    }
    const [x, y] = firstConvolutionWorkgroups(planned);
    return { maxima, maximaPerImage: x * y };
  }
}
