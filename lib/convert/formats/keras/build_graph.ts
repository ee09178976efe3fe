/** From a description and its weights to a graph. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { Graph, GraphNode, Layout, Operator } from "../graph.ts";
import {
  type Call,
  inputShape,
  type KerasLayer,
  type KerasModel,
  Reference,
  referencesIn,
} from "./description.ts";
import { makeLayer } from "./layers.ts";
import { channelTaken, makeOperation, typeOf } from "./operations.ts";
import { type Made, type Shape, type Taken, Untranslatable } from "./values.ts";
import type { FindWeights } from "./weights.ts";

/** Far more than a network that could be a VGG has; a model may be used many times in another. */
const MAX_NODES = 10_000;
/** Those that lead to nothing are looked at as well. */
const MAX_USES = 100_000;

/** A value of the graph. */
interface Value {
  readonly name: string;
  readonly shape: Shape;
  /** If it is one color of another value: which, of which. */
  readonly color?: { readonly of: Value; readonly index: number } | undefined;
}

/** A call of a layer; `found` of the values that it takes are there. */
interface Use {
  readonly layer: KerasLayer;
  readonly index: number;
  readonly call: Call;
  readonly takes: readonly string[];
  found: number;
}

/**
 * Makes the graph of a model.
 *
 * @param file The checkpoint's name.
 * @throws {CheckpointFormatError} If the description refers to layers that are not there, or the file has no
 *   weights for one of them.
 */
export function buildGraph(model: KerasModel, findWeights: FindWeights, file: string): Graph {
  const builder = new Builder(findWeights, file, firstLayout(model));
  const outputs = builder.expand(model, "");
  return { nodes: builder.nodes, outputs: outputs.map(({ name }) => name) };
}

class Builder {
  readonly nodes: GraphNode[] = [];
  /** How often each name was wanted. */
  readonly #names = new Map<string, number>();
  #uses = 0;

  constructor(
    readonly findWeights: FindWeights,
    readonly file: string,
    /** That of the first layer that says it. */
    readonly layout: Layout,
  ) {}

  /**
   * Adds all nodes of a model.
   *
   * @param prefix What precedes the names of its layers.
   * @param taken What a model within a model is called with.
   */
  expand(model: KerasModel, prefix: string, taken?: readonly Value[]): readonly Value[] {
    const values = new Map<string, Value>();
    const inputs = model.inputs.map(({ layer }) => layer);
    const ready: Use[] = [];
    this.#countTo(MAX_USES, this.#uses += model.layers.length);
    for (const layer of model.layers) {
      if (layer.calls.length > 0) {
        for (const [index, call] of layer.calls.entries()) {
          const takes = referencesIn(call).map(({ key }) => key);
          ready.push({ layer, index, call, takes, found: 0 });
        }
      } else if (layer.className === "InputLayer") {
        const given = taken?.[inputs.indexOf(layer.name)];
        const key = new Reference(layer.name, 0, 0).key;
        values.set(key, given ?? this.#input(layer, prefix));
      }
    }
    this.#countTo(MAX_USES, this.#uses += ready.length);
    // Layers stand in their order as a rule; one that is used twice may take what comes later.
    const waiting = new Map<string, Use[]>();
    for (let use = ready[0], next = 1; use !== undefined; use = ready[next++]) {
      const { layer, index, call, takes } = use;
      while (use.found < takes.length && values.has(takes[use.found]!)) use.found++;
      const missing = takes[use.found];
      if (missing !== undefined) {
        const others = waiting.get(missing);
        if (others === undefined) waiting.set(missing, [use]);
        else others.push(use);
        continue;
      }
      const given = takes.map((key) => values.get(key)!);
      this.#call(layer, call, given, prefix).forEach((value, tensor) => {
        const { key } = new Reference(layer.name, index, tensor);
        values.set(key, value);
        for (const other of waiting.get(key) ?? []) ready.push(other);
        waiting.delete(key);
      });
    }
    return model.outputs.map((output) => {
      const value = values.get(output.key);
      if (value !== undefined) return value;
      throw new CheckpointFormatError(
        `The description in ${this.file} is damaged: nothing gives what ${prefix}${output.layer} should`,
        { file: this.file },
      );
    });
  }

  #countTo(most: number, count: number): void {
    if (count <= most) return;
    const message = `The description in ${this.file} has over ${most} uses of layers`;
    throw new CheckpointFormatError(message, { code: "budget", file: this.file });
  }

  #input(layer: KerasLayer, prefix: string): Value {
    const shape = inputShape(layer);
    const sizes = Array.isArray(shape)
      ? shape.slice(1).map((size) => Number.isInteger(size) && size > 0 ? size : undefined)
      : [];
    const isMap = sizes.length === 3;
    const layout = isMap || sizes.length === 0 ? this.#inputLayout(sizes) : undefined;
    const [channels, height, width] = layout === "NCHW" ? sizes : [sizes[2], sizes[0], sizes[1]];
    const operator: Operator = isMap
      ? { kind: "input", layout, height, width, channels }
      : { kind: "input", layout, height: undefined, width: undefined, channels: undefined };
    const size = height === undefined || width === undefined ? undefined : [height, width] as const;
    return this.#add(`${prefix}${layer.name}`, [], operator, {
      kind: sizes.length === 1 ? "vector" : layout,
      size: isMap ? size : undefined,
    });
  }

  /** An image has one or three channels, which tell where they are; else the layers do. */
  #inputLayout([first, , last]: readonly (number | undefined)[]): Layout {
    const isFirst = first === 1 || first === 3, isLast = last === 1 || last === 3;
    return isFirst === isLast ? this.layout : isFirst ? "NCHW" : "NHWC";
  }

  /** What a layer makes of the values that it is called with. */
  #call(layer: KerasLayer, call: Call, takes: readonly Value[], prefix: string): readonly Value[] {
    const name = `${prefix}${layer.name}`;
    const isTraining = call.kwargs.training === true;
    if (layer.model !== undefined && !isTraining) {
      return this.expand(layer.model, `${name}/`, takes);
    }
    const [first] = takes;
    const whole = layer.className === "Stack" ? reversal(layer, takes) : undefined;
    if (whole !== undefined) {
      return [this.#add(name, [whole], { kind: "reverseColors" }, whole.shape)];
    }
    try {
      if (isTraining) throw new Untranslatable("it is called with training=True");
      const made = takes.length === 1 ? this.#make(layer, call, first!) : undefined;
      if (made === undefined) throw new Untranslatable(reasonFor(layer, takes));
      return [this.#chain(name, first!, made)];
    } catch (error) {
      if (!(error instanceof Untranslatable)) throw error;
      const { type = typeOf(layer), message: because } = error;
      const value = this.#add(name, takes, { kind: "unsupported", type, because }, {
        kind: undefined,
      });
      const layout = first?.shape.kind;
      const index = layout === "NHWC" || layout === "NCHW"
        ? channelTaken(layer, call, layout)
        : undefined;
      return [index === undefined ? value : { ...value, color: { of: first!, index } }];
    }
  }

  #make(layer: KerasLayer, call: Call, { shape }: Value): Made | undefined {
    const weights = this.findWeights(layer);
    const taken: Taken = {
      layer,
      config: layer.config,
      shape,
      weight: (role) => {
        const weight = weights?.[role];
        if (weight !== undefined) return weight;
        throw new CheckpointFormatError(
          `The description in ${this.file} has the layer ${layer.name}, a ${layer.className}, whose ${role} is not among the weights`,
          { file: this.file },
        );
      },
    };
    return makeLayer(taken) ?? makeOperation(taken, call);
  }

  #chain(name: string, first: Value, { operators, shape }: Made): Value {
    let value: Value = first;
    for (const operator of operators) value = this.#add(name, [value], operator, shape);
    return { ...value, shape };
  }

  #add(name: string, takes: readonly Value[], operator: Operator, shape: Shape): Value {
    this.#countTo(MAX_NODES, this.nodes.length + 1);
    let count = (this.#names.get(name) ?? 0) + 1;
    let output = count === 1 ? name : `${name} (${count})`;
    while (this.#names.has(output)) output = `${name} (${++count})`;
    this.#names.set(name, count);
    if (output !== name) this.#names.set(output, 1);
    this.nodes.push({ name, inputs: takes.map(({ name }) => name), output, operator });
    return { name: output, shape };
  }
}

/** The value whose colors are stacked in the other order: `preprocess_input` writes it so. */
function reversal({ config }: KerasLayer, takes: readonly Value[]): Value | undefined {
  const whole = takes[0]?.color?.of;
  const last = takes.length - 1;
  const isReversed = takes.every(({ color }, index) =>
    color?.of === whole && color?.index === last - index
  );
  const axis = whole?.shape.kind === "NHWC" ? [3, -1] : [1, -3];
  return last === 2 && isReversed && axis.includes(config.axis as number) ? whole : undefined;
}

function reasonFor({ className }: KerasLayer, takes: readonly Value[]): string {
  if (className === "Lambda") return "it is Python code, which is not run";
  return takes.length > 1 ? `it takes ${takes.length} values` : "no layer of a VGG";
}

/** The order of axes of the first layer that says it. */
function firstLayout({ layers }: KerasModel): Layout {
  const said = layers.flatMap(function inside({ config, model }): unknown[] {
    return [config.data_format, ...(model?.layers ?? []).flatMap(inside)];
  }).find((format) => format === "channels_first" || format === "channels_last");
  return said === "channels_first" ? "NCHW" : "NHWC";
}
