/** A checkpoint in, a model file out. */

import type { Model, Preprocessing, Provenance } from "../model/model.ts";
import type { Architecture } from "../model/architecture.ts";
import { AtomicFile, type ByteSink, MemoryFile } from "../io/atomic_file.ts";
import type { SourceOptions } from "../io/byte_source.ts";
import { NO_HASH } from "../model/integrity.ts";
import { imagenetIds } from "../model/labels.ts";
import { ProgressTeller } from "../progress.ts";
import { checkOptions, CONVERT_OPTIONS } from "../options.ts";
import { checkPreprocessing } from "../model/document.ts";
import { ModelWriter } from "../model/writer.ts";
import { hashSource } from "../io/hash.ts";
import {
  type CheckpointTensor,
  type OldCheckpoint,
  readAll,
  sizeOf,
} from "./formats/checkpoint.ts";
import type { QuantizedFilter } from "./quantize/channels.ts";
import { type ConversionInput, type ConversionSource, openConversionSource } from "./source.ts";
import { type Match, matchArchitecture, type MatchedLayer } from "./network/match.ts";
import { openCheckpoint } from "./formats/open_checkpoint.ts";
import { preprocessingFor } from "./network/preprocessing.ts";
import { foldNorm, type LayerReport, quantizeWeights } from "./quantize/layer.ts";

/** Options of {@linkcode convert}. */
export interface ConvertOptions extends SourceOptions {
  /** The file to write; without it the model's bytes are returned. */
  readonly out?: string | undefined;
  /** The model's name. Default: the source's file name without its ending. */
  readonly id?: string | undefined;
  /** One per class. Default: `class 0`, `class 1`, …. */
  readonly labels?: readonly string[] | undefined;
  /** The WordNet ids of the labels, which then list a synset's words. Default: ImageNet's, for its labels. */
  readonly ids?: readonly string[] | undefined;
  /**
   * What images the weights are for. `"caffe"` also says that they take blue, green, red. Default:
   * what is usual for the format.
   */
  readonly preprocessing?: "torch" | "caffe" | Preprocessing | undefined;
  /** Height and width of the input, where the dense layers do not tell. */
  readonly inputSize?: number | undefined;
  /** Where the weights come from. Default: the source's name and hash. */
  readonly provenance?: Provenance | undefined;
}

/** What {@linkcode convert} did. */
export interface Conversion {
  /** The checkpoint's format, such as `"PyTorch"`. */
  readonly format: string;
  /** What the tensors turned out to be. */
  readonly architecture: Architecture;
  /** What the model file says about images. */
  readonly preprocessing: Preprocessing;
  /** What quantization did to each layer. */
  readonly layers: readonly LayerReport[];
  /** Bytes of the model file. */
  readonly size: number;
  /** SHA-256 of the checkpoint, in hex. */
  readonly sourceSha256: string;
}

/** What {@linkcode convert} did, and the model file that it did not write. */
export interface ConversionInMemory extends Conversion {
  /** The model file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Converts a checkpoint to a model file, `out`: tells the format and the architecture from the contents,
 * folds batch normalization, and quantizes to int8 with a scale for each output channel.
 *
 * @throws {CheckpointFormatError} If it is not a VGG, or is damaged.
 * @throws {RangeError} If an option is unknown or wrong, or the number of labels is not that of the classes.
 */
export function convert(
  input: ConversionInput,
  options: ConvertOptions & { readonly out: string },
): Promise<Conversion>;
/** Converts a checkpoint to the bytes of a model file. */
export function convert(
  input: ConversionInput,
  options?: ConvertOptions & { readonly out?: undefined },
): Promise<ConversionInMemory>;
/** Converts a checkpoint to a file, or to bytes if no `out` is given. */
export function convert(
  input: ConversionInput,
  options: ConvertOptions,
): Promise<Conversion | ConversionInMemory>;
export async function convert(
  input: ConversionInput,
  options: ConvertOptions = {},
): Promise<Conversion | ConversionInMemory> {
  checkOptions(CONVERT_OPTIONS, options);
  if (options.out !== undefined) return await convertToFile(input, options.out, options);
  const memory = new MemoryFile();
  return { ...await convertInto(memory, input, options), bytes: memory.bytes };
}

/**
 * Converts a checkpoint to a model file.
 *
 * @param sourceSha256 Its hash, if it was read to its end already: it is not read for it again.
 */
export async function convertToFile(
  input: ConversionInput,
  out: string,
  options: Omit<ConvertOptions, "out">,
  sourceSha256?: string,
): Promise<Conversion> {
  // First: that there is no such folder is better known before a download than after it.
  using file = await AtomicFile.create(out);
  const conversion = await convertInto(file, input, options, sourceSha256);
  await file.commit();
  return conversion;
}

async function convertInto(
  sink: ByteSink,
  input: ConversionInput,
  options: ConvertOptions,
  sourceSha256?: string,
): Promise<Conversion> {
  const source = await openConversionSource(input, options);
  try {
    return await convertSource(sink, source, options, sourceSha256);
  } catch (error) {
    // Whatever a reader makes of a read that was refused.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    source.bytes.close();
  }
}

async function convertSource(
  sink: ByteSink,
  { bytes, name: file, openSibling, budget }: ConversionSource,
  options: ConvertOptions,
  knownSha256: string | undefined,
): Promise<Conversion> {
  const checkpoint = await openCheckpoint(bytes, { openSibling, budget });
  try {
    if (!("inGraphOrder" in checkpoint)) throw new Error("no matcher yet");
    const match = matchArchitecture(checkpoint, file, options);
    budget.write(match.layers.reduce((sum, { weight }) => sum + sizeOf(weight.shape), 0));
    const preprocessing = choosePreprocessing(checkpoint, match, options);
    const source = baseName(file);
    const provenance: Provenance = { source, sourceSha256: NO_HASH, ...options.provenance };
    const writer = new ModelWriter(sink, {
      id: options.id ?? source.replace(/\.[^.]*$/, ""),
      architecture: match.architecture,
      preprocessing,
      ...chooseClasses(match.architecture, options),
      provenance,
    });
    const isBgr = (options.preprocessing ?? checkpoint.preprocessing) === "caffe" &&
      match.architecture.input.channels === 3;
    const { signal } = options;
    const about = { stage: "convert", unit: "weights", file } as const;
    const conversion = { isBgr, signal, progress: new ProgressTeller(options, about) };
    const layers = await convertLayers(checkpoint, match, writer, file, conversion);
    const sourceSha256 = knownSha256 ?? (await hashSource(bytes, ["sha256"], signal)).sha256;
    await writer.finish({ ...provenance, sourceSha256 });
    return {
      format: checkpoint.format,
      architecture: match.architecture,
      preprocessing,
      layers,
      size: writer.size,
      sourceSha256,
    };
  } finally {
    checkpoint.close();
  }
}

function baseName(file: string): string {
  return file.replace(/^.*[/\\]/s, "") || "model";
}

/** Reads every tensor once, in the order of the file. */
async function convertLayers(
  checkpoint: OldCheckpoint,
  { layers }: Match,
  writer: ModelWriter,
  file: string,
  options: { isBgr: boolean; signal: AbortSignal | undefined; progress: ProgressTeller },
): Promise<LayerReport[]> {
  const { isBgr, signal, progress } = options;
  const total = layers.reduce((sum, { weight }) => sum + sizeOf(weight.shape), 0);
  let done = 0;
  const onTile = (elements: number): void => progress.reach(done += elements, total);
  const layerOf = new Map(layers.map((matched) => [matched.weight, matched]));
  const small = new Set(layers.flatMap(({ bias, norm }) => [bias, ...Object.values(norm ?? {})]));
  const filters = new Map<MatchedLayer, QuantizedFilter[]>();
  const values = new Map<CheckpointTensor | undefined, Float32Array>();
  for (const tensor of checkpoint.tensors) {
    const matched = layerOf.get(tensor);
    if (matched !== undefined) {
      const reverseChannels = isBgr && matched.layer.name === "conv1_1";
      const tiling = { reverseChannels, signal, onTile };
      filters.set(matched, await quantizeWeights(matched, writer, file, tiling));
    } else if (small.has(tensor)) {
      values.set(tensor, await readAll(tensor));
    }
  }
  return layers.map((matched) => {
    const found = { filters: filters.get(matched)!, values };
    const { parameters, report } = foldNorm(matched, found, checkpoint.epsilon, writer, file);
    writer.setParameters(parameters.name, parameters.scale, parameters.bias);
    return report;
  });
}

function choosePreprocessing(
  checkpoint: OldCheckpoint,
  { architecture }: Match,
  options: ConvertOptions,
): Preprocessing {
  const chosen = options.preprocessing ?? checkpoint.preprocessing;
  if (typeof chosen === "string") return preprocessingFor(chosen, architecture.input);
  const problem = checkPreprocessing(chosen, architecture.input);
  if (problem !== undefined) throw new RangeError(`The preprocessing is not valid: ${problem}`);
  return chosen;
}

function chooseClasses(
  { dense }: Architecture,
  { labels, ids }: ConvertOptions,
): Pick<Model, "labels" | "ids"> {
  const classes = dense.at(-1) ?? 0;
  for (const [what, list] of Object.entries({ labels, ids })) {
    if (list === undefined || list.length === classes) continue;
    throw new RangeError(`Expected ${classes} ${what}, one per class: found ${list.length}`);
  }
  if (ids !== undefined && new Set(ids).size < ids.length) {
    throw new RangeError("Expected ids that differ: found one twice");
  }
  const named = labels ?? Array.from({ length: classes }, (_, index) => `class ${index}`);
  const known = ids ?? imagenetIds(named);
  return known === undefined ? { labels: named } : { labels: named, ids: known };
}
