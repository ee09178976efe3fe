/**
 * The passes of a run over a network's tensors.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { Precision } from "../../engine.ts";
import type { Program } from "../../program.ts";
import { convolutionSteps, maximaGroups, scratchOf } from "../kernels/convolution_steps.ts";
import { multiplyDense } from "../kernels/dense.ts";
import { convolveFirst, firstConvolutionWorkgroups } from "../kernels/first_convolution.ts";
import { elements, stateVectors } from "../kernels/layout.ts";
import { type LayerPlan, type RunVectors, runVectors } from "./plan.ts";
import { requantize } from "../kernels/requantize.ts";
import { beginFirst, endAndBegin } from "../kernels/scale.ts";
import { defaultTile, denseTile, type Tile, type Tuning } from "../tuning/tile.ts";
import { weightVectors } from "./weights.ts";
import type { Scratch } from "../kernels/winograd_steps.ts";

/** One dispatch of a run. */
export interface Pass {
  readonly layer: string;
  /** What it computes: `"convolution"`, `"scale"`, `"requantize"`, …. */
  readonly kernel: string;
  /** Records it. */
  run(): void;
}

/** Everything that a run consists of, and where its results will be. */
export interface Recording {
  readonly passes: readonly Pass[];
  /** What the last layer gives. */
  readonly values: TensorInfo;
  /** The last layer's state; none with float. */
  readonly state: TensorInfo | undefined;
}

/** What the tensors of a run are for. They are shared by all layers, and by all runs. */
export type Role =
  | "image"
  | "values"
  | "state0"
  | "state1"
  | "activations0"
  | "activations1"
  | keyof Scratch;

/** What a layer has of its own. */
export interface LayerTensors {
  readonly weights: TensorInfo;
  readonly constants: TensorInfo;
}

/** What a run is recorded from. */
export interface RunContext {
  readonly backend: WebGPUBackend;
  readonly program: Program;
  readonly precision: Precision;
  readonly tuning: Tuning;
  readonly table: TensorInfo;
  readonly layers: ReadonlyMap<string, LayerTensors>;
  /** A tensor of this role with at least so many vectors. */
  reserve(role: Role, vectors: number): TensorInfo;
  /** A buffer that will be read back. */
  allocateResult(vectors: number): TensorInfo;
}

/** How a convolution of a plan is computed. */
export function tileOf(tuning: Tuning, step: LayerPlan): Tile {
  return tuning.convolutions[step.layer.name] ?? defaultTile(tuning, step);
}

/** Lists the passes of a run, from the image. */
export function recordRun(
  context: RunContext,
  plan: readonly LayerPlan[],
  writeImage: (vectors: number) => TensorInfo,
): Recording {
  const run = new Run(context, plan);
  const image = writeImage(run.needs.image);
  return context.precision === "int8" ? run.integerPasses(image) : run.floatPasses(image);
}

class Run {
  readonly needs: RunVectors;
  readonly #context: RunContext;
  readonly #plan: readonly LayerPlan[];

  constructor(context: RunContext, plan: readonly LayerPlan[]) {
    this.#context = context;
    this.#plan = plan;
    this.needs = runVectors(plan, context.precision, (step) => this.#maxima(step));
  }

  integerPasses(image: TensorInfo): Recording {
    const { reserve } = this.#context;
    const { needs } = this;
    const plan = this.#plan;
    const values = needs.values > 0 ? reserve("values", needs.values) : undefined;
    const x = needs.activations > 0 ? reserve("activations0", needs.activations) : undefined;
    const passes: Pass[] = [];
    // Two states, as the end of a layer reads one and writes the other; the results are apart.
    const states = plan.map(({ output }) => output.images * stateVectors(output.channels));
    let state = image;
    let given = image;
    plan.forEach((step, index) => {
      const isLast = index === plan.length - 1;
      const begun = isLast
        ? this.#context.allocateResult(states[index])
        : reserve(index % 2 === 0 ? "state0" : "state1", Math.max(...states));
      const gives = isLast ? this.#result(step) : values!;
      passes.push(this.#begin(index, given, state, begun));
      if (index > 0) passes.push(this.#requantize(index, given, begun, x!));
      passes.push(...this.#multiply(step, index === 0 ? image : x!, begun, gives));
      state = begun;
      given = gives;
    });
    return { passes, values: given, state };
  }

  floatPasses(image: TensorInfo): Recording {
    const plan = this.#plan;
    let x = image;
    const passes = plan.flatMap((step, index) => {
      const gives = index === plan.length - 1 ? this.#result(step) : this.#context.reserve(
        index % 2 === 0 ? "activations0" : "activations1",
        this.needs.activations,
      );
      const { constants } = this.#context.layers.get(step.layer.name)!;
      const given = x;
      x = gives;
      return this.#multiply(step, given, constants, gives);
    });
    return { passes, values: x, state: undefined };
  }

  /** What the last layer gives: read back, so in a buffer. */
  #result(step: LayerPlan): TensorInfo {
    return this.#context.allocateResult(elements(step.output) / 4 + this.#maxima(step));
  }

  #begin(index: number, values: TensorInfo, state: TensorInfo, begun: TensorInfo): Pass {
    const { backend, program, layers } = this.#context;
    const { layer, output } = this.#plan[index];
    const { constants } = layers.get(layer.name)!;
    const begin = {
      images: output.images,
      channels: output.channels,
      reciprocal: layer.reciprocal,
      biasExponent: layer.biasExponent,
    };
    const pass = (run: () => void): Pass => ({ layer: layer.name, kernel: "scale", run });
    if (index === 0) {
      const attributes = { ...begin, input: program.inputReciprocal };
      return pass(() => beginFirst(backend, { constants }, attributes, begun));
    }
    const ended = this.#plan[index - 1];
    const attributes = { ...begin, endedChannels: ended.output.channels, ...this.#maximaOf(ended) };
    return pass(() => endAndBegin(backend, { constants, values, state }, attributes, begun));
  }

  #requantize(index: number, values: TensorInfo, state: TensorInfo, x: TensorInfo): Pass {
    const { layer, output } = this.#plan[index];
    const attributes = {
      size: this.#plan[index - 1].output,
      padding: layer.padding,
      nextChannels: output.channels,
    };
    return {
      layer: layer.name,
      kernel: "requantize",
      run: () => requantize(this.#context.backend, { values, state }, attributes, x),
    };
  }

  #multiply(step: LayerPlan, x: TensorInfo, scales: TensorInfo, gives: TensorInfo): Pass[] {
    const { backend, precision, tuning, table, layers } = this.#context;
    const { weights } = layers.get(step.layer.name)!;
    const { input, output, pool, padding, layer: { name, kernel, relu } } = step;
    const common = { precision, relu, pool, input, output };
    const pass = (run: () => void): Pass[] => [{ layer: name, kernel: step.kernel, run }];
    if (step.kernel === "first") {
      return pass(() =>
        convolveFirst(backend, { image: x, table, weights, scales }, common, gives)
      );
    }
    if (step.kernel === "dense") {
      const tile = denseTile(tuning, output.images);
      const groups = weightVectors(step.layer, false) / output.channels;
      return pass(() =>
        multiplyDense(backend, { x, weights, scales }, { ...common, groups, tile }, gives)
      );
    }
    const attributes = { ...common, kernel, padding, tile: tileOf(tuning, step) };
    const scratch = (role: keyof Scratch): TensorInfo => this.#scratch(role);
    return convolutionSteps(backend, { x, weights, scales }, attributes, scratch, gives)
      .map((step) => ({ layer: name, ...step }));
  }

  /** What the layers need most: it is of this size before the first of them is recorded with it. */
  #scratch(role: keyof Scratch): TensorInfo {
    const { precision, tuning, reserve } = this.#context;
    const needs = this.#plan.filter(({ kernel }) => kernel === "convolution")
      .map((step) => scratchOf({ ...step, precision, tile: tileOf(tuning, step) })[role]);
    return reserve(role, Math.max(...needs));
  }

  /** Vectors after a layer's values: a maximum of each workgroup. */
  #maxima(step: LayerPlan): number {
    const { maxima, maximaPerImage } = this.#maximaOf(step);
    const none = maxima === 0 || this.#context.precision === "float";
    return none ? 0 : maximaPerImage * step.output.images;
  }

  /** Where the maxima of a layer are. A dense layer stores none: its values are few. */
  #maximaOf(step: LayerPlan): { maxima: number; maximaPerImage: number } {
    const { precision, tuning } = this.#context;
    if (step.kernel === "dense") return { maxima: 0, maximaPerImage: step.output.channels / 4 };
    const maxima = elements(step.output) / 4;
    if (step.kernel === "convolution") {
      const tile = tileOf(tuning, step);
      return { maxima, maximaPerImage: maximaGroups({ ...step, precision, tile }) };
    }
    const [x, y] = firstConvolutionWorkgroups(step);
    return { maxima, maximaPerImage: x * y };
  }
}
