/**
 * Takes a graph to a VGG: walks it from the image to the output, folds what folds exactly, and refuses
 * the rest by the name that the file has for it.
 */

import { CheckpointFormatError } from "../../errors.ts";
import { type Architecture, type Layer, layersOf } from "../../model/architecture.ts";
import { type CheckpointTensor, sizeOf } from "../formats/checkpoint.ts";
import type { Graph, GraphNode, Layout, Operator, Padding, Pair } from "../formats/graph.ts";
import { findConfiguration } from "./configuration.ts";
import { channelValues, readVector, type ValueShape } from "./constants.ts";
import { type FilterSizes, filterSizes, withoutAdaptivePool } from "./filters.ts";
import type { Affine, Network, NetworkLayer } from "./network.ts";
import { describeNode, traceGraph, unsupported } from "./trace.ts";

/** What a user says about a network. */
export interface MatchOptions {
  /** Height and width of the input, where the file does not tell. */
  readonly inputSize?: number | undefined;
  /** What makes scores of the logits, where the file does not tell. */
  readonly head?: "softmax" | "sigmoid" | undefined;
}

/** Max-pools of a VGG. */
const POOLS = 5;
/** The paper's input, where nothing depends on it. */
const USUAL_SIZE = 224;

/**
 * Finds the VGG that a graph describes.
 *
 * @param assumptions What was taken for granted before, to be said with what is assumed here.
 * @throws {CheckpointFormatError} If it is none, naming the first node or tensor that differs, or if it is
 *   ambiguous, naming the option that answers.
 */
export async function matchNetwork(
  graph: Graph,
  file: string,
  options: MatchOptions = {},
  assumptions: readonly string[] = [],
): Promise<Network> {
  const walk = new Walk(file, options, assumptions);
  for (const node of traceGraph(graph, file)) await walk.step(node);
  return walk.finish();
}

/** A convolution or a dense layer on the way, and what has been folded into it. */
interface Part {
  readonly node: GraphNode;
  readonly weight: CheckpointTensor;
  readonly sizes: FilterSizes;
  readonly isDense: boolean;
  readonly inputs: "CHW" | "HWC";
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  relu: boolean;
  /** Whether the block's pool follows. */
  pooled: boolean;
  /** What its inputs go through first: for each channel, or for each input in the order of the weight. */
  readonly ahead: Affine | undefined;
}

/** `x * scale + shift`, or batch normalization, which is rounded as it always was. */
type Fold =
  | { readonly scale: Float64Array; readonly shift: Float64Array }
  | {
    readonly factor: Float64Array;
    readonly mean: Float64Array;
    readonly beta: Float64Array | undefined;
  };

type PoolOperator = Operator & { kind: "maxPool" | "averagePool" };

class Walk {
  readonly #parts: Part[] = [];
  readonly #assumptions: string[];
  #layout: Layout | "flat" | undefined;
  #input: { height: number; width: number } | undefined;
  /** The map's size here; `undefined` until the input's is known. */
  #map: Pair | undefined;
  /** Channels, or after flattening all inputs of a dense layer; `undefined` before the first convolution. */
  #channels: number | undefined;
  #pools = 0;
  /** Zeros around the map, which the next convolution takes. */
  #padding: { node: GraphNode; sides: readonly number[] } | undefined;
  #normalization: { node: GraphNode; affine: Affine } | undefined;
  #reversesColors = false;
  /** What the map goes through after a ReLU, until a layer takes it. */
  #ahead: { node: GraphNode; affine: Affine } | undefined;
  #flattened: "CHW" | "HWC" | undefined;
  #pooling: "flatten" | "average" = "flatten";
  #adaptive: Pair | undefined;
  #head: "softmax" | "sigmoid" | undefined;

  constructor(
    readonly file: string,
    readonly options: MatchOptions,
    assumptions: readonly string[],
  ) {
    this.#assumptions = [...assumptions];
  }

  async step(node: GraphNode): Promise<void> {
    const { operator } = node;
    if (this.#head !== undefined && operator.kind !== "identity" && operator.kind !== "flatten") {
      throw this.#refuse(node, `stands after the ${this.#head}`);
    }
    switch (operator.kind) {
      case "input":
        return this.#begin(operator);
      case "affine":
        return this.#fold(node, {
          scale: await channelValues(operator.scale ?? 1, this.#shape(), this.file),
          shift: await channelValues(operator.shift ?? 0, this.#shape(), this.file),
        });
      case "batchNorm":
        return this.#fold(node, await this.#norm(operator));
      case "conv":
        return await this.#conv(node, operator);
      case "dense":
        return await this.#dense(node, operator);
      case "relu":
        return this.#relu(node);
      case "maxPool":
      case "averagePool":
        return this.#pool(node, operator);
      case "globalAverage":
        return this.#average(node);
      case "adaptiveAverage":
        return this.#adapt(node, operator.size);
      case "flatten":
        return this.#flatten(node, operator.order);
      case "pad":
        return this.#pad(node, operator);
      case "transpose":
        return this.#transpose(node, operator.order);
      case "reverseColors":
        if (this.#parts.length > 0) throw this.#refuse(node, "stands after the first convolution");
        this.#reversesColors = !this.#reversesColors;
        return;
      case "softmax":
      case "sigmoid":
        return this.#score(node, operator.kind);
      case "identity":
      case "unsupported": // Refused on the way here.
        return;
    }
  }

  finish(): Network {
    const { file } = this;
    const last = this.#parts.at(-1);
    if (last === undefined) {
      throw unsupported(
        `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found 0`,
        file,
      );
    }
    const convolutions = this.#parts.filter(({ isDense }) => !isDense);
    const dense = this.#parts.filter(({ isDense }) => isDense);
    const configuration = findConfiguration(convolutions.map(blockPart), file);
    if (this.#padding !== undefined) {
      throw this.#refuse(this.#padding.node, "no convolution follows");
    }
    if (this.#ahead !== undefined) {
      throw this.#refuse(this.#ahead.node, "no layer follows that it could be folded into");
    }
    if (last.isDense && last.relu) {
      throw unsupported(
        `${
          describeNode(last.node)
        } of ${file} is the last one, and a ReLU follows: expected logits`,
        file,
      );
    }
    const head = this.#chooseHead(dense.at(-1));
    const architecture: Architecture = {
      configuration,
      input: { ...this.#inputSize(), channels: convolutions[0]!.sizes.channels },
      convolutions: convolutions.map(({ sizes }) => sizes.outputs),
      ...this.#pooling === "average" && { pooling: "average" },
      dense: dense.map(({ sizes }) => sizes.outputs),
      ...head === "sigmoid" && { head },
    };
    const layers = this.#layersOf(architecture).map((layer, index) => this.#layer(layer, index));
    return {
      architecture,
      layers,
      normalization: this.#normalization?.affine,
      reversesColors: this.#reversesColors,
      assumptions: this.#assumptions,
    };
  }

  #begin({ layout, height, width, channels }: Operator & { kind: "input" }): void {
    this.#layout = layout;
    const { inputSize } = this.options;
    const size = inputSize === undefined ? undefined : { height: inputSize, width: inputSize };
    if (height !== undefined && width !== undefined) {
      if (size !== undefined && (size.height !== height || size.width !== width)) {
        throw unsupported(
          `The input of ${this.file} has ${height}x${width} pixels, as the file says: ${inputSize} was asked for`,
          this.file,
        );
      }
      this.#setInput(height, width);
    } else if (size !== undefined) {
      this.#setInput(size.height, size.width);
    }
    if (channels !== undefined && channels !== 1 && channels !== 3) {
      throw unsupported(
        `The input of ${this.file} must have 1 or 3 channels: found ${channels}`,
        this.file,
      );
    }
  }

  #setInput(height: number, width: number): void {
    this.#input = { height, width };
    this.#map = [height >> this.#pools, width >> this.#pools];
  }

  #shape(): ValueShape {
    return { layout: this.#layout, isPoint: this.#isPoint() };
  }

  /** The map as the next node gets it. */
  #seen(): Pair | undefined {
    const isVector = this.#pooling === "average" || this.#parts.at(-1)?.isDense;
    return isVector ? [1, 1] : this.#adaptive ?? this.#map;
  }

  #isPoint(): boolean {
    return sizeOf(this.#seen() ?? [0, 0]) === 1;
  }

  async #norm(operator: Operator & { kind: "batchNorm" }): Promise<Fold> {
    const length = sizeOf(operator.mean.shape);
    const read = (tensor: CheckpointTensor) => readVector(tensor, this.file, length);
    const [mean, variance] = [await read(operator.mean), await read(operator.variance)];
    const gamma = operator.gamma && await read(operator.gamma);
    const beta = operator.beta && await read(operator.beta);
    const factor = variance.map((v, c) => (gamma?.[c] ?? 1) / Math.sqrt(v + operator.epsilon));
    const bad = factor.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new CheckpointFormatError(
        `Tensor ${operator.variance.name} of ${this.file} must be variances: number ${bad} is ${
          variance[bad]
        }`,
        { file: this.file },
      );
    }
    return { factor, mean, beta };
  }

  /** Folds what is done to each channel into the layer before, or keeps it for the one after. */
  #fold(node: GraphNode, fold: Fold): void {
    if (this.#padding !== undefined) {
      throw this.#refuse(node, "stands between zeros around a map and their convolution");
    }
    const part = this.#parts.at(-1);
    if (part === undefined) {
      const affine = this.#inColors(asAffine(fold));
      this.#normalization = { node, affine: composed(this.#normalization?.affine, affine) };
      return;
    }
    const numbers = "factor" in fold
      ? fold.factor.length
      : Math.max(fold.scale.length, fold.shift.length);
    if (
      numbers !== 1 && numbers !== this.#channels &&
      !(this.#layout === "flat" && this.#channels === undefined)
    ) {
      throw this.#refuse(node, `has ${numbers} numbers where there are ${this.#channels} channels`);
    }
    if (
      part.relu || this.#pooling === "average" || this.#flattened !== undefined && !part.isDense
    ) {
      // Nothing of it comes through a ReLU; the next layer may take it.
      const affine = asAffine(fold);
      const before = this.#ahead?.affine.scale.length ?? 1;
      const isMixed = before !== 1 && numbers !== 1 && numbers !== before;
      if (isMixed || (this.#adaptive !== undefined && numbers > part.sizes.outputs)) {
        throw this.#refuse(node, `has a number for each position of a map`);
      }
      this.#ahead = { node, affine: composed(this.#ahead?.affine, affine) };
      return;
    }
    const factors = "factor" in fold ? fold.factor : fold.scale;
    if (part.pooled && !factors.every((value) => value > 0)) {
      throw this.#refuse(node, "turns the order of values round after a max pool");
    }
    for (let o = 0; o < part.scale.length; o++) {
      const factor = at(factors, o);
      part.shift[o] = "factor" in fold
        ? (part.shift[o]! - fold.mean[o]!) * factor + (fold.beta?.[o] ?? 0)
        : part.shift[o]! * factor + at(fold.shift, o);
      part.scale[o]! *= factor;
    }
  }

  /** Constants that come after a reversal of the colors, in the order of the input. */
  #inColors({ scale, shift }: Affine): Affine {
    return this.#reversesColors
      ? { scale: scale.toReversed(), shift: shift.toReversed() }
      : { scale, shift };
  }

  async #conv(node: GraphNode, operator: Operator & { kind: "conv" }): Promise<void> {
    const { weight, bias, stride, dilation, groups, layout } = operator;
    const sizes = this.#sizes(node, weight, 4);
    if (groups !== 1) throw this.#refuse(node, `has ${groups} groups: expected 1`);
    if (!isPair(dilation, 1)) {
      throw this.#refuse(node, `is dilated by ${dilation.join("x")}: expected none`);
    }
    const padding = this.#paddingOf(node, operator.padding, sizes.window);
    if (this.#pools === POOLS) return await this.#convAsDense(node, operator, sizes, padding);
    if (!isPair(stride, 1)) throw this.#refuse(node, `has stride ${stride.join("x")}: expected 1`);
    this.#expectLayout(node, layout);
    const { window } = sizes;
    const isKnown = isPair(window, 3) || isPair(window, 1);
    if (!isKnown) {
      throw unsupported(
        `Tensor ${weight.name} of ${this.file} must have a 3x3 or 1x1 filter, as a convolution of a VGG: found shape [${weight.shape}]`,
        this.file,
      );
    }
    const expected = (window[0] - 1) / 2;
    if (padding.some((zeros) => zeros !== expected)) {
      throw this.#refuse(
        node,
        `pads its ${window.join("x")} filter by ${
          padding.join(", ")
        }: expected ${expected} on each side`,
      );
    }
    this.#expectChannels(node, weight, sizes.channels);
    const numbers = this.#normalization?.affine.scale.length ?? 1;
    if (this.#parts.length === 0 && numbers !== 1 && numbers !== sizes.channels) {
      throw this.#refuse(
        this.#normalization!.node,
        `has ${numbers} numbers for ${sizes.channels} colors`,
      );
    }
    if (this.#ahead?.affine.shift.some((value) => value !== 0) && expected > 0) {
      throw this.#refuse(
        this.#ahead.node,
        `stands after a ReLU, before ${
          describeNode(node)
        }: what it adds does not reach the zeros around the map`,
      );
    }
    await this.#add(node, weight, bias, sizes, false);
  }

  /** Behind the last pool a convolution has to be a dense layer: of the whole map, or of its one position. */
  async #convAsDense(
    node: GraphNode,
    { weight, bias, layout }: Operator & { kind: "conv" },
    sizes: FilterSizes,
    padding: readonly number[],
  ): Promise<void> {
    const { window, channels, outputs } = sizes;
    this.#expectLayout(node, layout);
    if (this.#map === undefined) this.#setInput(window[0] << POOLS, window[1] << POOLS);
    const map = this.#seen()!;
    if (padding.some((zeros) => zeros !== 0) || String(window) !== String(map)) {
      throw this.#refuse(
        node,
        `has a ${window.join("x")} filter, padded by ${
          padding.join(", ")
        }, behind pool5, where the map has ${
          map.join("x")
        }: only a filter of the whole map is a dense layer`,
      );
    }
    this.#expectChannels(node, weight, channels);
    const flat = { outputs, channels: channels * sizeOf(window), window: [1, 1] as const };
    this.#flattened ??= weight.layout.outputs === "first" ? "CHW" : "HWC";
    await this.#add(node, flatWeight(weight), bias, flat, true);
  }

  async #dense(node: GraphNode, { weight, bias }: Operator & { kind: "dense" }): Promise<void> {
    const sizes = this.#sizes(node, weight, 2);
    const before = this.#parts.at(-1);
    if (before === undefined || (!before.isDense && this.#pools < POOLS)) {
      throw this.#refuse(node, `stands behind ${this.#pools} of the ${POOLS} max pools of a VGG`);
    }
    if (!before.isDense) this.#expectMap(node, weight, sizes.channels, before.sizes.outputs);
    else this.#expectChannels(node, weight, sizes.channels);
    await this.#add(node, weight, bias, sizes, true);
    this.#layout = "flat";
  }

  /** Holds the inputs of the first dense layer against the map, whose size they may tell. */
  #expectMap(node: GraphNode, weight: CheckpointTensor, inputs: number, channels: number): void {
    const average = this.#pooling === "average";
    const fixed = this.#seen();
    if (fixed === undefined) {
      const side = Math.round(Math.sqrt(inputs / channels));
      if (side < 1 || side * side * channels !== inputs) {
        throw unsupported(
          `Tensor ${weight.name} of ${this.file} must take a square map of ${channels} channels, so ${channels} * n * n inputs: found shape [${weight.shape}]`,
          this.file,
        );
      }
      this.#setInput(side << POOLS, side << POOLS);
    } else if (sizeOf(fixed) * channels !== inputs) {
      const { height, width } = this.#input ?? { height: "?", width: "?" };
      throw unsupported(
        `Tensor ${weight.name} of ${this.file} takes ${inputs} inputs: an input of ${height}x${width} pixels gives a map of ${
          fixed.join("x")
        } with ${channels} channels, so ${sizeOf(fixed) * channels}`,
        this.file,
      );
    }
    if (this.#flattened === undefined) {
      if (!average && !this.#isPoint()) {
        throw this.#refuse(node, "takes a map that nothing has flattened");
      }
      this.#flattened = "HWC";
    }
  }

  async #add(
    node: GraphNode,
    weight: CheckpointTensor,
    bias: CheckpointTensor | undefined,
    sizes: FilterSizes,
    isDense: boolean,
  ): Promise<void> {
    this.#expectRelu(node);
    const { outputs } = sizes;
    const order = weight.layout.outputs === "first" ? "CHW" : "HWC";
    const isFirstDense = isDense && !this.#parts.at(-1)?.isDense;
    this.#parts.push({
      node,
      weight,
      sizes,
      isDense,
      inputs: isFirstDense ? this.#flattened! : isDense ? "HWC" : order,
      scale: new Float64Array(outputs).fill(1),
      shift: bias === undefined
        ? new Float64Array(outputs)
        : await readVector(bias, this.file, outputs),
      relu: false,
      pooled: false,
      ahead: this.#ahead?.affine,
    });
    this.#ahead = undefined;
    this.#channels = outputs;
  }

  #expectRelu(node: GraphNode): void {
    const before = this.#parts.at(-1);
    if (before === undefined || before.relu) return;
    throw this.#refuse(node, `follows ${describeNode(before.node)} without a ReLU between them`);
  }

  #relu(node: GraphNode): void {
    const part = this.#parts.at(-1);
    if (part === undefined) throw this.#refuse(node, "stands before the first convolution");
    if (this.#ahead !== undefined) {
      throw this.#refuse(
        node,
        `follows ${describeNode(this.#ahead.node)}, which stands after a ReLU already`,
      );
    }
    if (this.#pooling === "average" && !part.isDense && !part.relu) {
      throw this.#refuse(node, "stands after an average");
    }
    part.relu = true;
  }

  #pool(node: GraphNode, operator: PoolOperator): void {
    const { kind, window, stride, layout } = operator;
    if (isPair(window, 1) && isPair(stride, 1)) return;
    this.#expectLayout(node, layout);
    if (this.#padding !== undefined) throw this.#refuse(node, "follows zeros around a map");
    if (kind === "averagePool") return this.#averageOf(node, operator);
    const described = `has a window of ${window.join("x")} and stride ${stride.join("x")}`;
    if (!isPair(window, 2) || !isPair(stride, 2)) {
      throw this.#refuse(node, `${described}: expected 2x2 and 2`);
    }
    if (this.#pools === POOLS) throw this.#refuse(node, "is the sixth: a VGG has five");
    const part = this.#parts.at(-1);
    if (part === undefined || part.pooled) throw this.#refuse(node, "follows no convolution");
    if (this.#ahead?.affine.scale.some((value) => value < 0)) {
      throw this.#refuse(this.#ahead.node, "turns the order of values round before a max pool");
    }
    const sides = sidesOf(operator.padding);
    const roundsUp = operator.roundsUp || operator.padding === "same" ||
      (sides?.[2] === 1 || sides?.[3] === 1);
    if (
      sides !== undefined && (sides[0] !== 0 || sides[1] !== 0 || sides[2]! > 1 || sides[3]! > 1)
    ) {
      throw this.#refuse(node, `pads its map by ${sides.join(", ")}: expected nothing`);
    }
    if (roundsUp && this.#map?.some((size) => size % 2 === 1)) {
      throw this.#refuse(
        node,
        `makes ${this.#map.map((size) => Math.ceil(size / 2)).join("x")} of a map of ${
          this.#map.join("x")
        }, as it rounds up: ` +
          "an input whose height and width are multiples of 32 would be the same for both",
      );
    }
    part.pooled = true;
    this.#pools++;
    this.#map &&= [this.#map[0] >> 1, this.#map[1] >> 1];
  }

  /** An average pool is a global one if its window is the whole map. */
  #averageOf(node: GraphNode, { window, padding }: PoolOperator): void {
    if (this.#map === undefined && this.#pools === POOLS) {
      this.#setInput(window[0] << POOLS, window[1] << POOLS);
    }
    const isWhole = String(window) === String(this.#map) &&
      (sidesOf(padding) ?? []).every((side) => side === 0);
    if (!isWhole || this.#pools < POOLS) {
      throw this.#refuse(
        node,
        `has a window of ${window.join("x")}: a VGG has max pools, or an average of its last map`,
      );
    }
    this.#average(node);
  }

  #average(node: GraphNode): void {
    // The average of one position is that position.
    if (this.#parts.at(-1)?.isDense && this.#isPoint()) return;
    this.#expectLastMap(node);
    if (!this.#parts.at(-1)!.relu) throw this.#refuse(node, "follows no ReLU");
    if (!this.#isPoint()) this.#pooling = "average";
  }

  /** That the map behind the last pool is still there, as it is. */
  #expectLastMap(node: GraphNode): void {
    if (this.#pools < POOLS) {
      throw this.#refuse(node, `stands behind ${this.#pools} of the ${POOLS} max pools of a VGG`);
    }
    const isGone = this.#flattened !== undefined || this.#parts.at(-1)!.isDense ||
      this.#adaptive !== undefined || this.#pooling === "average";
    if (isGone) throw this.#refuse(node, "has no map before it: expected it right behind pool5");
  }

  #adapt(node: GraphNode, size: Pair): void {
    if (isPair(size, 1)) return this.#average(node);
    this.#expectLastMap(node);
    if (this.#map === undefined) this.#setInput(size[0] << POOLS, size[1] << POOLS);
    if (String(this.#map) !== String(size)) this.#adaptive = size;
  }

  #flatten(node: GraphNode, order: Layout | undefined): void {
    const part = this.#parts.at(-1);
    if (part === undefined) throw this.#refuse(node, "stands before the first convolution");
    if (this.#flattened === undefined && !part.isDense) {
      if (this.#pools < POOLS) {
        throw this.#refuse(node, `stands behind ${this.#pools} of the ${POOLS} max pools of a VGG`);
      }
      const layout = order ?? this.#layout;
      this.#flattened = layout === "NHWC" ? "HWC" : "CHW";
      const fixed = this.#seen();
      this.#channels = fixed && part.sizes.outputs * sizeOf(fixed);
    }
    this.#layout = "flat";
  }

  #pad(node: GraphNode, { padding, layout }: Operator & { kind: "pad" }): void {
    this.#expectLayout(node, layout);
    if (this.#padding !== undefined) {
      throw this.#refuse(node, `follows ${describeNode(this.#padding.node)}`);
    }
    this.#padding = { node, sides: sidesOf(padding) ?? [0, 0, 0, 0] };
  }

  #transpose(node: GraphNode, order: readonly number[]): void {
    if (order.every((axis, index) => axis === index)) return;
    const turned = String(order);
    if ((this.#layout ?? "NCHW") === "NCHW" && turned === "0,2,3,1") this.#layout = "NHWC";
    else if ((this.#layout ?? "NHWC") === "NHWC" && turned === "0,3,1,2") this.#layout = "NCHW";
    else throw this.#refuse(node, `changes the order of axes to ${order.join(", ")}`);
  }

  #score(node: GraphNode, kind: "softmax" | "sigmoid"): void {
    if (!this.#parts.at(-1)?.isDense) throw this.#refuse(node, "follows no dense layer");
    const { head } = this.options;
    if (head !== undefined && head !== kind) {
      throw unsupported(
        `The network of ${this.file} ends in a ${kind}: ${head} was asked for`,
        this.file,
      );
    }
    this.#head = kind;
  }

  #chooseHead(last: Part | undefined): "softmax" | "sigmoid" {
    const head = this.#head ?? this.options.head;
    if (last?.sizes.outputs !== 1) return head ?? "softmax";
    if (head === "softmax") {
      throw unsupported(
        `The network of ${this.file} ends in a soft-max of one output, which is always 1`,
        this.file,
      );
    }
    if (head === "sigmoid") return head;
    throw new CheckpointFormatError(
      `${
        describeNode(last.node)
      } of ${this.file} gives one number, and the file does not say what it is: ` +
        "say --head sigmoid (option head) if it stands for two classes. A network that estimates a number is not converted",
      { code: "checkpoint-ambiguous", file: this.file },
    );
  }

  #inputSize(): { height: number; width: number } {
    if (this.#input !== undefined) return this.#input;
    if (this.#parts.some(({ isDense }) => isDense)) {
      this.#assumptions.push(
        `The input is ${USUAL_SIZE}x${USUAL_SIZE} pixels, as is usual; --input-size says otherwise.`,
      );
    }
    return { height: USUAL_SIZE, width: USUAL_SIZE };
  }

  #layersOf(architecture: Architecture): Layer[] {
    try {
      return layersOf(architecture);
    } catch (cause) {
      throw unsupported(`${this.file} is no VGG for int8: ${(cause as Error).message}`, this.file);
    }
  }

  #layer(layer: Layer, index: number): NetworkLayer {
    const { weight, inputs, scale, shift, ahead, isDense } = this.#parts[index]!;
    const isFirstDense = isDense && !this.#parts[index - 1]!.isDense;
    const adapted = isFirstDense && this.#adaptive !== undefined
      ? withoutAdaptivePool(weight, inputs, layer.inChannels, this.#adaptive, this.#lastMap())
      : weight;
    return {
      layer,
      weight: adapted,
      inputs,
      outputs: { scale, shift },
      ahead: ahead && this.#spread(ahead, layer, inputs),
    };
  }

  /** The map behind the last pool. */
  #lastMap(): Pair {
    const { height, width } = this.#input!;
    return [height >> POOLS, width >> POOLS];
  }

  /** What is said for each channel, or for each input in the checkpoint's order, for each input `[H, W, I]`. */
  #spread({ scale, shift }: Affine, layer: Layer, inputs: "CHW" | "HWC"): Affine {
    const positions = sizeOf(layer.filterSize), channels = layer.inChannels;
    const spread = (values: Float64Array): Float64Array =>
      Float64Array.from({ length: positions * channels }, (_, i) => {
        const channel = i % channels, position = (i - channel) / channels;
        if (values.length === 1) return values[0]!;
        if (values.length === channels) return values[channel]!;
        return values[inputs === "HWC" ? i : channel * positions + position]!;
      });
    return { scale: spread(scale), shift: spread(shift) };
  }

  #sizes(node: GraphNode, weight: CheckpointTensor, rank: 2 | 4): FilterSizes {
    const sizes = weight.shape.length === rank ? filterSizes(weight) : undefined;
    if (sizes !== undefined && weight.shape.every((size) => size > 0)) return sizes;
    throw unsupported(
      `Tensor ${weight.name} of ${this.file} must have ${rank} dimensions, as ${
        describeNode(node)
      }: found shape [${weight.shape}]`,
      this.file,
    );
  }

  #expectChannels(node: GraphNode, weight: CheckpointTensor, channels: number): void {
    const isFirst = this.#parts.length === 0;
    if (isFirst ? channels === 1 || channels === 3 : channels === this.#channels) return;
    throw unsupported(
      `Tensor ${weight.name} of ${this.file} must take ${
        isFirst ? "1 or 3" : this.#channels
      } channels, as ${isFirst ? "conv1_1" : describeNode(node)}: found shape [${weight.shape}]`,
      this.file,
    );
  }

  #expectLayout(node: GraphNode, layout: Layout): void {
    this.#layout ??= layout;
    if (this.#layout === layout || (this.#layout === "flat" && this.#parts.at(-1)?.isDense)) return;
    throw this.#refuse(node, `takes a map in the order ${layout}: it comes as ${this.#layout}`);
  }

  /** The zeros on each side of a convolution's map: its own and those of a node before it. */
  #paddingOf(node: GraphNode, padding: Padding, window: Pair): readonly number[] {
    const around = this.#padding?.sides;
    this.#padding = undefined;
    const own = padding === "same" ? sameSides(window) : sidesOf(padding)!;
    if (around !== undefined && padding === "same" && !isPair(window, 1)) {
      throw this.#refuse(node, "is padded twice");
    }
    return own.map((zeros, side) => zeros + (around?.[side] ?? 0));
  }

  #refuse(node: GraphNode, because: string): CheckpointFormatError {
    return unsupported(`${describeNode(node)} of ${this.file} ${because}`, this.file);
  }
}

function blockPart({ sizes, pooled, weight }: Part) {
  return { window: sizes.window, pooled, name: weight.name, shape: weight.shape };
}

/** A convolution of a whole map as a matrix: the order of its inputs stays. */
function flatWeight(weight: CheckpointTensor): CheckpointTensor {
  const { outputs, channels, window } = filterSizes(weight)!;
  const inputs = channels * sizeOf(window);
  const shape = weight.layout.outputs === "first" ? [outputs, inputs] : [inputs, outputs];
  return { ...weight, shape, layout: weight.layout, read: (runs, into) => weight.read(runs, into) };
}

function asAffine(fold: Fold): Affine {
  if (!("factor" in fold)) return fold;
  const { factor, mean, beta } = fold;
  return { scale: factor, shift: factor.map((f, c) => (beta?.[c] ?? 0) - mean[c]! * f) };
}

const IDENTITY: Affine = { scale: Float64Array.of(1), shift: Float64Array.of(0) };

/** First one, then the other. */
function composed(first: Affine = IDENTITY, second: Affine): Affine {
  const all = [first.scale, first.shift, second.scale, second.shift];
  const length = Math.max(...all.map(({ length }) => length));
  const scale = new Float64Array(length), shift = new Float64Array(length);
  for (let c = 0; c < length; c++) {
    scale[c] = at(first.scale, c) * at(second.scale, c);
    shift[c] = at(first.shift, c) * at(second.scale, c) + at(second.shift, c);
  }
  return { scale, shift };
}

/** One number stands for all. */
function at(values: Float64Array, index: number): number {
  return values[values.length === 1 ? 0 : index]!;
}

function isPair(pair: Pair, value: number): boolean {
  return pair[0] === value && pair[1] === value;
}

/** `undefined` for `"same"`, which depends on the window. */
function sidesOf(padding: Padding): readonly number[] | undefined {
  return padding === "same" ? undefined : padding === "valid" ? [0, 0, 0, 0] : padding;
}

/** With stride 1 as many outputs as inputs; an even window has one zero more at the end. */
function sameSides([height, width]: Pair): readonly number[] {
  const [y, x] = [height - 1, width - 1];
  return [y >> 1, x >> 1, y - (y >> 1), x - (x >> 1)];
}
