/** An index of pictures: what looks the same, or means the same, is found in it. */

import { abortable } from "@std/async/abortable";
import { Calls } from "../calls.ts";
import type { ClassifierOptions } from "../classifier.ts";
import { createEngine } from "../engine/create.ts";
import type { Backend, Engine } from "../engine/engine.ts";
import type { ImageInput, ImageOptions, LazyImage } from "../image/image.ts";
import { eachImage, resultsOf } from "../input/each_image.ts";
import { type ImageError, nameOf } from "../input/image_error.ts";
import { type Images, isNamed, type NamedImage } from "../input/prepared_image.ts";
import { permittedCacheDir } from "../io/cache.ts";
import { lockBeside } from "../io/lock.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import { modelHash } from "../model/model_hash.ts";
import { resolveModel } from "../open_model.ts";
import {
  checkOptions,
  completeOptions,
  ENGINE_OPTIONS,
  IMAGE_OPTIONS,
  pickOptions,
  RESOLVE_OPTIONS,
} from "../options.ts";
import {
  DUPLICATES_OPTIONS,
  INDEX_OPTIONS,
  SIMILAR_OPTIONS,
  UPDATE_OPTIONS,
} from "../options/search.ts";
import { isVggError } from "../errors.ts";
import { describePath } from "../platform.ts";
import { type ProgressOptions, ProgressTeller } from "../progress.ts";
import { asUrl } from "../urls.ts";
import { COPIES, copySimilarity } from "./copies.ts";
import { type Described, describing, vectorLengths } from "./describe.ts";
import { byName, type Duplicates, findDuplicates } from "./duplicates.ts";
import { type IndexKey, readIndex, writeIndex } from "./index_file.ts";
import { type By, type Picture, Pictures } from "./pictures.ts";

/** Options of {@linkcode openIndex}. */
export interface IndexOptions extends ClassifierOptions {
  /** Where the index is kept. Default: in memory alone. */
  readonly file?: string | undefined;
  /** Begin anew where the file is damaged, or was made with another model or by another version. Default: false. */
  readonly rebuild?: boolean | undefined;
}

/** Options of {@linkcode SearchIndex.update}. */
export interface UpdateOptions extends ImageOptions, ProgressOptions {}

/** Options of {@linkcode SearchIndex.similar}. */
export interface SimilarOptions extends ImageOptions {
  /** Pictures at most, `Infinity` for all. Default: 10. */
  readonly topK?: number | undefined;
  /** Only pictures at least so similar, 0…1. Default: 0. */
  readonly threshold?: number | undefined;
  /**
   * - `"look"`: what looks the same, whatever it shows;
   * - `"meaning"`: what shows the same kind of thing, by the scores of the model's classes;
   * - `"both"`, the default: what looks the same comes first, and then what is of the same kind.
   */
  readonly by?: By | undefined;
}

/** Options of {@linkcode SearchIndex.duplicates}. */
export interface DuplicatesOptions extends ProgressOptions {
  /** Similarity from which on pictures are copies, 0…1. Default: {@linkcode SearchIndex.copies}. */
  readonly threshold?: number | undefined;
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/** A picture that was found. */
export interface Match extends Picture {
  /** By what was asked for, a cosine, 0…1. */
  readonly similarity: number;
  /** `"copy"` if it is one as surely as {@linkcode SearchIndex.copies} says, whatever was asked for. */
  readonly kind: "copy" | "similar";
}

/** What an update has done. */
export interface IndexUpdate {
  /** Pictures that are new. */
  readonly added: number;
  /** Pictures that have changed, and were looked at again. */
  readonly changed: number;
  /** Pictures that are as they were. */
  readonly kept: number;
  /** Pictures that are gone, or cannot be read any more. */
  readonly removed: number;
  /** Pictures that could not be read: they are not in the index, and are tried again next time. */
  readonly errors: readonly ImageError[];
}

/** New pictures after which the file is written: what a killed process loses. */
const SAVE_AFTER = 1000;

/**
 * Opens an index, or begins one.
 *
 * @example
 * ```ts
 * import { openIndex } from "@edge/vgg16/search";
 *
 * await using index = await openIndex();
 * await index.update(["tests/data/photos/cat.png", "tests/data/photos/coffee.png"]);
 * const [best] = await index.similar("tests/data/photos/cat.png");
 * console.log(best.name); // tests/data/photos/coffee.png
 * ```
 *
 * @throws {RangeError} If an option is unknown, or not one of its values.
 * @throws {SearchIndexError} If the file is no index, is damaged, or is of another model, use or version.
 * @throws As `loadClassifier()` does, of the model.
 */
export async function openIndex(options: IndexOptions = {}): Promise<SearchIndex> {
  checkOptions(INDEX_OPTIONS, options);
  const { file, rebuild, precision, offline } = completeOptions(INDEX_OPTIONS, options);
  const model = await resolveModel(options.model, pickOptions(RESOLVE_OPTIONS, options));
  const cacheDir = options.cacheDir ?? permittedCacheDir();
  const loading = { ...pickOptions(ENGINE_OPTIONS, options), cacheDir };
  // Whoever ends the opening does not end what is called later.
  const { signal: _, ...later } = loading;
  const load = (): Promise<Engine> => createEngine(model, later);
  // Floats are rounded as the backend does it, which is known once it is chosen.
  const engine = precision === "float" ? await createEngine(model, loading) : undefined;
  const lengths = vectorLengths(model);
  let key: IndexKey | undefined, pictures: Pictures | undefined;
  try {
    key = await keyOf(model, engine?.backend, options.signal);
    if (file !== undefined) pictures = await readIndex(file, key, lengths, options.signal);
  } catch (error) {
    const mayReplace = isVggError(error, "index-damaged") || isVggError(error, "index-other");
    if (key === undefined || !rebuild || !mayReplace) {
      await engine?.[Symbol.asyncDispose]();
      throw error;
    }
  }
  pictures ??= new Pictures(lengths);
  return indexOf({ model, key, file, pictures, offline, load, engine });
}

/** What makes the vectors of an index. */
async function keyOf(
  model: Model,
  backend: Backend | undefined,
  signal: AbortSignal | undefined,
): Promise<IndexKey> {
  const { id, architecture, preprocessing, temperature } = model;
  const network = await sha256(
    JSON.stringify([architecture, preprocessing, temperature]),
    await modelHash(model, { signal }),
  );
  const precision = backend === undefined ? "int8" : `float on ${backend}`;
  return { model: id, network, precision };
}

/** What an index is made of. */
interface Parts {
  readonly model: Model;
  readonly key: IndexKey;
  readonly file: string | undefined;
  readonly pictures: Pictures;
  readonly offline: boolean | undefined;
  readonly load: () => Promise<Engine>;
  readonly engine: Engine | undefined;
}

let indexOf: (parts: Parts) => SearchIndex;

/** Pictures that can be searched. Made by {@linkcode openIndex}. */
export class SearchIndex implements AsyncDisposable {
  /** Name of the model. */
  readonly model: string;
  /** The file that it is kept in. */
  readonly file: string | undefined;
  /** The similarity from which on pictures are copies of each other. */
  readonly copies: number = COPIES;
  readonly #parts: Parts;
  readonly #calls = new Calls("index");
  readonly #pictures: Pictures;
  #engine: Promise<Engine> | undefined;
  /** Updates, and searches for copies, wait for the one before: others find pictures moved between two turns. */
  #turn: Promise<unknown> = Promise.resolve();

  static {
    indexOf = (parts) => new SearchIndex(parts);
  }

  private constructor(parts: Parts) {
    const { model, file, engine } = parts;
    this.#parts = parts;
    this.#pictures = parts.pictures;
    this.#engine = engine && Promise.resolve(engine);
    [this.model, this.file] = [model.id, file];
  }

  /** How many pictures there are. */
  get size(): number {
    return this.#pictures.count;
  }

  /** Whether it has a picture of that name. */
  has(name: string): boolean {
    return this.#pictures.positionOf(name) !== undefined;
  }

  /** The pictures, in no order. */
  *pictures(): Generator<Picture, void, undefined> {
    for (let n = 0; n < this.#pictures.count; n++) yield this.#pictures.at(n);
  }

  /**
   * Makes the index that of these pictures: new ones are added, changed ones replaced, and those that are not
   * among them leave. Whether a file has changed is told by its size and its time; what is no file is
   * known by its name alone. Of several of one name the first counts.
   *
   * A picture that fails is no part of the index, and is among the `errors`; the others go on. What was done
   * is kept also if the update ends early. Another process may search the file meanwhile, but not
   * update it.
   *
   * @param images Each with a name: a path, a URL, a `File`, or `{ name, image }`.
   * @throws {TypeError} If an image has no name.
   * @throws {DiskFullError} If the file cannot be written.
   * @throws {Error} If another process updates the file.
   */
  async update(
    images: Images<LazyImage | NamedImage<LazyImage>>,
    options: UpdateOptions = {},
  ): Promise<IndexUpdate> {
    checkOptions(UPDATE_OPTIONS, options);
    return await this.#calls.run(() => this.#inTurn(() => this.#update(images, options)));
  }

  /**
   * Finds the pictures that are most similar to one.
   *
   * @param query An image, or `{ name }` of one that is in the index. One that is there is not among its
   *   own results, also if it is given by the path that is its name.
   * @returns Most similar first.
   * @throws {RangeError} If the index has no picture of that name, an option is out of range, or the model
   *   has no classes by whose scores pictures mean something.
   * @throws As `Classifier.classify()` does, of the image.
   */
  async similar(
    query: ImageInput | { readonly name: string },
    options: SimilarOptions = {},
  ): Promise<Match[]> {
    checkOptions(SIMILAR_OPTIONS, options);
    const { topK, threshold, by } = completeOptions(SIMILAR_OPTIONS, options);
    if (by === "meaning" && this.#pictures.meaning.length === 0) {
      throw new RangeError(
        `The model ${this.model} has no dense layers whose scores say what pictures mean: use another one, ` +
          'or by: "look"',
      );
    }
    return await this.#calls.run(async () => {
      const stamp = typeof query === "string" ? await stampOf(query) : undefined;
      // An update moves pictures: where one is holds until the next `await` only.
      const own = this.#positionOf(query, stamp), pictures = this.#pictures;
      const description = own === undefined
        ? await this.#describe(query as ImageInput, options)
        : pictures.describe(own);
      const similarities = new Float64Array(pictures.count);
      pictures.compare(description, by, 0, similarities);
      if (own !== undefined) similarities[own] = -1;
      const look = new Float64Array(1);
      return nearest(similarities, topK, threshold, pictures).map((n): Match => {
        pictures.compare(description, "look", n, look);
        const similarity = copySimilarity(description, pictures.describe(n), look[0]!);
        const kind = similarity >= this.copies ? "copy" : "similar";
        return { ...pictures.at(n), similarity: similarities[n]!, kind };
      });
    });
  }

  /**
   * Finds pictures that are copies of each other, once updates that were begun are done.
   *
   * @returns A set for each, those with the most copies first.
   * @throws {RangeError} If the threshold is out of range.
   */
  async duplicates(options: DuplicatesOptions = {}): Promise<Duplicates[]> {
    checkOptions(DUPLICATES_OPTIONS, options);
    const { threshold = this.copies, signal } = options;
    const find = (): Promise<Duplicates[]> => {
      const stage = { stage: "compare", unit: "images" } as const;
      const progress = new ProgressTeller(options, stage, this.size);
      return findDuplicates(this.#pictures, threshold, signal, progress);
    };
    return await this.#calls.run(() => {
      const found = this.#inTurn(find);
      return signal === undefined ? found : abortable(found, signal);
    });
  }

  /** Whether {@linkcode SearchIndex.close} was called. */
  get closed(): boolean {
    return this.#calls.closed;
  }

  /** Takes no more calls, waits for those under way, and frees what it holds. Again: only waits. */
  async close(): Promise<void> {
    await this.#calls.close(async () => {
      const engine = await this.#engine?.catch(() => undefined);
      await engine?.[Symbol.asyncDispose]();
    });
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #update(
    images: Images<LazyImage | NamedImage<LazyImage>>,
    options: UpdateOptions,
  ): Promise<IndexUpdate> {
    const { model, file, key } = this.#parts;
    using _lock = file === undefined ? undefined : await lockBeside(file);
    const counts = { added: 0, changed: 0, kept: 0, removed: 0 }, errors: ImageError[] = [];
    const stamps = new Map<string, Stamp>(), pictures = this.#pictures;
    const seen = new Set<string>();
    let unsaved = 0;
    const save = async (): Promise<void> => {
      if (file !== undefined && unsaved > 0) await writeIndex(file, key, pictures);
      unsaved = 0;
    };
    const fresh = async function* (): AsyncGenerator<NamedImage<LazyImage>> {
      for await (const given of images) {
        const named = isNamed(given) ? given as NamedImage<LazyImage> : namedOf(given);
        if (seen.has(named.name)) continue;
        seen.add(named.name);
        const stamp = await stampOf(named.image), at = pictures.positionOf(named.name);
        if (at !== undefined && isSame(pictures.at(at), stamp)) counts.kept++;
        else {
          stamps.set(named.name, stamp ?? {});
          yield named;
        }
      }
    };
    const total = Array.isArray(images) ? images.length : undefined;
    const progress = new ProgressTeller(options, { stage: "index", unit: "images" }, total);
    const work = describing(() => this.#load(), model, this.#reading(options));
    const each = { signal: options.signal, closing: this.#calls };
    try {
      for await (const { name, picture, error } of eachImage(fresh(), "picture", work, each)) {
        progress.reach(counts.kept + counts.added + counts.changed + errors.length + 1);
        if (error !== undefined) {
          errors.push(error);
          continue;
        }
        counts[pictures.positionOf(name!) === undefined ? "added" : "changed"]++;
        const { width, height, bytes, ...description } = picture;
        pictures.put({ name: name!, width, height, bytes, ...stamps.get(name!) }, description);
        if (++unsaved >= SAVE_AFTER) await save();
      }
      const failed = new Set(errors.map(({ image }) => image));
      counts.removed = pictures.keep(({ name }) => seen.has(name) && !failed.has(name));
      unsaved += counts.removed;
    } finally {
      await save();
    }
    progress.end();
    return { ...counts, errors };
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  /** Where a query is, if it is in the index. */
  #positionOf(
    query: ImageInput | { readonly name: string },
    stamp: Stamp | undefined,
  ): number | undefined {
    if (typeof query === "string") {
      const at = this.#pictures.positionOf(query);
      // A file of another folder may be called as one of the index.
      return at !== undefined && isSame(this.#pictures.at(at), stamp) ? at : undefined;
    }
    if (!isReference(query)) return undefined;
    const at = this.#pictures.positionOf(query.name);
    if (at === undefined) throw new RangeError(`The index has no picture ${query.name}`);
    return at;
  }

  async #describe(query: ImageInput, options: SimilarOptions): Promise<Described> {
    const work = describing(() => this.#load(), this.#parts.model, this.#reading(options));
    return await resultsOf(query, work, options) as Described; // Of one image.
  }

  /** One that could not be loaded is tried again by the next call. */
  #load(): Promise<Engine> {
    return this.#engine ??= this.#parts.load().catch((error) => {
      this.#engine = undefined;
      throw error;
    });
  }

  #reading(options: ImageOptions): ImageOptions {
    const offline = this.#parts.offline || options.offline;
    return { ...pickOptions(IMAGE_OPTIONS, options), offline };
  }
}

/** What tells whether a file has changed. */
type Stamp = Partial<Pick<Picture, "bytes" | "modifiedMs">>;

async function stampOf(image: unknown): Promise<Stamp | undefined> {
  try {
    const path = typeof image === "string" ? asUrl(image) ?? image : image;
    const isFile = typeof path === "string" || path instanceof URL && path.protocol === "file:";
    if (!isFile) return undefined;
    const { size, modifiedMs } = await describePath(path);
    return { bytes: size, modifiedMs };
  } catch {
    return undefined; // What is wrong is said where it is read.
  }
}

function isSame({ bytes, modifiedMs }: Picture, stamp: Stamp | undefined): boolean {
  return stamp === undefined
    ? modifiedMs === undefined
    : stamp.bytes === bytes && stamp.modifiedMs === modifiedMs;
}

function namedOf(image: unknown): NamedImage<LazyImage> {
  const name = nameOf(image);
  if (name !== undefined) return { name, image: image as LazyImage };
  throw new TypeError(
    "Expected images with names, such as paths and URLs: give { name, image } for bytes, pixels and streams",
  );
}

/** Whether a query is only the name of a picture. */
function isReference(
  query: ImageInput | { readonly name: string },
): query is { readonly name: string } {
  return typeof query === "object" && Object.getPrototypeOf(query) === Object.prototype &&
    "name" in query && !("data" in query);
}

/** The positions of the largest similarities that reach a threshold, largest first. */
function nearest(
  similarities: Float64Array,
  topK: number,
  threshold: number,
  pictures: Pictures,
): number[] {
  const found: number[] = [];
  let least = threshold;
  const cut = (): void => {
    found.sort((a, b) =>
      similarities[b]! - similarities[a]! || byName(pictures.at(a), pictures.at(b))
    );
    if (found.length > topK) found.length = topK;
    if (found.length === topK) least = similarities[found.at(-1)!]!;
  };
  similarities.forEach((similarity, n) => {
    if (similarity < least) return;
    found.push(n);
    if (found.length >= 2 * topK + SORT_AFTER) cut();
  });
  cut();
  return found;
}

/** Positions beyond twice those that are wanted, after which they are sorted. */
const SORT_AFTER = 100;
