/** The way through a network, node by node: what is where, and what has been folded into what. */

import { CheckpointFormatError } from "../../errors.ts";
import type { GraphNode, Layout, Operator, Pair } from "../formats/graph.ts";
import { type CheckpointTensor, sizeOf } from "../formats/tensor.ts";
import { readVector } from "./constants.ts";
import { asMatrix, filterOrder, type FilterSizes, filterSizes } from "./filters.ts";
import {
  composed,
  type Fold,
  foldInto,
  lengthOf,
  movedBefore,
  type Part,
  readFold,
  reversed,
} from "./fold.ts";
import type { Affine } from "./network.ts";
import { Place, POOLS } from "./place.ts";
import { describeNode, unsupported } from "./trace.ts";
import {
  fixedSides,
  isPair,
  NO_SIDES,
  type PoolOperator,
  problemOfPool,
  problemOfWindow,
  roundsUp,
  type Sides,
  sidesOf,
} from "./windows.ts";

/** The height and width of the last map of the paper's networks, which are for 224x224 pixels. */
const USUAL_MAP = 7;

/** What a walk found. */
export interface Features {
  /** At least one. */
  readonly parts: readonly Part[];
  /** The input's size, where the file, the user or the first dense layer tells. */
  readonly input: { readonly height: number; readonly width: number } | undefined;
  /** Whether only the first dense layer tells it. */
  readonly isInputInferred: boolean;
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
  readonly #place = new Place();
  /** A pool that rounds up, if the input's size was not known there. */
  #roundingUp: GraphNode | undefined;
  /** Zeros around the map, which the next convolution takes. */
  #padding: { node: GraphNode; sides: Sides } | undefined;
  #normalization: { node: GraphNode; affine: Affine } | undefined;
  #normalizesImages = false;
  #reversesColors = false;
  /** What the map goes through after a ReLU, until a layer takes it. */
  #ahead: { node: GraphNode; affine: Affine } | undefined;
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
    const last = this.#parts.at(-1)!;
    if (!last.isDense && !last.relu) {
      throw this.#refuse(last.node, "is the last one, and no ReLU follows");
    }
    return {
      parts: this.#parts,
      input: this.#place.input,
      isInputInferred: this.#place.isInputInferred,
      normalization: this.#normalization?.affine,
      normalizesImages: this.#normalizesImages,
      reversesColors: this.#reversesColors,
      pooling: this.#place.pooling,
      adaptive: this.#place.adaptive,
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
        return this.#check(node, this.#place.begin(operator, this.inputSize));
      case "affine":
      case "batchNorm":
        return this.#fold(node, await readFold(operator, this.#place.shape(), this.file));
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
        return this.#check(node, this.#place.transpose(operator.order));
      case "reverseColors":
        this.#check(node, this.#parts.length > 0 && "stands after the first convolution");
        this.#reversesColors = !this.#reversesColors;
        this.#normalizesImages = true;
        return;
      case "softmax":
      case "sigmoid":
        this.#check(node, !this.#place.isDense && "follows no dense layer");
        this.#head = operator.kind;
        return;
      case "identity":
      case "unsupported": // Refused on the way here.
        return;
    }
  }

  /** Folds what is done to each channel into the layer before, or keeps it for the one after. */
  #fold(node: GraphNode, fold: Fold): void {
    this.#check(node, this.#padding && "stands between zeros around a map and their convolution");
    const part = this.#parts.at(-1);
    if (part === undefined) {
      // In the order of the input, whatever has been turned round since.
      const inOrder = this.#reversesColors ? reversed(fold) : fold;
      this.#normalization = { node, affine: composed(this.#normalization?.affine, inOrder) };
      this.#normalizesImages ||= fold.mean === undefined;
      return;
    }
    const { channels, layout, pooling, flattened } = this.#place;
    const numbers = lengthOf(fold);
    const fits = numbers === 1 || numbers === (channels ?? (layout === "flat" ? numbers : 0));
    this.#check(node, !fits && `has ${numbers} numbers where there are ${channels} channels`);
    const isBehind = pooling === "average" || flattened !== undefined;
    if (part.relu || (isBehind && !part.isDense)) return this.#keep(node, fold, part);
    const isUpright = !part.pooled || fold.scale.every((value) => value > 0);
    this.#check(node, !isUpright && "turns the order of values round after a max pool");
    foldInto(part, fold);
  }

  /** Nothing comes back through a ReLU: the next layer may take it. */
  #keep(node: GraphNode, fold: Fold, part: Part): void {
    const numbers = lengthOf(fold), before = this.#ahead?.affine.scale.length ?? 1;
    const isMixed = before !== 1 && numbers !== 1 && numbers !== before;
    const isAdapted = this.#place.adaptive !== undefined && numbers > part.sizes.outputs;
    this.#check(node, (isMixed || isAdapted) && "has a number for each position of a map");
    this.#ahead = { node, affine: composed(this.#ahead?.affine, fold) };
  }

  async #conv(node: GraphNode, operator: Operator & { kind: "conv" }): Promise<void> {
    const { weight, bias, stride, dilation, groups, layout } = operator;
    const sizes = this.#sizes(node, weight, 4);
    const padding = sidesOf(operator.padding, sizes.window, this.#padding?.sides ?? NO_SIDES);
    this.#padding = undefined;
    this.#check(node, groups !== 1 && `has ${groups} groups: expected 1`);
    this.#check(node, !isPair(dilation, 1) && `is dilated by ${dilation.join("x")}: expected none`);
    this.#check(node, this.#place.problemOfLayout(layout));
    if (padding === undefined) throw this.#refuse(node, "is padded twice");
    if (this.#place.pools === POOLS) return await this.#convAsDense(node, operator, sizes, padding);
    this.#check(node, !isPair(stride, 1) && `has stride ${stride.join("x")}: expected 1`);
    this.#check(node, problemOfWindow(sizes.window, padding));
    this.#expectChannels(node, weight, sizes.channels);
    const numbers = this.#normalization?.affine.scale.length ?? 1;
    if (this.#parts.length === 0 && numbers !== 1 && numbers !== sizes.channels) {
      const because = `has ${numbers} numbers for ${sizes.channels} colors`;
      throw this.#refuse(this.#normalization!.node, because);
    }
    const isPadded = padding.some((zeros) => zeros > 0);
    if (isPadded && this.#ahead?.affine.shift.some((value) => value !== 0)) {
      throw this.#refuse(
        this.#ahead.node,
        `stands after a ReLU, before ${
          describeNode(node)
        }: what it adds does not reach the zeros ` +
          "around the map",
      );
    }
    await this.#add(node, weight, bias, sizes, filterOrder(weight));
  }

  /** Behind the last pool a convolution has to be a dense layer: of the whole map, or of its one position. */
  async #convAsDense(
    node: GraphNode,
    { weight, bias }: Operator & { kind: "conv" },
    { window, channels, outputs }: FilterSizes,
    padding: Sides,
  ): Promise<void> {
    this.#tellMap(window);
    const map = this.#place.seen()!;
    const isWhole = String(window) === String(map) && padding.every((zeros) => zeros === 0);
    this.#check(
      node,
      !isWhole &&
        `has a ${window.join("x")} filter, padded by ${padding.join(", ")}, behind pool5, ` +
          `where the map has ${map.join("x")}: only a filter of the whole map is a dense layer`,
    );
    this.#expectChannels(node, weight, channels);
    const flat = { outputs, channels: channels * sizeOf(window), window: [1, 1] as const };
    this.#place.flattened ??= filterOrder(weight);
    await this.#add(node, asMatrix(weight), bias, flat, "dense");
  }

  async #dense(node: GraphNode, { weight, bias }: Operator & { kind: "dense" }): Promise<void> {
    const sizes = this.#sizes(node, weight, 2);
    this.#check(node, this.#place.problemOfPools());
    if (this.#place.isDense) this.#expectChannels(node, weight, sizes.channels);
    else {
      const { outputs } = this.#parts.at(-1)!.sizes;
      this.#expectMap(node, weight, sizes.channels, outputs);
      const numbers = this.#ahead?.affine.scale.length ?? 1;
      if (![1, outputs, sizes.channels].includes(numbers)) {
        const because = `has ${numbers} numbers for ${sizes.channels} inputs`;
        throw this.#refuse(this.#ahead!.node, because);
      }
    }
    await this.#add(node, weight, bias, sizes, "dense");
    this.#place.layout = "flat";
  }

  /** Holds the inputs of the first dense layer against the map, whose size they may tell. */
  #expectMap(node: GraphNode, { name, shape }: CheckpointTensor, inputs: number, channels: number) {
    const fail = (text: string) => unsupported(`Tensor ${name} of ${this.file} ${text}`, this.file);
    if (this.#place.seen() === undefined) {
      const side = Math.round(Math.sqrt(inputs / channels));
      if (side < 1 || side * side * channels !== inputs) {
        throw fail(
          `must take a square map of ${channels} channels, so ${channels} * n * n inputs: found shape [${shape}]`,
        );
      }
      this.#tellMap([side, side]);
    }
    const map = this.#place.seen()!;
    if (sizeOf(map) * channels !== inputs) {
      const { height, width } = this.#place.input!;
      throw fail(
        `takes ${inputs} inputs: an input of ${height}x${width} pixels gives a map of ${
          map.join("x")
        } ` +
          `with ${channels} channels, so ${sizeOf(map) * channels}`,
      );
    }
    const isFlat = this.#place.flattened !== undefined || this.#place.isPoint();
    this.#check(node, !isFlat && "takes a map that nothing has flattened");
    this.#place.flattened ??= "HWC";
  }

  /** @param inputs The order of a convolution's inputs; those of the first dense layer are the map's. */
  async #add(
    node: GraphNode,
    weight: CheckpointTensor,
    bias: CheckpointTensor | undefined,
    sizes: FilterSizes,
    inputs: "CHW" | "HWC" | "dense",
  ): Promise<void> {
    const before = this.#parts.at(-1);
    if (before?.relu === false) {
      throw this.#refuse(node, `follows ${describeNode(before.node)} without a ReLU between them`);
    }
    const { outputs } = sizes;
    const isDense = inputs === "dense";
    const ofDense = this.#place.isDense ? "HWC" : this.#place.flattened!;
    this.#parts.push({
      ...{ node, weight, sizes, isDense, relu: false, pooled: false },
      inputs: isDense ? ofDense : inputs,
      scale: new Float64Array(outputs).fill(1),
      shift: bias === undefined
        ? new Float64Array(outputs)
        : await readVector(bias, this.file, outputs),
      ahead: before && this.#ahead && movedBefore(before, this.#ahead.affine),
    });
    this.#ahead = undefined;
    this.#place.channels = outputs;
    this.#place.isDense = isDense;
  }

  #relu(node: GraphNode): void {
    const part = this.#parts.at(-1);
    if (part === undefined) throw this.#refuse(node, "stands before the first convolution");
    const ahead = this.#ahead && describeNode(this.#ahead.node);
    this.#check(node, ahead && `follows ${ahead}, which stands after a ReLU already`);
    part.relu = true;
  }

  #pool(node: GraphNode, operator: PoolOperator): void {
    const { kind, window, stride, layout } = operator;
    if (isPair(window, 1) && isPair(stride, 1)) return;
    this.#check(node, this.#place.problemOfLayout(layout));
    this.#check(node, this.#padding && "follows zeros around a map");
    if (kind === "averagePool") return this.#averageOf(node, operator);
    this.#check(node, problemOfPool(operator, this.#place.map));
    this.#check(node, this.#place.pools === POOLS && "is the sixth: a VGG has five");
    const part = this.#parts.at(-1);
    if (part === undefined || part.pooled) throw this.#refuse(node, "follows no convolution");
    if (this.#ahead?.affine.scale.some((value) => value < 0)) {
      throw this.#refuse(this.#ahead.node, "turns the order of values round before a max pool");
    }
    if (this.#place.map === undefined && roundsUp(operator)) this.#roundingUp ??= node;
    part.pooled = true;
    this.#place.pools++;
  }

  /**
   * Takes the input's size from the last map's, as a layer needs it.
   *
   * @throws {CheckpointFormatError} If others would give that map, too.
   */
  #tellMap([height, width]: Pair): void {
    const node = this.#roundingUp, isUsual = height === USUAL_MAP && width === USUAL_MAP;
    if (node !== undefined && this.#place.map === undefined && !isUsual) {
      const [high, wide] = [height, width].map((n) => `${(n - 1 << POOLS) + 1} to ${n << POOLS}`);
      throw new CheckpointFormatError(
        `The input of ${this.file} may be ${high} pixels high and ${wide} wide: all give a last map of ` +
          `${height}x${width}, as ${
            describeNode(node)
          } rounds up. Say --input-size (option inputSize)`,
        { code: "checkpoint-ambiguous", file: this.file },
      );
    }
    this.#place.tellMap([height, width]);
  }

  /** An average pool is a global one if its window is the whole map. */
  #averageOf(node: GraphNode, { window, stride, padding }: PoolOperator): void {
    const isLast = this.#place.pools === POOLS;
    if (isLast) this.#tellMap(window);
    // Windows that begin in the map and end in zeros would be others.
    const isOne = padding !== "same" || window.every((size, axis) => stride[axis]! >= size);
    const isWhole = isLast && String(window) === String(this.#place.map) && isOne &&
      fixedSides(padding).every((zeros) => zeros === 0);
    this.#check(
      node,
      !isWhole &&
        `has a window of ${window.join("x")}: a VGG has max pools, or an average of its last map`,
    );
    this.#average(node);
  }

  #average(node: GraphNode): void {
    // The average of one position is that position.
    if (this.#place.isDense) return;
    this.#check(node, this.#place.problemOfLastMap());
    this.#check(node, !this.#parts.at(-1)!.relu && "follows no ReLU");
    if (!this.#place.isPoint()) this.#place.pooling = "average";
  }

  #adapt(node: GraphNode, size: Pair): void {
    if (isPair(size, 1)) return this.#average(node);
    this.#check(node, this.#place.problemOfLastMap());
    this.#place.tellMap(size);
    if (String(this.#place.map) === String(size)) return;
    this.#check(node, !this.#parts.at(-1)!.relu && "follows no ReLU");
    this.#place.adaptive = size;
  }

  #flatten(node: GraphNode, order: Layout | undefined): void {
    this.#check(node, this.#place.problemOfPools());
    this.#place.flatten(order, this.#parts.at(-1)!.sizes.outputs);
  }

  #pad(node: GraphNode, { padding, layout }: Operator & { kind: "pad" }): void {
    this.#check(node, this.#place.problemOfLayout(layout));
    this.#check(node, this.#padding && `follows ${describeNode(this.#padding.node)}`);
    const sides = fixedSides(padding);
    this.#check(node, sides.some((size) => size < 0) && "cuts off the border of a map");
    this.#padding = { node, sides };
  }

  #sizes(node: GraphNode, weight: CheckpointTensor, rank: 2 | 4): FilterSizes {
    const { name, shape } = weight;
    const sizes = shape.length === rank ? filterSizes(weight) : undefined;
    if (sizes !== undefined && shape.every((size) => size > 0)) return sizes;
    throw unsupported(
      `Tensor ${name} of ${this.file} must have ${rank} dimensions, as ${
        describeNode(node)
      }: found shape [${shape}]`,
      this.file,
    );
  }

  #expectChannels(node: GraphNode, { name, shape }: CheckpointTensor, channels: number): void {
    const isFirst = this.#parts.length === 0;
    const { channels: expected } = this.#place;
    if (isFirst ? channels === 1 || channels === 3 : channels === expected) return;
    const [wanted, as] = isFirst ? ["1 or 3", "conv1_1"] : [expected, describeNode(node)];
    throw unsupported(
      `Tensor ${name} of ${this.file} must take ${wanted} channels, as ${as}: found shape [${shape}]`,
      this.file,
    );
  }

  /** Refuses a node if something is wrong with it. */
  #check(node: GraphNode, problem: string | false | undefined): void {
    if (problem) throw this.#refuse(node, problem);
  }

  #refuse(node: GraphNode, because: string): CheckpointFormatError {
    return unsupported(`${describeNode(node)} of ${this.file} ${because}`, this.file);
  }
}
