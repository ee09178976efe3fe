/** Pictures of a data set that cannot be read: left out, named, and held against their number. */

import { type ErrorCode, isVggError } from "../errors.ts";
import type { ImageOptions, Pixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { IMAGE_OPTIONS, pickOptions } from "../options.ts";
import { NotFound } from "../platform.ts";
import { publicText } from "../public_url.ts";
import { type IndexedSample, openSample } from "./dataset.ts";
import { isOfImage, withoutPlace } from "./image_error.ts";

/** Why a picture cannot be read. */
export interface SkipReason {
  /** In words. */
  readonly reason: string;
  /** For a program, where the error has a code. */
  readonly code?: ErrorCode | undefined;
}

/** A picture of a data set that was left out. */
export interface SkippedSample extends SkipReason {
  /** Its path, or what else it is called. */
  readonly file: string;
  /** Its class, by name. */
  readonly label: string;
  /** The line of the list that names it, where there is a list. */
  readonly line?: number | undefined;
}

/** Part of a class that may be left out. */
const MAX_PART = 0.1;
/** Pictures that an error names. */
const MAX_NAMED = 100;

/** Those that were left out so far. */
export class SkippedSamples {
  /** In the order in which they were read. */
  readonly list: SkippedSample[] = [];
  readonly #byClass = new Map<number, SkippedSample[]>();
  readonly #labels: readonly string[];

  /** @param labels Names of the classes. */
  constructor(labels: readonly string[]) {
    this.#labels = labels;
  }

  /**
   * Reads the picture of a sample.
   *
   * @param shorterSide How many pixels of the shorter side are needed. Default: all.
   * @returns Undefined if it cannot be read: then it is one of the list.
   */
  async read(
    sample: IndexedSample,
    options: ImageOptions,
    shorterSide?: number,
  ): Promise<Pixels | undefined> {
    try {
      const reading = { ...pickOptions(IMAGE_OPTIONS, options), shorterSide };
      return await readImage(await openSample(sample, options.signal), reading);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.add(sample, error);
      return undefined;
    }
  }

  /**
   * Leaves a sample out.
   *
   * @param error What came as its picture was read.
   * @throws The error, if it is no fault of the picture.
   */
  add(sample: IndexedSample, error: unknown): void {
    if (!isOfImage(error)) throw error;
    this.addBecause(sample, reasonOf(error));
  }

  /** Leaves a sample out, for a reason that is known. */
  addBecause({ file, label, line }: IndexedSample, why: SkipReason): void {
    const skipped = {
      ...{ file: publicText(file), label: this.#labels[label] ?? String(label) },
      ...line === undefined ? {} : { line },
      ...why,
    };
    this.list.push(skipped);
    const ofClass = this.#byClass.get(label) ?? [];
    ofClass.push(skipped);
    this.#byClass.set(label, ofClass);
  }

  /**
   * Checks, once all are read, that what is left of each class still stands for it: no more than a tenth
   * of its pictures, or one, was left out.
   *
   * @param samples All of them, also those that were left out.
   * @param skipBad Whether as many as there are may be left out, as long as there is one of each class.
   * @throws {RangeError} If more were. The message names them.
   */
  check(samples: readonly IndexedSample[], skipBad: boolean): void {
    const totals = Map.groupBy(samples, ({ label }) => label);
    const bad = [...this.#byClass].map(([label, skipped]) => {
      const [first] = skipped, total = totals.get(label)?.length ?? 0;
      const what = `${skipped.length} of ${total} pictures of "${first!.label}"`;
      return { skipped, total, what };
    }).filter(({ skipped: { length }, total }) =>
      length >= total || !skipBad && length > 1 && length > MAX_PART * total
    );
    if (bad.length === 0) return;
    const counts = bad.map(({ what }) => what).join(", ");
    const pictures = bad.flatMap(({ skipped }) => skipped);
    const named = pictures.slice(0, MAX_NAMED).map(describeSkipped);
    const more = pictures.length > MAX_NAMED ? [`… ${pictures.length} in all`] : [];
    const isAll = bad.some(({ skipped, total }) => skipped.length >= total);
    const advice = isAll
      ? "and a class needs at least one"
      : "which is more than a tenth. Mend or remove them, or go on without them by skipBad (--skip-bad)";
    const lines = [`${counts} cannot be read, ${advice}:`, ...named, ...more];
    // Names of files may have line breaks of their own: who shows the lines must know where they end.
    throw Object.assign(new RangeError(lines.join("\n")), { lines });
  }
}

/** A picture that was left out, and why: `cats/1.jpg (line 3): Expected …`. */
export function describeSkipped(
  { file, line, reason }: Pick<SkippedSample, "file" | "line" | "reason">,
): string {
  return `${file}${line === undefined ? "" : ` (line ${line})`}: ${reason}`;
}

/** Those that were left out as a table, its header first. */
export function skippedRows(skipped: readonly SkippedSample[]): string[][] {
  const rows = skipped.map(({ file, label, line, reason }) => [
    ...[line === undefined ? file : `${file} (line ${line})`, label, reason],
  ]);
  return [["picture", "class", "why"], ...rows];
}

/** What an error says of a picture that is named beside it. */
export function reasonOf(error: unknown): SkipReason {
  const own = withoutPlace(error);
  if (own instanceof NotFound) return { reason: "there is no such file", code: "image-not-found" };
  const reason = publicText(own instanceof Error ? own.message : String(own));
  return isVggError(own) ? { reason, code: own.code } : { reason };
}
