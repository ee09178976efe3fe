/** What comes out of a fit: a model file, and how often it is right. */

import { type QuantizedFilter, quantizeFilter } from "../convert/quantize/channels.ts";
import type { SkippedSample } from "../input/skipped_samples.ts";
import { MemoryFile, writeWhole } from "../io/atomic_file.ts";
import { layersOf } from "../model/architecture.ts";
import type { ModelDescription } from "../model/document.ts";
import type { Model } from "../model/model.ts";
import { ModelWriter } from "../model/writer.ts";
import type { Calibration } from "../output/calibration.ts";
import type { EpochMetrics } from "../progress.ts";
import type { Assessment } from "./assess.ts";
import type { DenseLayer } from "./dense_layer.ts";

/** What a fit made. */
export interface Fitted {
  /** Bytes of the model file. */
  readonly size: number;
  /** The new labels. */
  readonly labels: readonly string[];
  /** Part of the pictures that is right, 0…1, of those that what judged them had not learned from. */
  readonly accuracy: number;
  /** What the model is worth on them, and what is odd about the pictures. */
  readonly assessment: Assessment;
  /**
   * What the model's scores are corrected by, and from which score on a first prediction is sure, chosen on
   * the same pictures; those of a class `"none of these"` are what it should not be sure of.
   */
  readonly calibration: Calibration;
  /** Pictures that could not be read, and were left out. */
  readonly skipped: readonly SkippedSample[];
  /** How it was learned, in words, as the model's document says it. */
  readonly training: string;
  /** SHA-256 of all pictures' pixels and classes. */
  readonly dataSha256: string;
  /** What each epoch gave, where it was learned in epochs. */
  readonly history?: readonly EpochMetrics[] | undefined;
  /** The epoch whose weights were kept, from 1 on; 0 if none was better than those that it began with. */
  readonly bestEpoch?: number | undefined;
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

/** What a model's document says of its training. */
export interface Trained {
  /** How it was learned, in words. */
  readonly training: string;
  /** SHA-256 of all pictures' pixels and classes. */
  readonly dataSha256: string;
}

/** What is known of a fit before its model is written. */
export interface Draft {
  readonly description: ModelDescription & { readonly provenance: Trained };
  /** The model that gives all layers that were not trained. */
  readonly base: Model;
  readonly assessment: Assessment;
  readonly calibration: Calibration;
  readonly skipped: readonly SkippedSample[];
  readonly history?: readonly EpochMetrics[] | undefined;
  readonly bestEpoch?: number | undefined;
}

/** Writes a model to `out`. */
export async function finishFit(
  { description, base, assessment, calibration, skipped, history, bestEpoch }: Draft,
  { out }: OutOptions,
): Promise<Fitted | FittedInMemory> {
  const { labels, provenance: { training, dataSha256 } } = description;
  const bytes = await writeModel({ ...description, ...calibration }, base);
  const fitted = {
    ...{ size: bytes.length, labels, accuracy: assessment.accuracy, assessment, calibration },
    ...{ skipped, training, dataSha256 },
    ...history === undefined ? {} : { history, bestEpoch },
  };
  if (out === undefined) return { ...fitted, bytes };
  await writeWhole(out, bytes);
  return fitted;
}

/** Writes a model file of layers of a model and of those that were trained, the last ones, in int8. */
export async function writeModel(
  description: ModelDescription,
  base: Model | undefined,
  trained: readonly DenseLayer[] = [],
): Promise<Uint8Array<ArrayBuffer>> {
  const file = new MemoryFile();
  const writer = new ModelWriter(file, description);
  const layers = layersOf(description.architecture);
  const frozen = layers.length - trained.length;
  if (base !== undefined) await copyLayers(writer, base);
  trained.forEach(({ weight, bias }, n) => {
    const { name } = layers[frozen + n]!;
    const { data, scale } = quantize(weight, bias.length);
    writer.setWeights(name, 0, data);
    writer.setParameters(name, scale, bias);
  });
  await writer.finish(description.provenance);
  return file.bytes;
}

async function copyLayers(writer: ModelWriter, base: Model): Promise<void> {
  for (const { name, scale, bias } of base.parameters) writer.setParameters(name, scale, bias);
  for await (const { layer, first, data } of base.weights()) writer.setWeights(layer, first, data);
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
