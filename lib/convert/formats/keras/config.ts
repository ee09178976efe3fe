/**
 * Reads the description of a network that Keras, and TensorFlow.js after it, keep beside the weights.
 */

import { isRecord } from "../../../model/json.ts";
import type { GraphLayer } from "../checkpoint.ts";

/** What a description says that the weights do not. */
export interface KerasDescription {
  /** The convolutions and pools in order; `undefined` if it does not list the layers. */
  readonly graph?: readonly GraphLayer[];
  /** What batch normalization adds to the variance; `undefined` if there is none. */
  readonly epsilon?: number;
}

/** Layers that matter here; the others of a VGG change nothing about where they are. */
const KINDS: Readonly<Record<string, GraphLayer["kind"]>> = {
  Conv2D: "convolution",
  Convolution2D: "convolution",
  MaxPooling2D: "max pool",
  AveragePooling2D: "average pool",
  GlobalAveragePooling2D: "global average pool",
  GlobalMaxPooling2D: "global max pool",
};

/** How deep models are looked for in models. */
const MAX_DEPTH = 8;

type Json = Readonly<Record<string, unknown>>;

/** Parses a description; whatever is not one says nothing. */
export function parseKerasDescription(text: string): KerasDescription {
  try {
    return readKerasDescription(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** @param model `{ class_name, config: { layers: [{ class_name, config }] } }` */
export function readKerasDescription(model: unknown): KerasDescription {
  const layers = layersIn(model, 0);
  if (layers.length === 0) return {};
  const graph = layers.flatMap(({ kind, config }) => {
    const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
    return known === undefined ? [] : [graphLayer(known, kind, config)];
  });
  const norm = layers.find(({ kind }) => kind === "BatchNormalization");
  const epsilon = toNumber(norm?.config.epsilon);
  return {
    // A list without a convolution is not that of the whole network.
    graph: graph.some(({ kind }) => kind === "convolution") ? graph : undefined,
    epsilon: epsilon > 0 && epsilon < 1 ? epsilon : undefined,
  };
}

/** All layers in order, those of models within the model too. */
function layersIn(model: unknown, depth: number): { kind: string; config: Json }[] {
  if (!isRecord(model) || depth > MAX_DEPTH) return [];
  const { config } = model;
  // Before Keras 2.2.3 a sequential model was the list itself.
  const layers = Array.isArray(config) ? config : isRecord(config) ? config.layers : undefined;
  if (Array.isArray(layers)) return layers.flatMap((layer) => layersIn(layer, depth + 1));
  return [{ kind: toText(model.class_name), config: isRecord(config) ? config : {} }];
}

function graphLayer(kind: GraphLayer["kind"], className: string, config: Json): GraphLayer {
  const window = pair(config.kernel_size ?? config.pool_size ?? [config.nb_row, config.nb_col]);
  // A pool's stride is its size by default, a convolution's is 1.
  const own = config.strides ?? config.subsample ?? (kind === "convolution" ? [1, 1] : window);
  return { name: toText(config.name) || className, kind, window, stride: pair(own) };
}

function pair(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value, value]).map(toNumber);
}

function toNumber(value: unknown): number {
  return typeof value === "number" ? value : NaN;
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
