/** What comes out of a fit: the trained layers as an int8 model file, and how often it is right. */

import { type QuantizedFilter, quantizeFilter } from "../convert/quantize/channels.ts";
import { createEngine } from "../engine/create.ts";
import type { BackendOptions } from "../engine/engine.ts";
import type { Dataset, IndexedSample } from "../input/dataset.ts";
import { MemoryFile, writeWhole } from "../io/atomic_file.ts";
import { type Architecture, layersOf } from "../model/architecture.ts";
import { openModel } from "../model/file.ts";
import { isNoneOfThese } from "../model/classes.ts";
import type { Model } from "../model/model.ts";
import type { ModelDescription } from "../model/document.ts";
import { ModelWriter } from "../model/writer.ts";
import { calibrateLogits, type Calibration } from "../output/calibration.ts";
import { computeFeatures } from "./features.ts";
import type { DenseLayer } from "./dense.ts";
import { type EpochMetrics, ProgressTeller } from "../progress.ts";
import type { Split } from "./split.ts";

/** What a fit made. */
export interface Fitted {
  /** Bytes of the model file. */
  readonly size: number;
  /** The new labels. */
  readonly labels: readonly string[];
  /** Positions of the pictures that were learned from, and that were not. */
  readonly split: Split;
  /** What each epoch gave. */
  readonly history: readonly EpochMetrics[];
  /** The epoch whose weights were kept, from 1 on. */
  readonly bestEpoch: number;
  /** Of the finished int8 model on the validation pictures, 0…1. */
  readonly accuracy: number;
  /**
   * What the model's scores are corrected by, and from which score on a first prediction is sure, chosen on
   * the validation pictures; those of a class `"none of these"` are what it should not be sure of.
   */
  readonly calibration: Calibration;
  /** SHA-256 of all pictures' pixels and classes. */
  readonly dataSha256: string;
}

/** What a fit made, and the model file that it did not write. */
export interface FittedInMemory extends Fitted {
  /** The model file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Where a fit's model goes. */
export interface OutOptions {
  /** The file to write; without it the model's bytes are returned. */
  readonly out?: string | undefined;
}

/** What training gave. */
export interface Trained {
  /** The layers that were trained, the last ones of the architecture. */
  readonly layers: readonly DenseLayer[];
  readonly history: readonly EpochMetrics[];
  readonly bestEpoch: number;
}

/**
 * Makes a model of trained layers, classifies the validation pictures with it, and writes it to `out`.
 *
 * @param base The model that gives all layers before them.
 */
export async function finishFit(
  { samples, labels }: Dataset,
  split: Split,
  description: ModelDescription & { readonly provenance: { readonly dataSha256: string } },
  { layers, history, bestEpoch }: Trained,
  options: BackendOptions & OutOptions,
  base?: Model,
): Promise<Fitted | FittedInMemory> {
  const draft = await openModel(await writeModel(description, layers, base));
  const judged = await judge(draft, split.validation.map((n) => samples[n]!), options);
  const none = labels.findIndex(isNoneOfThese);
  const calibration = calibrateLogits(judged, none < 0 ? {} : { none });
  const bytes = await writeModel({ ...description, ...calibration }, [], draft);
  const right = judged.filter(({ logits, label }) => logits.indexOf(Math.max(...logits)) === label);
  const accuracy = right.length / judged.length;
  const { dataSha256 } = description.provenance;
  const { out } = options, size = bytes.length;
  const fitted = { size, labels, split, history, bestEpoch, accuracy, calibration, dataSha256 };
  if (out === undefined) return { ...fitted, bytes };
  await writeWhole(out, bytes);
  return fitted;
}

/** Writes a model file. The trained weights are `[O, filterHeight, filterWidth, I]`. */
async function writeModel(
  description: ModelDescription,
  trained: readonly DenseLayer[],
  base?: Model,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = new MemoryFile();
  const writer = new ModelWriter(file, description);
  const layers = layersOf(description.architecture);
  const frozen = layers.length - trained.length;
  if (base !== undefined) await copyLayers(writer, base, description.architecture, frozen);
  trained.forEach(({ weight, bias }, n) => {
    const { name } = layers[frozen + n]!;
    const { data, scale } = quantize(weight, bias.length);
    writer.setWeights(name, 0, data);
    writer.setParameters(name, scale, bias);
  });
  await writer.finish(description.provenance);
  return file.bytes;
}

/** Copies the first `count` layers; a dense one may have another name in the new model. */
async function copyLayers(
  writer: ModelWriter,
  base: Model,
  architecture: Architecture,
  count: number,
): Promise<void> {
  const layers = layersOf(architecture);
  const frozen = layersOf(base.architecture).slice(0, count);
  const names = new Map(frozen.map(({ name }, i) => [name, layers[i]!.name]));
  for (const { name, scale, bias } of base.parameters) {
    const copy = names.get(name);
    if (copy !== undefined) writer.setParameters(copy, scale, bias);
  }
  for await (const { layer, first, data } of base.weights()) {
    const copy = names.get(layer);
    if (copy !== undefined) writer.setWeights(copy, first, data);
  }
}

/** Int8 per output channel. */
function quantize(
  weight: Float32Array,
  channels: number,
): { data: Int8Array; scale: Float32Array } {
  const inner = weight.length / channels;
  const data = new Int8Array(weight.length), scale = new Float32Array(channels);
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  for (let o = 0; o < channels; o++) {
    const row = weight.subarray(o * inner, (o + 1) * inner);
    quantizeFilter(row, data.subarray(o * inner, (o + 1) * inner), found);
    scale[o] = found.scale;
  }
  return { data, scale };
}

/** What a model file says about pictures whose classes are known. */
async function judge(
  model: Model,
  samples: readonly IndexedSample[],
  options: BackendOptions,
): Promise<{ logits: Float32Array; label: number }[]> {
  await using engine = await createEngine(model, options);
  const classes = model.labels.length, once = { flip: false, crops: 0 };
  const last = { layer: layersOf(model.architecture).at(-1)!.name, length: classes };
  const { signal } = options;
  const about = { stage: "evaluate", unit: "images" } as const;
  const progress = new ProgressTeller(options, about, samples.length);
  const { data } = await computeFeatures(engine, model, samples, last, once, { signal, progress });
  return samples.map(({ label }, n) => ({
    logits: data.subarray(n * classes, (n + 1) * classes),
    label,
  }));
}
