/** What the frozen layers say about each picture, computed once and kept in a file. */

import { embeddingOf } from "../output/embedding.ts";
import type { Engine } from "../engine/engine.ts";
import { sha256 } from "../io/sha256.ts";
import { type IndexedSample, readSample } from "../input/dataset.ts";
import { batchViews } from "../input/batches.ts";
import { mirror, scalesOf, type View, viewsOf } from "../input/views.ts";
import type { ImageOptions, Pixels } from "../image/image.ts";
import { cropImage } from "../image/resize.ts";
import type { LayerName } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import type { ProgressTeller } from "../progress.ts";
import { randomFrom } from "./random.ts";

/** How pictures are multiplied for learning. */
export interface Augmentation {
  /** Also learn from the mirrored picture. */
  readonly flip: boolean;
  /** Also learn from this many random crops of at least 3/4 of the picture's sides. */
  readonly crops: number;
}

/** Where features come from. */
export interface FeatureLayer {
  /** The last frozen layer. */
  readonly layer: LayerName;
  /** Values of that layer for one view. */
  readonly length: number;
}

/** Features of pictures. Those of picture `n` are rows `n * views` … `(n + 1) * views - 1`. */
export interface Features {
  /** `[pictures * views, length]`. The first view of a picture is the one that is classified. */
  readonly data: Float32Array;
  readonly length: number;
  readonly views: number;
  /** Hash of each picture's pixels and class, in order. */
  readonly fingerprints: readonly string[];
}

/** Where features are kept: a file that grows by whole pictures. */
export interface FeatureStore {
  /** What an earlier run kept. */
  load(): { rows: Float32Array; fingerprints: string[] };
  append(rows: Float32Array, fingerprints: readonly string[]): Promise<void>;
}

/** Pictures that are decoded at a time. */
const CHUNK = 32;
/** Smallest side of a random crop, as a part of the picture's. */
const MIN_CROP = 0.75;

/** Number of views of each picture. */
export function viewsPerPicture({ flip, crops }: Augmentation): number {
  return 1 + Number(flip) + crops;
}

/**
 * Computes the features of pictures, beginning after those that the store holds.
 *
 * @throws {ImageDecodeError} If a picture is damaged or of an unknown format.
 */
export async function computeFeatures(
  engine: Engine,
  model: Model,
  samples: readonly IndexedSample[],
  { layer, length }: FeatureLayer,
  augmentation: Augmentation,
  options: ImageOptions & { store?: FeatureStore | undefined; progress?: ProgressTeller },
): Promise<Features> {
  const views = viewsPerPicture(augmentation), size = views * length;
  const data = new Float32Array(samples.length * size);
  const kept = options.store?.load();
  const fingerprints = kept?.fingerprints.slice(0, samples.length) ?? [];
  if (kept !== undefined) data.set(kept.rows.subarray(0, fingerprints.length * size));
  const side = Math.max(...scalesOf(model, {}));
  const shorterSide = augmentation.crops > 0 ? Math.ceil(side / MIN_CROP) : side;
  options.progress?.reach(fingerprints.length);
  for (let first = fingerprints.length; first < samples.length; first += CHUNK) {
    const chunk = samples.slice(first, first + CHUNK);
    const hashes: string[] = [], all: View[] = [];
    for (const [n, sample] of chunk.entries()) {
      options.signal?.throwIfAborted();
      const image = await readSample(sample, options, shorterSide);
      hashes.push(await fingerprint(image, sample.label));
      all.push(...augmented(image, model, augmentation, first + n));
    }
    const rows = data.subarray(first * size, (first + chunk.length) * size);
    await embedViews(engine, all, layer, length, rows, options.signal);
    await options.store?.append(rows, hashes);
    fingerprints.push(...hashes);
    options.progress?.reach(fingerprints.length);
  }
  return { data, length, views, fingerprints };
}

async function embedViews(
  engine: Engine,
  views: readonly View[],
  layer: LayerName,
  length: number,
  rows: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const maxPixels = Math.max(2 ** 20 / 3, ...views.map(({ height, width }) => height * width));
  for (const batch of batchViews(views.map((view, image) => ({ view, image })), maxPixels)) {
    const activations = await engine.run(batch, { layer, signal });
    batch.views.forEach(({ image: row }, n) => {
      const options = { layer, pooling: "none", normalize: false } as const;
      rows.set(embeddingOf(activations, n, options).data, row * length);
    });
  }
}

/** The view that is classified, and others that show the same. */
function augmented(
  image: Pixels,
  model: Model,
  { flip, crops }: Augmentation,
  seed: number,
): View[] {
  const next = randomFrom(seed);
  const view = viewsOf(image, model)[0]!;
  const views = [view];
  if (flip) views.push({ ...view, data: mirror(view) });
  for (let n = 0; n < crops; n++) {
    const part = MIN_CROP + next() * (1 - MIN_CROP);
    const width = Math.max(1, Math.round(image.width * part));
    const height = Math.max(1, Math.round(image.height * part));
    const left = Math.floor(next() * (image.width - width + 1));
    const top = Math.floor(next() * (image.height - height + 1));
    const crop = viewsOf(cropImage(image, { left, top, width, height }), model)[0]!;
    views.push(flip && next() < 0.5 ? { ...crop, data: mirror(crop) } : crop);
  }
  return views;
}

/** SHA-256 of a picture's pixels and class, or of the hashes of all pictures, in hex. */
export function fingerprint(image: Pixels, label: number): Promise<string>;
export function fingerprint(hashes: readonly string[]): Promise<string>;
export function fingerprint(of: Pixels | readonly string[], label = 0): Promise<string> {
  if (!("data" in of)) return sha256(of.join("\n"));
  return sha256(`${of.width}x${of.height} ${label}\n`, of.data);
}
