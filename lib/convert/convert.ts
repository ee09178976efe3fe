/** A checkpoint in, a model file out. */

import type { Model, Preprocessing, Provenance } from "../model/model.ts";
import { type Architecture, classCount } from "../model/architecture.ts";
import { AtomicFile, type ByteSink, MemoryFile } from "../io/atomic_file.ts";
import type { SourceOptions } from "../io/byte_source.ts";
import { NO_HASH } from "../model/integrity.ts";
import { imagenetIds } from "../model/labels.ts";
import { describePath, realPath } from "../platform.ts";
import { ProgressTeller } from "../progress.ts";
import { checkOptions, CONVERT_OPTIONS } from "../options.ts";
import { ModelWriter } from "../model/writer.ts";
import { hashSource } from "../io/hash.ts";
import { type PreprocessingPreset, sizeOf } from "./formats/checkpoint.ts";
import {
  type ConversionInput,
  type ConversionSource,
  type OpenableInput,
  openConversionSource,
} from "./source.ts";
import { openCheckpoint } from "./formats/open_checkpoint.ts";
import { understand } from "./network/understand.ts";
import type { Network, NetworkLayer } from "./network/network.ts";
import {
  choosePreprocessing,
  type ChosenPreprocessing,
  type GivenPreprocessing,
} from "./network/preprocessing.ts";
import { convertLayer, type LayerReport } from "./quantize/layer.ts";

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
   * What images the weights are for: a well-known way (`"torch"`, `"caffe"`, which also says that they take
   * blue, green, red, `"tf"` for -1…1, `"unit"` for 0…1, `"byte"`), or one with an order of the colors.
   * Default: what the file says, or else what is usual for the format, which is an assumption.
   */
  readonly preprocessing?: PreprocessingPreset | GivenPreprocessing | undefined;
  /** Height and width of the input, where the file does not tell. */
  readonly inputSize?: number | undefined;
  /** What the dense layers see of the last pool's map, where the file does not tell. */
  readonly afterPool?: "flatten" | "average" | undefined;
  /** Where batch normalization stands, where the file does not tell. */
  readonly norm?: "before-relu" | undefined;
  /** What follows each dense layer but the last, where the file does not tell. */
  readonly activation?: "relu" | undefined;
  /** What makes scores of the logits, where the file does not tell. */
  readonly head?: "softmax" | "sigmoid" | undefined;
  /** What each view's logits are divided by before the head makes scores of them, above 0. Default: 1. */
  readonly temperature?: number | undefined;
  /** The score from which on a first prediction is sure, 0…1. Default: none, predictions are not told apart. */
  readonly sureScore?: number | undefined;
  /** Which of several networks in the file: the name of its state dictionary, or what its names begin with. */
  readonly state?: string | undefined;
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
  /** Whether the file says so, the options did, or nobody. */
  readonly preprocessingFrom: "read" | "given" | "assumed";
  /** What neither the file nor the options say, and was taken for granted, in words. */
  readonly assumptions: readonly string[];
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
  input: OpenableInput,
  out: string,
  options: Omit<ConvertOptions, "out">,
  sourceSha256?: string,
): Promise<Conversion> {
  // First: that there is no such folder is better known before a download than after it.
  using file = await AtomicFile.create(out);
  const keep = (files: readonly string[]): Promise<void> => keepSources(out, files);
  const conversion = await convertInto(file, input, options, sourceSha256, keep);
  await file.commit();
  return conversion;
}

/** @throws {RangeError} If the model would replace a file that it is made of. */
async function keepSources(out: string, files: readonly string[]): Promise<void> {
  const idOf = async (path: string): Promise<string | undefined> => {
    try {
      const { id } = await describePath(path);
      return id ?? await realPath(path);
    } catch {
      return undefined; // There is none: it came from elsewhere.
    }
  };
  const own = await idOf(out);
  for (const file of own === undefined ? [] : files) {
    if (await idOf(file) !== own) continue;
    throw new RangeError(`${out} is one of the files that the model is made of: name another`);
  }
}

async function convertInto(
  sink: ByteSink,
  input: OpenableInput,
  options: ConvertOptions,
  sourceSha256?: string,
  keep: (files: readonly string[]) => Promise<void> = () => Promise.resolve(),
): Promise<Conversion> {
  const source = await openConversionSource(input, options);
  try {
    const conversion = await convertSource(sink, source, options, sourceSha256);
    await keep(source.files);
    return conversion;
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
  { bytes, name: file, openSibling, budget, model }: ConversionSource,
  options: ConvertOptions,
  knownSha256: string | undefined,
): Promise<Conversion> {
  const checkpoint = await openCheckpoint(bytes, { openSibling, budget, state: options.state });
  try {
    const { inputSize = model?.inputSize } = options;
    const understood = await understand(checkpoint, file, { ...options, inputSize });
    const { network } = understood, images = model?.images ?? understood.images;
    const { architecture } = network;
    budget.write(network.layers.reduce((sum, { weight }) => sum + sizeOf(weight.shape), 0));
    const chosen = choosePreprocessing(network, images, options.preprocessing, file);
    const { preprocessing, from, because } = chosen;
    const source = model?.source ?? baseName(file);
    const provenance: Provenance = {
      source,
      sourceSha256: NO_HASH,
      preprocessing: from,
      ...model?.license && { license: model.license },
      ...options.provenance,
    };
    const writer = new ModelWriter(sink, {
      id: options.id ?? model?.id ?? source.replace(/\.[^.]*$/, ""),
      architecture,
      preprocessing,
      ...chooseClasses(architecture, options, understood.labels ?? model?.labels),
      temperature: options.temperature,
      sureScore: options.sureScore,
      provenance,
    });
    const layers = await convertLayers(network, chosen, writer, file, options);
    const sourceSha256 = knownSha256 ??
      (await hashSource(bytes, ["sha256"], options.signal)).sha256;
    await writer.finish({ ...provenance, sourceSha256 });
    const assumed = from === "assumed"
      ? [`Images are prepared as is ${because}; --preprocess says otherwise.`]
      : [];
    return {
      format: checkpoint.format,
      architecture,
      preprocessing,
      preprocessingFrom: from,
      assumptions: [...network.assumptions, ...assumed],
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

/** Reads every weight once, in the order of the file. */
async function convertLayers(
  { layers, architecture: { input, pooling } }: Network,
  { isBgr, negated }: ChosenPreprocessing,
  writer: ModelWriter,
  file: string,
  options: ConvertOptions,
): Promise<LayerReport[]> {
  const { signal } = options;
  const progress = new ProgressTeller(options, { stage: "convert", unit: "weights", file });
  const total = layers.reduce((sum, { weight }) => sum + sizeOf(weight.shape), 0);
  let done = 0;
  const onTile = (elements: number): void => progress.reach(done += elements, total);
  const channels = Array.from({ length: input.channels }, (_, channel) => channel);
  const colors = isBgr ? channels.toReversed() : channels;
  const isAveraged = pooling === "average";
  const conversion = { writer, file, colors, negated, isAveraged, signal, onTile };
  const place = ({ weight }: NetworkLayer): number => weight.position ?? 0;
  const reports = new Map<NetworkLayer, LayerReport>();
  for (const layer of layers.toSorted((a, b) => place(a) - place(b))) {
    const { parameters, report } = await convertLayer(layer, conversion);
    writer.setParameters(parameters.name, parameters.scale, parameters.bias);
    reports.set(layer, report);
  }
  return layers.map((layer) => reports.get(layer)!);
}

function chooseClasses(
  architecture: Architecture,
  { labels: given, ids }: ConvertOptions,
  own: readonly string[] | undefined,
): Pick<Model, "labels" | "ids"> {
  const classes = classCount(architecture);
  const labels = given ?? (own?.length === classes ? own : undefined);
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
