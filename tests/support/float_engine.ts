/**
 * An Engine that multiplies in float64, one output at a time: what the layers of a VGG are by
 * definition, without any quantization of activations. Slow and obvious.
 *
 * @module
 */

import type { Activations, Batch, Engine } from "../../lib/engine/engine.ts";
import type { Model } from "../../lib/model/model.ts";
import { type Layer, layerInfos, layersOf } from "../../lib/model/architecture.ts";
import type { Weights } from "./reference.ts";

/** `[height, width, channels]` */
export interface FeatureMap {
  readonly data: Float64Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Makes an Engine of a Model and its weights. */
export function floatEngine(model: Model, weights: Weights): Engine {
  return {
    backend: "wasm",
    precision: "float",
    threads: 1,
    bytesResident: 0,
    device: "float64",
    run: (batch, options) => Promise.resolve(runBatch(model, weights, batch, [options?.layer])[0]!),
    runLayers: (batch, layers) => Promise.resolve(runBatch(model, weights, batch, layers)),
    profile: () => Promise.reject(new Error("Nobody times this")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The named layers of each image, all of one run; without a name the last one. */
function runBatch(
  model: Model,
  weights: Weights,
  batch: Batch,
  wanted: readonly (string | undefined)[],
): Activations[] {
  const { architecture } = model;
  const last = layerInfos(architecture).findLast(({ name }) => name !== "prob")!.name;
  const names = wanted.map((name) => name ?? last);
  const size = batch.data.length / batch.count;
  const images = Array.from({ length: batch.count }, (_, n) => {
    const image = normalized(model, batch.data.subarray(n * size, (n + 1) * size), batch);
    const maps = new Map<string, FeatureMap>();
    for (const [name, map] of layersFrom(model, weights, layersOf(architecture), image)) {
      maps.set(name, map);
      if (names.every((name) => maps.has(name))) break;
    }
    return maps;
  });
  return names.map((name) => {
    const maps = images.map((image) => image.get(name)!);
    const [{ height, width, channels, data: { length } }] = maps;
    const data = new Float32Array(maps.length * length);
    maps.forEach((map, n) => data.set(map.data, n * length));
    const scale = new Float64Array(maps.length).fill(1);
    return { layer: name, shape: [maps.length, height, width, channels], data, scale };
  });
}

/**
 * The logits of one image, from what a convolution gave for it, before its max-pool if it has one.
 */
export function logitsFrom(
  model: Model,
  weights: Weights,
  layer: string,
  map: FeatureMap,
): Float64Array {
  const layers = layersOf(model.architecture);
  const at = layers.findIndex(({ name }) => name === layer);
  const pooled = [...poolsAfter(model, layers[at], map)].at(-1)?.[1] ?? map;
  const rest = [...layersFrom(model, weights, layers.slice(at + 1), pooled)];
  return (rest.at(-1)?.[1] ?? pooled).data;
}

/** Every layer in turn, and its pool and the average, under their names. */
function* layersFrom(
  model: Model,
  weights: Weights,
  layers: readonly Layer[],
  x: FeatureMap,
): Generator<[name: string, map: FeatureMap]> {
  for (const layer of layers) {
    x = convolve(layer, model, weights.get(layer.name)!, x);
    yield [layer.name, x];
    for (const [name, map] of poolsAfter(model, layer, x)) {
      x = map;
      yield [name, x];
    }
  }
}

/** What follows a layer before the next. */
function* poolsAfter(
  { architecture: { pooling } }: Model,
  { pool }: Layer,
  x: FeatureMap,
): Generator<[name: string, map: FeatureMap]> {
  if (pool === undefined) return;
  const pooled = maxPool(x);
  yield [pool, pooled];
  if (pool === "pool5" && pooling === "average") yield ["average", average(pooled)];
}

function normalized(model: Model, image: Uint8Array, { height, width }: Batch): FeatureMap {
  const { scale, mean, std } = model.preprocessing;
  const channels = mean.length;
  const data = Float64Array.from(
    image,
    (byte, i) => (byte * scale - mean[i % channels]) / std[i % channels],
  );
  return { data, height, width, channels };
}

function convolve(
  layer: Layer,
  model: Model,
  filter: Int8Array,
  x: FeatureMap,
): FeatureMap {
  const { filterSize: [kh, kw], padding, inChannels, outChannels, relu } = layer;
  const { scale, bias } = model.parameters.find(({ name }) => name === layer.name)!;
  const height = x.height + 2 * padding - kh + 1, width = x.width + 2 * padding - kw + 1;
  const data = new Float64Array(height * width * outChannels);
  for (let i = 0; i < data.length; i++) {
    const o = i % outChannels, ox = Math.floor(i / outChannels) % width;
    const oy = Math.floor(i / outChannels / width);
    let sum = 0;
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++) {
        const y = oy + ky - padding, xx = ox + kx - padding;
        if (y < 0 || y >= x.height || xx < 0 || xx >= x.width) continue;
        const a = (y * x.width + xx) * inChannels, w = ((o * kh + ky) * kw + kx) * inChannels;
        for (let c = 0; c < inChannels; c++) sum += x.data[a + c] * filter[w + c];
      }
    }
    const value = sum * scale[o] + bias[o];
    data[i] = relu ? Math.max(value, 0) : value;
  }
  return { data, height, width, channels: outChannels };
}

function maxPool(x: FeatureMap): FeatureMap {
  const height = x.height >> 1, width = x.width >> 1, { channels } = x;
  const at = (y: number, xx: number, c: number): number =>
    x.data[(y * x.width + xx) * channels + c];
  const data = Float64Array.from({ length: height * width * channels }, (_, i) => {
    const c = i % channels, px = Math.floor(i / channels) % width * 2;
    const py = Math.floor(i / channels / width) * 2;
    return Math.max(at(py, px, c), at(py, px + 1, c), at(py + 1, px, c), at(py + 1, px + 1, c));
  });
  return { data, height, width, channels };
}

function average({ data: map, height, width, channels }: FeatureMap): FeatureMap {
  const data = new Float64Array(channels);
  map.forEach((value, i) => data[i % channels] += value / (height * width));
  return { data, height: 1, width: 1, channels };
}
