/**
 * The description of a model that Keras, and TensorFlow.js after it, keep with the weights: Functional,
 * Sequential, and models within models, as Keras 1, 2 and 3 write them.
 *
 * All become one form: layers, each with the calls that give its values. A Sequential model is one whose
 * layers are called one after the other.
 */

import { isRecord } from "../../../model/json.ts";

/** An object of JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** A value that a call of a layer gives. */
export class Reference {
  constructor(readonly layer: string, readonly call: number, readonly tensor: number) {}

  get key(): string {
    return `${this.layer}/${this.call}/${this.tensor}`;
  }
}

/** One use of a layer: its arguments are constants, {@linkcode Reference}s, and lists of both. */
export interface Call {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
}

/** A layer, or an operation of Keras 3 or TensorFlow 2 that a model uses like one. */
export interface KerasLayer {
  /** As the file has it. */
  readonly className: string;
  readonly name: string;
  /** In the words of Keras 2 and 3. */
  readonly config: Json;
  readonly calls: readonly Call[];
  /** What is in it, if it is a model itself. */
  readonly model?: KerasModel | undefined;
}

/** A model. */
export interface KerasModel {
  readonly layers: readonly KerasLayer[];
  readonly inputs: readonly Reference[];
  readonly outputs: readonly Reference[];
}

/** How deep models are looked for in models. */
const MAX_DEPTH = 12;
/** More layers than any network that could be a VGG has. */
const MAX_LAYERS = 4000;
/** How deep constants are lists of lists. */
const MAX_LIST_DEPTH = 8;

/** A description that is none. */
export class DescriptionError extends Error {}

/**
 * Reads a description.
 *
 * @param model `{ class_name, config }`.
 * @returns `undefined` if it lists no layers, as that of a model that is a class of its own.
 * @throws {DescriptionError} If a layer has no name, or there are too many.
 */
export function readDescription(model: unknown): KerasModel | undefined {
  return readModel(model, { left: MAX_LAYERS }, 0);
}

function readModel(
  model: unknown,
  count: { left: number },
  depth: number,
): KerasModel | undefined {
  if (!isRecord(model)) return undefined;
  const { config } = model;
  // Before Keras 2.2.3 a sequential model was the list itself.
  const layers = Array.isArray(config) ? config : isRecord(config) ? config.layers : undefined;
  if (!Array.isArray(layers)) return undefined;
  count.left -= layers.length;
  if (count.left < 0 || depth > MAX_DEPTH) {
    throw new DescriptionError("it has too many layers, or models within models");
  }
  const read = layers.map((layer) => readLayer(layer, count, depth));
  const functional = isRecord(config) ? config : {};
  return functional.output_layers === undefined ? chain(read, functional, layers) : withCalls({
    layers: read,
    inputs: references(functional.input_layers),
    outputs: references(functional.output_layers),
  });
}

function readLayer(layer: unknown, count: { left: number }, depth: number): KerasLayer {
  if (!isRecord(layer) || typeof layer.class_name !== "string") {
    throw new DescriptionError("a layer has no class");
  }
  const config = isRecord(layer.config) ? layer.config : {};
  const name = layer.name ?? config.name;
  if (typeof name !== "string") {
    throw new DescriptionError(`a layer of class ${layer.class_name} has no name`);
  }
  const nodes = Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes : [];
  return {
    className: layer.class_name,
    name,
    config: inNewerWords(config),
    calls: nodes.map(readCall),
    model: readModel(layer, count, depth + 1),
  };
}

/** A sequential model: each layer takes what the one before it gives. */
function chain(layers: KerasLayer[], config: Json, written: readonly unknown[]): KerasModel {
  const [first] = layers;
  if (first !== undefined && first.className !== "InputLayer") {
    const build = isRecord(written[0]) ? written[0].build_config : undefined;
    const shape = inputShape(first) ?? config.build_input_shape ??
      (isRecord(build) ? build.input_shape : undefined);
    layers = [
      { className: "InputLayer", name: "(input)", config: { batch_shape: shape }, calls: [] },
      ...layers,
    ];
  }
  const places = layers.map(({ name }) => new Reference(name, 0, 0));
  return {
    layers: layers.map((layer, index) => ({
      ...layer,
      calls: index === 0 ? [] : [{ args: [places[index - 1]], kwargs: {} }],
    })),
    inputs: places.slice(0, 1),
    outputs: places.slice(-1),
  };
}

/** The shape that a layer says it takes, the images' axis included. */
export function inputShape({ config, model }: KerasLayer): unknown {
  const own = config.batch_shape ?? config.batch_input_shape;
  if (own !== undefined || model === undefined) return own;
  const input = model.layers.find(({ name }) => name === model.inputs[0]?.layer);
  return input?.config.batch_shape ?? input?.config.batch_input_shape;
}

/** Keras 2 counts the calls of a model within a model from 1: its first one makes the model itself. */
function withCalls(model: KerasModel): KerasModel {
  const last = new Map<string, number>();
  const see = ({ layer, call }: Reference): void => {
    last.set(layer, Math.max(last.get(layer) ?? 0, call));
  };
  for (const { calls } of model.layers) {
    for (const call of calls) referencesIn(call).forEach(see);
  }
  model.outputs.forEach(see);
  const skipped = new Map(
    model.layers.map(({ name, calls }) => [
      name,
      Math.max(0, (last.get(name) ?? 0) - Math.max(1, calls.length) + 1),
    ]),
  );
  const moved = (value: unknown): unknown => {
    if (value instanceof Reference) {
      const call = value.call - (skipped.get(value.layer) ?? 0);
      return new Reference(value.layer, Math.max(0, call), value.tensor);
    }
    return Array.isArray(value) ? value.map(moved) : value;
  };
  return {
    ...model,
    layers: model.layers.map((layer) => ({
      ...layer,
      calls: layer.calls.map(({ args, kwargs }) => ({
        args: args.map(moved),
        kwargs: mapValues(kwargs, moved),
      })),
    })),
    outputs: model.outputs.map((output) => moved(output) as Reference),
  };
}

/** All values that a call takes, in order. */
export function referencesIn({ args, kwargs }: Call): Reference[] {
  const found = (value: unknown): Reference[] =>
    value instanceof Reference ? [value] : Array.isArray(value) ? value.flatMap(found) : [];
  return [...args, ...Object.values(kwargs)].flatMap(found);
}

/** Keras 3: `{ args, kwargs }`. Before: a list of `[layer, call, tensor, kwargs]`, or one of them. */
function readCall(node: unknown): Call {
  if (isRecord(node)) {
    const { args } = node;
    // Keras 3 predicts as if nothing had been called for training, whatever is written.
    const { training: _, ...kwargs } = isRecord(node.kwargs) ? node.kwargs : {};
    return {
      args: Array.isArray(args) ? args.map((value) => argument(value)) : [],
      kwargs: mapValues(kwargs, (value) => argument(value)),
    };
  }
  if (!Array.isArray(node)) return { args: [], kwargs: {} };
  const isOne = typeof node[0] === "string";
  const taken: unknown[] = isOne ? [node] : node;
  const first = taken[0];
  const kwargs = Array.isArray(first) && isRecord(first[3]) ? first[3] : {};
  return {
    args: taken.map((value) =>
      Array.isArray(value) && value[0] === "_CONSTANT_VALUE" ? value[2] : argument(value)
    ),
    kwargs: mapValues(kwargs, (value) => argument(value)),
  };
}

/** A constant as it is, and a value as a {@linkcode Reference}; `undefined` of lists that go too deep. */
function argument(value: unknown, depth = 0): unknown {
  if (Array.isArray(value)) {
    const [layer, call, tensor] = value;
    if (typeof layer === "string" && Number.isInteger(call)) {
      return new Reference(layer, call, Number.isInteger(tensor) ? tensor : 0);
    }
    return depth < MAX_LIST_DEPTH ? value.map((item) => argument(item, depth + 1)) : undefined;
  }
  return isRecord(value) && value.class_name === "__keras_tensor__" && isRecord(value.config)
    ? argument(value.config.keras_history, depth + 1)
    : value;
}

/** Places such as `["dense", 0, 0]`, or a list or an object of them. */
function references(value: unknown): Reference[] {
  const place = argument(value);
  if (place instanceof Reference) return [place];
  const parts = Array.isArray(place) ? place : isRecord(place) ? Object.values(place) : [];
  return parts.map((part) => part instanceof Reference ? part : argument(part))
    .filter((part) => part instanceof Reference);
}

function mapValues(object: Json, change: (value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

/** Words of Keras 1, and what they became. */
const OLD_WORDS: Readonly<Record<string, string>> = {
  nb_filter: "filters",
  subsample: "strides",
  border_mode: "padding",
  bias: "use_bias",
  output_dim: "units",
};

function inNewerWords(config: Json): Json {
  const { nb_row, nb_col, dim_ordering } = config;
  if (
    dim_ordering === undefined &&
    !Object.keys(OLD_WORDS).some((word) => Object.hasOwn(config, word))
  ) {
    return config;
  }
  return {
    ...Object.fromEntries(
      Object.entries(config).map((
        [key, value],
      ) => [Object.hasOwn(OLD_WORDS, key) ? OLD_WORDS[key] : key, value]),
    ),
    ...nb_row !== undefined && { kernel_size: [nb_row, nb_col] },
    ...dim_ordering !== undefined &&
      { data_format: dim_ordering === "th" ? "channels_first" : "channels_last" },
  };
}
