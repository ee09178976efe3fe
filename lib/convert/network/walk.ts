/** The way through a network, node by node: what is where, and what has been folded into what. */

import type { CheckpointFormatError } from "../../errors.ts";
import type { GraphNode, Layout, Operator, Pair } from "../formats/graph.ts";
import { type CheckpointTensor, sizeOf } from "../formats/tensor.ts";
import { readVector, type ValueShape } from "./constants.ts";
import { asMatrix, type FilterSizes, filterSizes } from "./filters.ts";
import { composed, type Fold, foldInto, lengthOf, type Part, readFold, reversed } from "./fold.ts";
import type { Affine } from "./network.ts";
import { describeNode, unsupported } from "./trace.ts";
import {
  fixedSides,
  isPair,
  type PoolOperator,
  problemOfPool,
  type Sides,
  sidesOf,
} from "./windows.ts";

/** Max-pools of a VGG. */
const POOLS = 5;

/** What a walk found. */
export interface Features {
  /** At least one. */
  readonly parts: readonly Part[];
  /** The input's size, where the file, the user or the first dense layer tells. */
  readonly input: { readonly height: number; readonly width: number } | undefined;
  /** What is done to the image, in the order of the input's colors. */
  readonly normalization: Affine | undefined;
  /** Whether other things than batch normalization are done to it. */
  readonly normalizesImages: boolean;
  readonly reversesColors: boolean;
  readonly pooling: "flatten" | "average";
  /** What an adaptive average makes of the last map. */
  readonly adaptive: Pair | undefined;
  readonly head: "softmax" | "sigmoid" | undefined;
}

/**
 * Walks from the image to the output.
 *
 * @param inputSize What the user says of the input's height and width.
 * @throws {CheckpointFormatError} At the first node that is no VGG's, or does not fold exactly.
 */
export async function walk(
  way: readonly GraphNode[],
  file: string,
  inputSize: number | undefined,
): Promise<Features> {
  const walk = new Walk(file, inputSize);
  for (const node of way) await walk.step(node);
  return walk.features();
}

class Walk {
  readonly #parts: Part[] = [];
  #layout: Layout | "flat" | undefined;
  #input: { height: number; width: number } | undefined;
  /** The map's size here; `undefined` until the input's is known. */
  #map: Pair | undefined;
  /** Channels, or after flattening all inputs of a dense layer; `undefined` before the first convolution. */
  #channels: number | undefined;
  #pools = 0;
  /** Zeros around the map, which the next convolution takes. */
  #padding: { node: GraphNode; sides: Sides } | undefined;
  #normalization: { node: GraphNode; affine: Affine } | undefined;
  #normalizesImages = false;
  #reversesColors = false;
  /** What the map goes through after a ReLU, until a layer takes it. */
  #ahead: { node: GraphNode; affine: Affine } | undefined;
  #flattened: "CHW" | "HWC" | undefined;
  #pooling: "flatten" | "average" = "flatten";
  #adaptive: Pair | undefined;
  #head: "softmax" | "sigmoid" | undefined;

  constructor(readonly file: string, readonly inputSize: number | undefined) {}

  /** What was found, once all nodes have been. */
  features(): Features {
    const { file } = this;
    if (this.#parts.length === 0) {
      throw unsupported(
        `Expected the 8, 10, 13 or 16 convolutions of a VGG in ${file}: found 0`,
        file,
      );
    }
    if (this.#padding !== undefined) {
      throw this.#refuse(this.#padding.node, "no convolution follows");
    }
    if (this.#ahead !== undefined) {
      throw this.#refuse(this.#ahead.node, "no layer follows that it could be folded into");
    }
    this.#expectReluOfFeatures();
    return {
      parts: this.#parts,
      input: this.#input,
      normalization: this.#normalization?.affine,
      normalizesImages: this.#normalizesImages,
      reversesColors: this.#reversesColors,
      pooling: this.#pooling,
      adaptive: this.#adaptive,
      head: this.#head,
    };
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
      case "batchNorm":
        return this.#fold(node, await readFold(operator, this.#shape(), this.file));
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
        this.#normalizesImages = true;
        return;
      case "softmax":
      case "sigmoid":
        return this.#score(node, operator.kind);
      case "identity":
      case "unsupported": // Refused on the way here.
        return;
    }
  }

  #begin({ layout, height, width, channels }: Operator & { kind: "input" }): void {
    this.#layout = layout;
    const { inputSize } = this;
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

  /** Folds what is done to each channel into the layer before, or keeps it for the one after. */
  #fold(node: GraphNode, fold: Fold): void {
    if (this.#padding !== undefined) {
      throw this.#refuse(node, "stands between zeros around a map and their convolution");
    }
    const part = this.#parts.at(-1);
    if (part === undefined) {
      // In the order of the input, whatever has been turned round since.
      const inOrder = this.#reversesColors ? reversed(fold) : fold;
      this.#normalization = { node, affine: composed(this.#normalization?.affine, inOrder) };
      this.#normalizesImages ||= fold.mean === undefined;
      return;
    }
    const numbers = lengthOf(fold);
    const channels = this.#channels ?? (this.#layout === "flat" ? numbers : undefined);
    if (numbers !== 1 && numbers !== channels) {
      throw this.#refuse(node, `has ${numbers} numbers where there are ${channels} channels`);
    }
    const isBehind = this.#pooling === "average" || this.#flattened !== undefined;
    if (part.relu || (isBehind && !part.isDense)) return this.#keep(node, fold, part);
    if (part.pooled && !fold.scale.every((value) => value > 0)) {
      throw this.#refuse(node, "turns the order of values round after a max pool");
    }
    foldInto(part, fold);
  }

  /** Nothing comes back through a ReLU: the next layer may take it. */
  #keep(node: GraphNode, fold: Fold, part: Part): void {
    const numbers = lengthOf(fold), before = this.#ahead?.affine.scale.length ?? 1;
    const isMixed = before !== 1 && numbers !== 1 && numbers !== before;
    if (isMixed || (this.#adaptive !== undefined && numbers > part.sizes.outputs)) {
      throw this.#refuse(node, "has a number for each position of a map");
    }
    this.#ahead = { node, affine: composed(this.#ahead?.affine, fold) };
  }

  async #conv(node: GraphNode, operator: Operator & { kind: "conv" }): Promise<void> {
    const { weight, bias, stride, dilation, groups, layout } = operator;
    const sizes = this.#sizes(node, weight, 4);
    if (groups !== 1) throw this.#refuse(node, `has ${groups} groups: expected 1`);
    if (!isPair(dilation, 1)) {
      throw this.#refuse(node, `is dilated by ${dilation.join("x")}: expected none`);
    }
    const padding = sidesOf(operator.padding, sizes.window, this.#padding?.sides ?? [0, 0, 0, 0]);
    if (padding === undefined) throw this.#refuse(node, "is padded twice");
    this.#padding = undefined;
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
    padding: Sides,
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
    await this.#add(node, asMatrix(weight), bias, flat, true);
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

  /** A network of features alone ends behind a ReLU too. */
  #expectReluOfFeatures(): void {
    const last = this.#parts.at(-1)!;
    if (last.isDense || last.relu) return;
    throw this.#refuse(last.node, "is the last one, and no ReLU follows");
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
    const problem = problemOfPool(operator, this.#map);
    if (problem !== undefined) throw this.#refuse(node, problem);
    if (this.#pools === POOLS) throw this.#refuse(node, "is the sixth: a VGG has five");
    const part = this.#parts.at(-1);
    if (part === undefined || part.pooled) throw this.#refuse(node, "follows no convolution");
    if (this.#ahead?.affine.scale.some((value) => value < 0)) {
      throw this.#refuse(this.#ahead.node, "turns the order of values round before a max pool");
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
      fixedSides(padding).every((zeros) => zeros === 0);
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
    this.#padding = { node, sides: fixedSides(padding) };
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
    this.#head = kind;
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

  #refuse(node: GraphNode, because: string): CheckpointFormatError {
    return unsupported(`${describeNode(node)} of ${this.file} ${because}`, this.file);
  }
}
