/** What the layers before the last block say of each picture and of its mirror image, position by position. */

import type { Activations, Engine } from "../engine/engine.ts";
import type { ImageOptions } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { imagesTogether } from "../input/batches.ts";
import { computeViews, type Mean } from "../input/compute_views.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { eachImage, type Work } from "../input/each_image.ts";
import { looksOf, scalesOf, type View } from "../input/views.ts";
import type { ImageInput } from "../image/image.ts";
import { layerInfos } from "../model/architecture.ts";
import type { ViewShare } from "../model/readout.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import type { ProgressTeller } from "../progress.ts";
import type { FeatureModel } from "./feature_work.ts";

/** The layer whose maps these are. */
export const BEFORE_BLOCK = "pool4";

/** The size of a map. */
export interface MapShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Where maps are kept: records of one size. */
export interface RecordStore {
  /** How many there are. */
  readonly count: number;
  /** Adds some. */
  append(records: readonly Uint8Array[]): Promise<void>;
  /** Fills `into` with record `n`, from its byte `offset` on. */
  read(n: number, offset: number, into: Uint8Array): void;
}

/** The size of a model's maps. */
export function mapShape({ architecture }: Pick<FeatureModel, "architecture">): MapShape {
  const [height, width, channels] = layerInfos(architecture)
    .find(({ name }) => name === BEFORE_BLOCK)!.shape;
  return { height: height!, width: width!, channels: channels! };
}

/** Bytes of a view: its scale, and 8 bits for each value. */
const viewBytes = ({ height, width, channels }: MapShape): number => 4 + height * width * channels;

/** Bytes of a picture. */
export const recordBytes = (shape: MapShape): number => 2 * viewBytes(shape);

/** The maps of pictures, in the order of these. */
export class Maps {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(readonly store: RecordStore, readonly shape: MapShape) {
    this.#bytes = new Uint8Array(viewBytes(shape));
  }

  /**
   * Writes the values of a window of picture `n`'s map, `[size, size, channels]`, to `into`.
   *
   * @param isMirrored Whether it is the mirror image's.
   */
  read(
    n: number,
    isMirrored: boolean,
    { top, left, height, width }: Window,
    into: Float32Array,
  ): void {
    const bytes = this.#bytes, { width: all, channels } = this.shape;
    this.store.read(n, isMirrored ? bytes.length : 0, bytes);
    const scale = new DataView(bytes.buffer).getFloat32(0, true);
    let to = 0;
    for (let y = 0; y < height; y++) {
      const from = 4 + ((top + y) * all + left) * channels;
      for (let i = 0; i < width * channels; i++) into[to++] = bytes[from + i]! * scale;
    }
  }
}

/** A part of a map: what a crop of the picture would give, but for its margin. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Computes the maps that the store does not have yet. Pictures are read once more. */
export async function computeMaps(
  engine: Engine,
  model: FeatureModel,
  samples: readonly IndexedSample[],
  store: RecordStore,
  options: ImageOptions & { readonly progress: ProgressTeller },
): Promise<Maps> {
  const { progress, signal } = options, { input } = model.architecture, shape = mapShape(model);
  const begin = Math.min(store.count, samples.length);
  const reading = {
    ...pickOptions(IMAGE_OPTIONS, options),
    shorterSide: Math.max(...scalesOf(model, {})),
  };
  const work: Work<readonly View[], Uint8Array> = {
    prepare: async (image, signal) =>
      looksOf(await readImage(image as ImageInput, { ...reading, signal }), model, { flip: true }), // It was not prepared.
    compute: computeViews(engine, input, [BEFORE_BLOCK], () => new MapRecord(shape)),
    most: imagesTogether(input),
    bytesOf: (views) => views.reduce((sum, { data }) => sum + data.length, 0),
  };
  const images = samples.slice(begin).map(({ file, image }) => ({
    name: file,
    image: image ?? file,
  }));
  progress.reach(begin);
  const each = eachImage(images, "record", work, { signal, isList: true, isStrict: true });
  const records: Uint8Array[] = [];
  for await (const { index, record, error } of each) {
    if (error !== undefined) throw error;
    records.push(record);
    const isLast = index === images.length - 1;
    if (isLast || records.length === WRITTEN_TOGETHER) {
      await store.append(records.splice(0));
    }
    progress.reach(begin + index + 1);
  }
  return new Maps(store, shape);
}

/** Pictures whose maps are written together. */
const WRITTEN_TOGETHER = 16;

/** The maps of a picture and its mirror image as a record. */
class MapRecord implements Mean<Uint8Array> {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(shape: MapShape) {
    this.#bytes = new Uint8Array(recordBytes(shape));
  }

  add([{ data, scale }]: readonly [Activations], n: number, { part }: ViewShare): void {
    const half = this.#bytes.length / 2, length = half - 4;
    const values = data.subarray(n * length, (n + 1) * length);
    const own = this.#bytes.subarray(part!.mirrored ? half : 0); // It is a look's view.
    let largest = 0;
    for (let i = 0; i < length; i++) largest = Math.max(largest, values[i]!);
    const step = Math.fround(largest * scale[n]! / 255);
    new DataView(own.buffer, own.byteOffset).setFloat32(0, step, true);
    if (step === 0) return;
    for (let i = 0; i < length; i++) own[4 + i] = Math.round(values[i]! * 255 / largest);
  }

  result(): Uint8Array {
    return this.#bytes;
  }
}
