/** Labeled images: what they are, and how they are read. */

import { ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import type { ImageInput, ImageOptions, LazyImage, Pixels } from "../image/image.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import { isRawPixels, readBytes, readImage } from "../image/read.ts";
import { openImage, stoppable } from "./batches.ts";
import { classesOf, type ClassInfo, type ClassName, findClass } from "../model/classes.ts";
import { publicText } from "../public_url.ts";

/** An image and what it shows. */
export interface Sample {
  /** Its path or URL, or another name that no other sample has. */
  readonly file: string;
  /** The image, or what opens it, where it is not in a file. */
  readonly image?: LazyImage | undefined;
  /** The class: its index, or another of its names. */
  readonly label: ClassName;
  /** The line of the list that names it, from 1 on, where there is a list. */
  readonly line?: number | undefined;
}

/** Labeled images as they come, and the names of their classes. */
export interface LabeledImages {
  /** Any number of them, in memory or one after the other. */
  readonly samples: Iterable<Sample> | AsyncIterable<Sample>;
  /** What the indices of the samples stand for. */
  readonly labels: readonly string[];
}

/** A sample whose class is told by its index. */
export interface IndexedSample extends Sample {
  /** Index of the class. */
  readonly label: number;
}

/** Labeled images that are listed. */
export interface Dataset extends LabeledImages {
  /** In the order of folders and names, or of the list. */
  readonly samples: readonly IndexedSample[];
  /** What is worth knowing of how they were found, a sentence each: what was left out, and why. */
  readonly warnings?: readonly string[] | undefined;
}

/**
 * The index of the class that a sample names.
 *
 * @throws {RangeError} If there is none of that name, or several. The message names the file.
 */
export function classOf({ file, label }: Sample, classes: readonly ClassInfo[]): number {
  try {
    return findClass(label, classes).index;
  } catch (cause) {
    const found = `${publicText(file)} has label ${label}`;
    throw new RangeError(`${found}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Samples whose classes are told as a classifier knows them: an index of theirs stands for a label, which
 * may be at another index there.
 *
 * @throws {RangeError} If a sample names no class of both, or several.
 */
export function namedSamples(
  { samples, labels }: LabeledImages,
  classes: readonly ClassInfo[],
  signal?: AbortSignal,
): Iterable<Sample> | AsyncIterable<Sample> {
  const isSame = labels.length === classes.length &&
    classes.every(({ label }, index) => label === labels[index]);
  if (isSame) return samples;
  const own = classesOf({ labels });
  return (async function* () {
    for await (const sample of stoppable(samples, signal)) {
      yield { ...sample, label: labels[classOf(sample, own)]! };
    }
  })();
}

/**
 * Collects samples whose pictures may then be read more than once: of a stream or a response, which can
 * be read once, the bytes are kept from the first time on, and what comes one after the other is copied,
 * as it may be one array with other contents each time.
 *
 * @throws {TypeError} If it is no dataset.
 * @throws {RangeError} If a sample names no class, or several.
 */
export async function collectSamples(
  { samples, labels }: LabeledImages,
  signal?: AbortSignal,
): Promise<IndexedSample[]> {
  if (labels === undefined || samples === undefined) {
    throw new TypeError("Expected a dataset { labels, samples }, as listSamples() gives it");
  }
  const classes = classesOf({ labels }), collected: IndexedSample[] = [];
  for await (const sample of stoppable(samples, signal)) {
    const { image } = sample;
    const isReadOnce = image instanceof ReadableStream || image instanceof Response;
    const lasting = isReadOnce ? keeping(image) : Array.isArray(samples) ? image : copyOf(image);
    collected.push({ ...sample, image: lasting, label: classOf(sample, classes) });
  }
  return collected;
}

function copyOf(image: LazyImage | undefined): LazyImage | undefined {
  if (image instanceof Uint8Array || image instanceof ArrayBuffer) return image.slice();
  if (typeof image !== "object" || !isRawPixels(image)) return image;
  return { ...image, data: image.data.slice() };
}

function keeping(image: ReadableStream<Uint8Array> | Response): () => Promise<Uint8Array> {
  let bytes: Promise<Uint8Array> | undefined;
  return () => bytes ??= readBytes(image, {});
}

/** Opens the picture of a sample. */
export async function openSample(
  { file, image }: Pick<Sample, "file" | "image">,
  signal?: AbortSignal,
): Promise<ImageInput> {
  return await openImage(image ?? file, signal);
}

/**
 * Reads the picture of a sample.
 *
 * @param shorterSide How many pixels of the shorter side are needed. Default: all.
 * @throws {ImageDecodeError} If it is damaged or of an unknown format. The message names the file.
 * @throws {ImageTooLargeError} If it has more pixels than allowed, likewise.
 */
export async function readSample(
  sample: Sample,
  options: ImageOptions = {},
  shorterSide?: number,
): Promise<Pixels> {
  try {
    const reading = { ...pickOptions(IMAGE_OPTIONS, options), shorterSide };
    return await readImage(await openSample(sample, options.signal), reading);
  } catch (error) {
    if (error instanceof ImageDecodeError || error instanceof ImageTooLargeError) {
      error.message = `${publicText(sample.file)}: ${error.message}`;
    }
    throw error;
  }
}
