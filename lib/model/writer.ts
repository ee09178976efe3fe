/** Writes a model file, in any order of its tensors. */

import type { ByteSink } from "../io/atomic_file.ts";
import { type Layer, layersOf } from "./architecture.ts";
import { CHUNK_BYTES, NO_HASH, sealHeader, sha256 } from "./integrity.ts";
import type { Provenance } from "./model.ts";
import {
  checkScoring,
  type ModelDescription,
  type ModelDocument,
  modelTensors,
  publicProvenance,
  versionOf,
} from "./document.ts";
import {
  checkReadout,
  describeReadout,
  type Readout,
  readoutTensors,
  readoutValues,
} from "./readout.ts";
import { DTYPE_BYTES, encodeSafetensorsHeader } from "./safetensors.ts";

/** Writes one model file. Offsets follow from the architecture, so tensors may come in any order. */
export class ModelWriter {
  /** Bytes of the whole file. */
  readonly size: number;
  readonly #headerBytes: number;
  readonly #dataBytes: number;
  readonly #layers: Map<string, Layer>;
  readonly #offsets = new Map<string, number>();

  /**
   * @param description Fields of `provenance` may still be changed by {@linkcode finish} for others
   *   that are not longer.
   * @throws {RangeError} If `temperature` or `sureScore` is out of range, or no file may have the readout.
   */
  constructor(
    private readonly sink: ByteSink,
    private readonly description: ModelDescription,
  ) {
    const { readout, architecture, labels } = description;
    const problem = checkScoring(description) ??
      (readout && checkReadout(describeReadout(readout), architecture, labels.length));
    if (problem !== undefined) throw new RangeError(`The model cannot be written: ${problem}`);
    this.#layers = new Map(layersOf(architecture).map((layer) => [layer.name, layer]));
    let position = 0;
    for (const { name, dtype, shape } of modelTensors(describe(description))) {
      this.#offsets.set(name, position);
      position += shape.reduce((a, b) => a * b, DTYPE_BYTES[dtype]);
    }
    this.#dataBytes = position;
    const chunks = Math.ceil(position / CHUNK_BYTES);
    this.#headerBytes = this.#header(description, new Array(chunks).fill(NO_HASH)).length;
    this.size = this.#headerBytes + this.#dataBytes;
  }

  /** Writes the scales and biases of a layer, `[O]` each. */
  setParameters(layer: string, scale: Float32Array, bias: Float32Array): void {
    this.sink.write(this.#at(`${layer}.scale`), littleEndian(scale));
    this.sink.write(this.#at(`${layer}.bias`), littleEndian(bias));
  }

  /** Writes the filters of the output channels from `first` on, `[count, H, W, I]`. */
  setWeights(layer: string, first: number, data: Int8Array): void {
    const offset = this.#at(`${layer}.weight`) + first * this.#rowBytes(layer);
    this.sink.write(offset, new Uint8Array(data.buffer, data.byteOffset, data.length));
  }

  /** Changes the sign of the filter of one output channel. */
  negateWeights(layer: string, channel: number): void {
    const row = new Int8Array(this.#rowBytes(layer));
    const offset = this.#at(`${layer}.weight`) + channel * row.length;
    this.sink.read(offset, new Uint8Array(row.buffer));
    this.setWeights(layer, channel, row.map((weight) => -weight));
  }

  /** Writes the readout, hashes all that was written, and writes the header. */
  async finish(provenance: Provenance): Promise<void> {
    const { readout } = this.description;
    if (readout !== undefined) this.#writeReadout(readout);
    const hashes: string[] = [];
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.#dataBytes));
    for (let begin = 0; begin < this.#dataBytes; begin += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, this.#dataBytes - begin));
      this.sink.read(this.#headerBytes + begin, chunk);
      hashes.push(await sha256(chunk));
    }
    const header = this.#header({ ...this.description, provenance }, hashes, this.#headerBytes);
    await sealHeader(header);
    this.sink.write(0, header);
  }

  #writeReadout(readout: Readout): void {
    const { architecture, labels } = this.description;
    const tensors = readoutTensors(describeReadout(readout), architecture, labels.length);
    const values = readoutValues(readout);
    tensors.forEach(({ name }, n) => this.sink.write(this.#at(name), littleEndian(values[n]!)));
  }

  #at(tensor: string): number {
    return this.#headerBytes + this.#offsets.get(tensor)!;
  }

  #rowBytes(layer: string): number {
    const { filterSize, inChannels } = this.#layers.get(layer)!;
    return filterSize[0] * filterSize[1] * inChannels;
  }

  #header(
    description: ModelDescription,
    hashes: string[],
    length?: number,
  ): Uint8Array<ArrayBuffer> {
    const { id, architecture, preprocessing, labels, ids, provenance } = description;
    const { temperature, sureScore, readout } = describe(description);
    const document: ModelDocument = {
      version: versionOf(describe(description)),
      id,
      architecture,
      preprocessing,
      labels,
      ids,
      temperature,
      sureScore,
      readout,
      provenance: publicProvenance(provenance),
      integrity: { chunkBytes: CHUNK_BYTES, sha256: hashes },
    };
    return encodeSafetensorsHeader(
      modelTensors(describe(description)),
      { header_sha256: NO_HASH, model: JSON.stringify(document) },
      length,
    );
  }
}

/** What the document says of a model. */
function describe(description: ModelDescription): Omit<ModelDocument, "version" | "integrity"> {
  const { readout } = description;
  return { ...description, readout: readout && describeReadout(readout) };
}

/** The bytes of floats, low byte first, on any machine. */
function littleEndian(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Uint8Array(view.buffer);
}
