/**
 * A model that is quantized while its checkpoint arrives, kept so that another process can go on: the
 * file as far as it is written, what was found so far, and the state of the checkpoint's hash.
 *
 * @module
 */

import type { AtomicFile } from "../../io/atomic_file.ts";
import { startHash } from "../../io/hash.ts";
import type { HttpSource } from "../../io/http_source.ts";
import type { QuantizedFilter } from "../quantize/channels.ts";
import { ResumableSha256 } from "../../io/sha256.ts";
import { ConversionProgress } from "../quantize/progress.ts";
import type { ConvertOptions } from "../convert.ts";
import type { Part } from "./part.ts";

/** Changes when the converter writes something else, or notes it in another way. */
const VERSION = 1;

/** What {@linkcode PartialModel} has noted. */
export interface SavedModel {
  /** Hash of all bytes up to the first that is not converted. */
  readonly hash: ResumableSha256;
  readonly validator: string;
  /** By layer: {@linkcode packFilters}. */
  readonly filters: Readonly<Record<string, string>>;
  /** By tensor: float32. */
  readonly vectors: Readonly<Record<string, string>>;
}

/** Reads what another process noted; `undefined` if it is not of the same model. */
export async function readSavedModel(
  part: Part,
  options: ConvertOptions,
): Promise<SavedModel | undefined> {
  const note = await part.readNote();
  if (note?.made !== fingerprint(options)) return undefined;
  try {
    const { validator, filters, vectors } = note as unknown as SavedModel;
    return { validator, filters, vectors, hash: ResumableSha256.from(String(note.hash)) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Progress that is noted whenever a part of a layer is written. */
export class PartialModel extends ConversionProgress {
  constructor(
    private readonly part: Part,
    private readonly file: AtomicFile,
    private readonly source: HttpSource,
    private readonly hash: ResumableSha256,
    private readonly options: ConvertOptions,
    saved: SavedModel | undefined,
  ) {
    super();
    for (const [layer, packed] of Object.entries(saved?.filters ?? {})) {
      this.filtersOf(layer).push(...unpackFilters(packed));
    }
    for (const [name, packed] of Object.entries(saved?.vectors ?? {})) {
      this.vectors.set(name, new Float32Array(Uint8Array.fromBase64(packed).buffer));
    }
  }

  /** First the weights, then the note that says that they are there. */
  override async save(): Promise<void> {
    await this.file.sync();
    const filters = [...this.filters].map(([layer, found]) => [layer, packFilters(found)]);
    const vectors = [...this.vectors].map(([name, values]) => [name, base64(values)]);
    await this.part.writeNote(this.source.validator, {
      made: fingerprint(this.options),
      hash: this.hash.save(),
      filters: Object.fromEntries(filters),
      vectors: Object.fromEntries(vectors),
    });
  }

  override async end(): Promise<void> {
    await this.part.removeNote();
  }
}

/** What decides about every byte of the model, besides the checkpoint. */
function fingerprint({ id, labels, preprocessing, provenance }: ConvertOptions): string {
  const hash = startHash("sha256");
  const all = JSON.stringify([VERSION, id, labels, preprocessing, provenance]);
  hash.update(new TextEncoder().encode(all));
  return hash.digest();
}

/** Five float64 for each filter. */
function packFilters(filters: readonly QuantizedFilter[]): string {
  return base64(Float64Array.from(
    filters.flatMap(({ scale, min, max, energy, error }) => [scale, min, max, energy, error]),
  ));
}

function unpackFilters(packed: string): QuantizedFilter[] {
  const numbers = new Float64Array(Uint8Array.fromBase64(packed).buffer);
  return Array.from({ length: numbers.length / 5 }, (_, i) => {
    const [scale, min, max, energy, error] = numbers.subarray(5 * i);
    return { scale, min, max, energy, error };
  });
}

/** The bytes of numbers, for the same machine. */
function base64(values: Float32Array | Float64Array): string {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).toBase64();
}
