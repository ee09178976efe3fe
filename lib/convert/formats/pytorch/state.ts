/** Finds the state dictionary in what a program has saved, and whole modules that have one. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { Budget } from "../budget.ts";
import { PickledArray } from "../numpy/vocabulary.ts";
import { PickledObject, pickledText, type PickledValue } from "./pickled.ts";
import { NestedStorage, PickledTensor, Storage } from "./vocabulary.ts";

/** Dictionaries in dictionaries, or modules in modules; those below are not looked at. */
const MAX_DEPTH = 32;

/** What stands for a tensor; an object is one that an unknown function makes of tensors. */
export type Leaf = PickledTensor | PickledArray | PickledObject;

/** A dictionary of a file, or a module in it, that could be a network. */
export interface State {
  /** Where it is: keys and attributes, with dots. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, Leaf>;
  /** The module whose parameters they are, if it is one. */
  readonly module?: PickledObject | undefined;
}

/**
 * Chooses the state dictionary of the network.
 *
 * @param wanted Its path, where a user says which.
 * @throws {CheckpointFormatError} If there is none, or more than one and nobody says which.
 * @throws {RangeError} If there is none of that name.
 */
export function chooseState(
  root: PickledValue,
  file: string,
  wanted: string | undefined,
  budget: Budget,
): State {
  const states = findStates(root, budget);
  const named = states.find(({ path }) => path === wanted);
  if (named !== undefined) return named;
  const networks = states.filter(({ tensors }) => countFilters(tensors) > 0);
  const names = networks.slice(0, 8).map(({ path }) => path || "the whole file").join(", ");
  if (wanted !== undefined && !isPrefix(wanted, networks)) {
    throw new RangeError(
      `Expected a state dictionary "${wanted}" in ${file}: it has ${names || "none"}`,
    );
  }
  if (networks.length > 1) {
    throw new CheckpointFormatError(
      `${file} holds more than one network: ${names}. Say which with the option \`state\` (--state NAME)`,
      { code: "checkpoint-ambiguous", file },
    );
  }
  if (networks.length === 1) return withHead(networks[0]!, states);
  const largest = states.reduce<State | undefined>(
    (best, state) => state.tensors.size > (best?.tensors.size ?? 0) ? state : best,
    undefined,
  );
  if (largest !== undefined) return largest;
  const isList = Array.isArray(root) && root.some(isLeaf);
  throw new CheckpointFormatError(
    `Expected a dictionary of tensors in ${file}, as state_dict() gives: found ${
      isList ? "a list of them, whose names are missing" : "none"
    }`,
    { code: "checkpoint-unsupported", file },
  );
}

/** Whether a name is that of a network inside the only state dictionary, whose tensors it precedes. */
function isPrefix(name: string, networks: readonly State[]): boolean {
  const [only, ...others] = networks;
  return only !== undefined && others.length === 0 &&
    [...only.tensors.keys()].some((key) => key.startsWith(`${name}.`));
}

/** All states, in the order of their depth. */
function findStates(root: PickledValue, budget: Budget): State[] {
  const found: State[] = [];
  const seen = new Set<PickledValue>([root]);
  const queue = [{ node: root, path: "", depth: 0 }];
  // What is added on the way is visited, too.
  for (const { node, path, depth } of queue) {
    const module = moduleOf(node);
    const tensors = module ? tensorsOfModule(module, budget) : tensorsOfDictionary(node, budget);
    if (tensors.size > 0) found.push({ path, tensors, module });
    if (module !== undefined || depth === MAX_DEPTH) continue;
    for (const [key, child] of childrenOf(node)) {
      budget.visit();
      if (typeof child !== "object" || child === null || isLeaf(child) || seen.has(child)) continue;
      seen.add(child);
      queue.push({ node: child, path: path === "" ? key : `${path}.${key}`, depth: depth + 1 });
    }
  }
  return joinLayers(found);
}

/** What a value holds. An optimizer's averages have the shapes of weights, and are left out. */
function* childrenOf(node: PickledValue): Generator<[string, PickledValue]> {
  if (node instanceof Map) {
    if (node.has("param_groups") || node.has("hypers")) return;
    for (const [key, value] of node) yield [pickledText(key), value];
  } else if (Array.isArray(node)) {
    for (let i = 0; i < node.length; i++) yield [String(i), node[i]];
  } else if (node instanceof PickledObject) {
    const { args, items, entries, state } = node;
    const isPlain = state instanceof Map || Array.isArray(state);
    for (const part of [args, items, entries, isPlain ? state : [state]]) yield* childrenOf(part);
  }
}

/** Tensors that are the values of a dictionary, and those of its layers that are lists of two. */
function tensorsOfDictionary(node: PickledValue, budget: Budget): Map<string, Leaf> {
  const tensors = new Map<string, Leaf>();
  for (const [key, value] of entriesOf(node)) {
    budget.visit();
    if (isLeaf(value)) tensors.set(pickledText(key), value);
    else for (const [name, leaf] of partsOf(pickledText(key), value)) tensors.set(name, leaf);
  }
  return tensors;
}

function entriesOf(node: PickledValue): Iterable<readonly [PickledValue, PickledValue]> {
  if (node instanceof Map) return node;
  if (node instanceof PickledObject) return node.entries;
  const isPairs = Array.isArray(node) && node.length > 0 &&
    node.every((pair) =>
      Array.isArray(pair) && pair.length === 2 && isText(pair[0]) && isLeaf(pair[1])
    );
  return isPairs ? node as [PickledValue, PickledValue][] : [];
}

/** A name and its tensor, a quantized layer's weight and bias, or weights and biases in a list. */
function partsOf(key: string, value: PickledValue): [string, Leaf][] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 2) return [];
  const [weight, bias] = value;
  if (isText(weight) && isLeaf(bias)) return [[key, bias]];
  if (!isLeaf(weight) || !(bias === undefined || bias === null || isLeaf(bias))) return [];
  const packed = /^(.*?)_packed_params(\._packed_params)?$/.exec(key);
  const [first, second] = packed ? ["weight", "bias"] : ["weights", "biases"];
  const prefix = packed ? packed[1] : `${key}.`;
  return [
    [`${prefix}${first}`, weight],
    ...(isLeaf(bias) ? [[`${prefix}${second}`, bias] satisfies [string, Leaf]] : []),
  ];
}

/** A module of `torch.nn`, derived from one, or of a TorchScript archive. */
function moduleOf(node: PickledValue): PickledObject | undefined {
  if (!(node instanceof PickledObject)) return undefined;
  return node.attribute("_modules") instanceof Map || isScripted(node) ? node : undefined;
}

/** Of a TorchScript archive. */
export function isScripted(object: PickledObject): boolean {
  return object.name.startsWith("__torch__.") && object.attributes !== undefined;
}

/** The names and modules directly below a module. */
export function submodulesOf(module: PickledObject): [string, PickledObject][] {
  const modules = isScripted(module) ? module.attributes : module.attribute("_modules");
  return [...modules instanceof Map ? modules : []].flatMap(([name, child]) =>
    child instanceof PickledObject && moduleOf(child) ? [[pickledText(name), child]] : []
  );
}

/** What its `state_dict()` would give. */
export function tensorsOfModule(root: PickledObject, budget: Budget): Map<string, Leaf> {
  const tensors = new Map<string, Leaf>();
  const above = new Set<PickledObject>();
  const visit = (module: PickledObject, prefix: string): void => {
    budget.visit();
    if (above.has(module) || above.size === MAX_DEPTH) return;
    above.add(module);
    const own = isScripted(module)
      ? [module.attributes]
      : [module.attribute("_parameters"), module.attribute("_buffers")];
    for (const part of own) {
      for (const [name, leaf] of tensorsOfDictionary(part ?? null, budget)) {
        tensors.set(prefix + name, leaf);
      }
    }
    for (const [name, child] of submodulesOf(module)) visit(child, `${prefix}${name}.`);
    above.delete(module);
  };
  visit(root, "");
  return tensors;
}

function isText(value: PickledValue): boolean {
  return typeof value === "string" || pickledText(value) !== "(no text)" && value !== null;
}

function isLeaf(value: PickledValue): value is Leaf {
  if (value instanceof PickledTensor || value instanceof PickledArray) return true;
  return value instanceof PickledObject && isMadeOfTensors(value.args, 1);
}

function isMadeOfTensors(values: readonly PickledValue[], depth: number): boolean {
  return values.slice(0, 8).some((value) =>
    value instanceof Storage || value instanceof NestedStorage || value instanceof PickledTensor ||
    (depth > 0 && Array.isArray(value) && isMadeOfTensors(value, depth - 1))
  );
}

function shapeOf(leaf: Leaf): readonly number[] {
  return leaf instanceof PickledObject ? [] : leaf.shape;
}

/** Filters, as against a mean for each channel that has four axes. */
function countFilters(tensors: ReadonlyMap<string, Leaf>): number {
  return [...tensors.values()].filter((leaf) => {
    const shape = shapeOf(leaf);
    return shape.length === 4 && shape.filter((size) => size > 1).length > 1;
  }).length;
}

/** Dictionaries that hold a layer each are one network together. */
function joinLayers(states: readonly State[]): State[] {
  const isLayer = ({ path, tensors, module }: State): boolean =>
    path !== "" && module === undefined && tensors.size <= 6 &&
    [...tensors.values()].filter((leaf) => shapeOf(leaf).length > 1).length === 1;
  const byParent = Map.groupBy(states.filter(isLayer), ({ path }) => parentOf(path));
  const joined = [...byParent].flatMap(([path, layers]) =>
    layers.length > 1 ? [{ path, layers }] : []
  );
  const taken = new Set(joined.flatMap(({ layers }) => layers));
  return [
    ...states.filter((state) => !taken.has(state)),
    ...joined.map(({ path, layers }) => join(path, layers)),
  ];
}

/** A network's dense layers may be in a dictionary of their own, beside that of its convolutions. */
function withHead(network: State, states: readonly State[]): State {
  const hasDense = [...network.tensors.values()].some((leaf) => shapeOf(leaf).length === 2);
  if (hasDense || network.path === "") return network;
  const parent = parentOf(network.path);
  const parts = states.filter(({ path }) => path !== "" && parentOf(path) === parent);
  return parts.length > 1 ? join(parent, parts) : network;
}

function join(path: string, parts: readonly State[]): State {
  const tensors = parts.flatMap((part) => {
    const name = path === "" ? part.path : part.path.slice(path.length + 1);
    return [...part.tensors].map(([key, leaf]): [string, Leaf] => [`${name}.${key}`, leaf]);
  });
  return { path, tensors: new Map(tensors) };
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf(".")));
}
