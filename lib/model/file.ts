/**
 * Opens a model file. The layout is in `document.ts`: one safetensors file with int8 weights,
 * scales and biases, and a JSON document in its header.
 */

import { CheckpointFormatError } from "../errors.ts";
import { type Architecture, type Layer, layersOf } from "./architecture.ts";
import type { LayerParameters, Model, WeightPiece } from "./model.ts";
import type { ReadOptions, SourceOptions } from "../io/byte_source.ts";
import { openSource, type SourceLike, sourceName } from "../io/open_source.ts";
import { checkOptions, SOURCE_OPTIONS } from "../options.ts";
import { ProgressTeller } from "../progress.ts";
import { ChunkReader, type Layout } from "./chunk_reader.ts";
import { verifyHeader } from "./integrity.ts";
import {
  type ModelDocument,
  modelTensors,
  parseModelDocument,
  publicProvenance,
} from "./document.ts";
import { type Readout, type ReadoutDescription, readoutOf, readoutTensors } from "./readout.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "./safetensors.ts";

/**
 * Opens a model file: reads its header, scales and biases, and leaves the weights where they are.
 *
 * @param source A path, a URL or a request for it, or the file's bytes, which must not change afterwards.
 * @throws {CheckpointFormatError} If it is not a model file, or is cut short.
 * @throws {WeightsIntegrityError} If it is damaged.
 * @throws {WeightsDownloadError} If the URL cannot be read.
 * @throws {ModelNotFoundError} If there is no such file.
 *
 * @example
 * ```ts
 * import { openModel } from "@edge/vgg16/convert";
 *
 * const model = await openModel("weights/vgg16-imagenet200.safetensors");
 * console.log(model.labels[187]); // lemon
 * for await (const piece of model.weights()) {
 *   console.log(piece.layer, piece.first, piece.count, piece.data.length);
 * }
 * ```
 */
export async function openModel(source: SourceLike, options: SourceOptions = {}): Promise<Model> {
  checkOptions(SOURCE_OPTIONS, options);
  options.signal?.throwIfAborted();
  try {
    return await readModel(source, options);
  } catch (error) {
    throw asModelError(error);
  }
}

async function readModel(source: SourceLike, options: SourceOptions): Promise<Model> {
  const { offline, fetch } = options;
  const bytes = await openSource(source, options);
  try {
    const name = sourceName(source);
    const progress = new ProgressTeller(options, { stage: "load", unit: "bytes", file: name });
    const header = await readSafetensorsHeader(bytes);
    const sha256 = await verifyHeader(header.bytes, name);
    const document = parseModelDocument(header.metadata.model ?? "null", name);
    const layout = checkLayout(header, document, name);
    const { dataBegin, weightsBegin } = layout;
    const chunks = new ChunkReader(bytes, layout, dataBegin, weightsBegin, progress);
    const parameters = await readParameters(chunks, document.architecture, name);
    const readout = document.readout && await readReadout(chunks, document, document.readout, name);
    const { id, architecture, preprocessing, labels, ids } = document;
    const { temperature, sureScore } = document;
    return {
      ...{ id, sha256, architecture, preprocessing, labels },
      ...ids === undefined ? {} : { ids },
      ...temperature === undefined ? {} : { temperature },
      ...sureScore === undefined ? {} : { sureScore },
      ...readout === undefined ? {} : { readout },
      provenance: publicProvenance(document.provenance),
      parameters,
      weightBytes: layout.end - layout.weightsBegin,
      weights: ({ signal } = {}) =>
        streamWeights(source, { offline, fetch, signal }, layout, architecture, progress),
    };
  } finally {
    bytes.close();
  }
}

/** What reads bytes and containers takes every file for a checkpoint. */
function asModelError(error: unknown): unknown {
  if (!(error instanceof CheckpointFormatError)) return error;
  const { message, file, offset, cause } = error;
  return new CheckpointFormatError(message, { code: "model-format", file, offset, cause });
}

function checkLayout(header: SafetensorsHeader, document: ModelDocument, file: string): Layout {
  const expected = modelTensors(document);
  expected.forEach(({ name, dtype, shape }, index) => {
    const found = header.tensors[index];
    if (found?.name === name && found.dtype === dtype && String(found.shape) === String(shape)) {
      return;
    }
    throw new CheckpointFormatError(
      `Expected tensor ${name} ${dtype} [${shape}] in ${file}: found ${
        found === undefined ? "no more" : `${found.name} ${found.dtype} [${found.shape}]`
      }`,
      { file, offset: found?.begin ?? 8 },
    );
  });
  const weightsBegin = header.tensors.find(({ dtype }) => dtype === "I8")!.begin;
  const end = header.tensors.at(-1)!.end;
  const { chunkBytes, sha256 } = document.integrity;
  const chunks = Math.ceil((end - header.dataStart) / chunkBytes);
  if (header.tensors.length !== expected.length || sha256.length !== chunks) {
    throw new CheckpointFormatError(
      `Expected ${expected.length} tensors and ${chunks} hashes in ${file}: found ${header.tensors.length} and ${sha256.length}`,
      { file, offset: 8 },
    );
  }
  return { dataBegin: header.dataStart, weightsBegin, end, chunkBytes, sha256 };
}

async function readParameters(
  chunks: ChunkReader,
  architecture: Architecture,
  file: string,
): Promise<LayerParameters[]> {
  const parameters: LayerParameters[] = [];
  for (const { name, outChannels } of layersOf(architecture)) {
    const scale = await readFloats(chunks, outChannels);
    const bias = await readFloats(chunks, outChannels);
    if (!scale.every((s) => s > 0 && s < Infinity) || !bias.every(Number.isFinite)) {
      throw new CheckpointFormatError(
        `The scales of ${name} in ${file} must be above 0 and its biases finite`,
        { file },
      );
    }
    parameters.push({ name, scale, bias });
  }
  return parameters;
}

async function readReadout(
  chunks: ChunkReader,
  { architecture, labels }: ModelDocument,
  description: ReadoutDescription,
  file: string,
): Promise<Readout> {
  const values: Float32Array[] = [];
  for (const { name, shape } of readoutTensors(description, architecture, labels.length)) {
    const floats = await readFloats(chunks, shape.reduce((a, b) => a * b));
    if (!floats.every(Number.isFinite)) {
      throw new CheckpointFormatError(`The values of ${name} in ${file} must be finite`, { file });
    }
    values.push(floats);
  }
  const readout = readoutOf(description, values, architecture), { head } = readout;
  const isClass = (index: number): boolean => Number.isInteger(index) && index in labels;
  if (head.kind === "nearest" && !head.classes.every(isClass)) {
    throw new CheckpointFormatError(
      `The values of readout.classes in ${file} must be from 0 to ${labels.length - 1}`,
      { file },
    );
  }
  return readout;
}

async function readFloats(chunks: ChunkReader, count: number): Promise<Float32Array> {
  const bytes = new Uint8Array(4 * count);
  await chunks.read(bytes);
  const view = new DataView(bytes.buffer);
  const floats = new Float32Array(count);
  for (let i = 0; i < count; i++) floats[i] = view.getFloat32(4 * i, true);
  return floats;
}

async function* streamWeights(
  from: SourceLike,
  options: ReadOptions,
  layout: Layout,
  architecture: Architecture,
  progress: ProgressTeller,
): AsyncGenerator<WeightPiece> {
  const { signal } = options;
  const source = await openSource(from, options);
  try {
    const chunks = new ChunkReader(source, layout, layout.weightsBegin, layout.end, progress);
    for (const layer of layersOf(architecture)) {
      for (let first = 0; first < layer.outChannels;) {
        signal?.throwIfAborted();
        const piece = await readPiece(chunks, layer, first, source.name);
        yield piece;
        first += piece.count;
      }
    }
  } catch (error) {
    throw asModelError(error);
  } finally {
    source.close();
  }
}

async function readPiece(
  chunks: ChunkReader,
  { name, filterSize, inChannels, outChannels }: Layer,
  first: number,
  file: string,
): Promise<WeightPiece> {
  const rowBytes = filterSize[0] * filterSize[1] * inChannels;
  const bytes = await chunks.rows(rowBytes, outChannels - first);
  const data = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  if (data.includes(-128)) {
    throw new CheckpointFormatError(
      `The weights of ${name} in ${file} must be from -127 to 127: found -128`,
      { file },
    );
  }
  return { layer: name, first, count: bytes.length / rowBytes, data };
}
