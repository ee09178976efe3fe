/** What a classifier takes: one image or many, as they come or prepared. */

import type { ImageInput, ImageOptions, LazyImage, ReadImageOptions } from "../image/image.ts";
import type { Model } from "../model/model.ts";
import { IMAGE_OPTIONS, pickOptions, PREPARE_OPTIONS } from "../options.ts";
import type { View, ViewOptions } from "./views.ts";

/** What views are cut for: another model's are of another size, or look different. */
export interface Network {
  /** Name of the model. */
  readonly id: string;
  /** The same for models that see the same. */
  readonly key: string;
}

/** What a model's views are cut for. */
export function networkOf(
  { id, architecture, preprocessing, readout }: Pick<
    Model,
    "id" | "architecture" | "preprocessing" | "readout"
  >,
): Network {
  return { id, key: JSON.stringify([id, architecture, preprocessing, readout?.features]) };
}

let contentsOf: (prepared: PreparedImage) => { network: Network; views: readonly View[] };

/**
 * An image as a classifier's network takes it: decoded, resized and cropped. Made by
 * `Classifier.prepare()`, for that model alone.
 */
export class PreparedImage {
  /** Name of the model that it is for. */
  readonly model: string;
  /** How many views of the image there are; the network's results are averaged over them. */
  readonly views: number;
  /** Bytes that it holds. */
  readonly byteLength: number;
  readonly #network: Network;
  readonly #views: readonly View[];

  static {
    contentsOf = (prepared) => ({ network: prepared.#network, views: prepared.#views });
  }

  /** Use `Classifier.prepare()`. */
  constructor(network: Network, views: readonly View[]) {
    this.model = network.id;
    this.views = views.length;
    this.byteLength = views.reduce((sum, { data }) => sum + data.length, 0);
    this.#network = network;
    this.#views = views;
  }
}

/**
 * The views of a prepared image.
 *
 * @throws {RangeError} If it was prepared for another model.
 */
export function viewsFor(network: Network, prepared: PreparedImage): readonly View[] {
  const contents = contentsOf(prepared);
  if (contents.network.key === network.key) return contents.views;
  const same = prepared.model === network.id ? ", of the same name but another input" : "";
  throw new RangeError(
    `The image was prepared for the model ${prepared.model}${same}: prepare it with ${network.id}`,
  );
}

/** One image. */
export type Input = ImageInput | PreparedImage;

/** An image that a program calls by a name of its own, such as the key of a store's object. */
export interface NamedImage<Image extends LazyImage | PreparedImage = LazyImage | PreparedImage> {
  /** What errors and results call it. */
  readonly name: string;
  /** The image, or what opens it. */
  readonly image: Image;
}

/** Whether an image comes with a name. */
export function isNamed(image: unknown): image is NamedImage {
  return typeof image === "object" && image !== null && "image" in image && "name" in image &&
    typeof image.name === "string";
}

/** Many images, which are opened as they are needed. */
export type Images<
  Image extends LazyImage | PreparedImage | NamedImage = LazyImage | PreparedImage | NamedImage,
> = Iterable<Image> | AsyncIterable<Image>;

/** Options that say how an image is decoded and looked at, which a prepared one was already. */
export type LookOption = keyof ViewOptions | Exclude<keyof ImageOptions, "signal"> | "scale";

/**
 * Options for what is given: those of prepared images do not say how to look at them. Of what may be any
 * `Input` the compiler cannot tell, and the call does.
 */
export type OptionsFor<Given, Options> = [Given] extends
  [LazyImage | Images<LazyImage | NamedImage<LazyImage>>] ? Options
  : [Input] extends [Given] ? Options
  : [Input[]] extends [Given] ? Options
  : { readonly [Name in keyof Options]?: Name extends LookOption ? undefined : Options[Name] };

/** Names of {@linkcode LookOption}. */
const LOOK_OPTIONS: ReadonlySet<string> = new Set(
  [...Object.keys(PREPARE_OPTIONS), "scale"].filter((name) => name !== "signal"),
);

/**
 * Checks the options that come with a prepared image.
 *
 * @throws {TypeError} If one says how to decode the image, or how to look at it.
 */
export function refuseLookOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || !LOOK_OPTIONS.has(name)) continue;
    throw new TypeError(`${name} does not apply to a prepared image: give it to prepare()`);
  }
}

/** Whether these are many images. A string, bytes and a stream, which can be iterated too, are one. */
export function areMany(images: unknown): images is Images {
  if (typeof images !== "object" || images === null) return false;
  if (ArrayBuffer.isView(images) || images instanceof ReadableStream) return false;
  return Symbol.iterator in images || Symbol.asyncIterator in images;
}

/**
 * What a classifier needs of an image that is decoded for it: pixels of the shorter side, where not all
 * are needed, and whether it must not come from the network.
 */
export type Needs = Pick<ReadImageOptions, "shorterSide" | "offline">;

const needs = new WeakMap<object, (views: ViewOptions) => Needs>();

/** Tells what a classifier needs for some views. */
export function tellNeeds(classifier: object, needsFor: (views: ViewOptions) => Needs): void {
  needs.set(classifier, needsFor);
}

/** How an image is read for a classifier; in full for one of which nothing is known. */
export function readingFor(
  classifier: object,
  options: ViewOptions & ImageOptions,
): ReadImageOptions {
  const { shorterSide, offline } = needs.get(classifier)?.(options) ?? {};
  const given = pickOptions(IMAGE_OPTIONS, options);
  return { ...given, shorterSide, offline: offline || given.offline };
}
