/**
 * What the commands share: the options that choose a classifier, and going on after a bad image.
 */

import { type ErrorCode, isVggError } from "../errors.ts";
import type { ImageInput, LazyImage } from "../image/image.ts";
import { eachImage, type ImageOutcome, type ImageResult } from "../input/each_image.ts";
import type { NamedImage } from "../input/prepared_image.ts";
import { CLASSIFIER_OPTIONS, type Table } from "../options.ts";
import { describePath, NotFound } from "../platform.ts";
import { publicText } from "../public_url.ts";
import { isWebUrl } from "../urls.ts";
import type { Input } from "./inputs.ts";
import { ProgressLine } from "./progress.ts";
import { pictureFromStdin } from "./stdin.ts";
import { tell, tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const { model, backend, precision, threads, offline } = CLASSIFIER_OPTIONS;

export const CLASSIFIER_FLAGS = { model, backend, precision, threads, offline } satisfies Table;

/**
 * Inputs as a classifier takes them.
 *
 * @param onOpen Called with the position of each when its turn comes.
 */
export function imagesOf(
  inputs: readonly Input[],
  onOpen?: (index: number) => void,
): NamedImage<LazyImage>[] {
  return inputs.map(({ name, place }, index) => ({
    name,
    image: async () => {
      onOpen?.(index);
      if (place === "-") return await pictureFromStdin();
      await checkFile(place);
      return place;
    },
  }));
}

/**
 * Looks at what is to be read, without holding up whatever else is under way.
 *
 * @returns Its bytes, where that is known before.
 * @throws {RangeError} If a path leads to a pipe or a device, which may have no end.
 */
export async function checkFile(place: string): Promise<number | undefined> {
  if (isWebUrl(place)) return undefined;
  // Whatever else is wrong with a path is told where it is read.
  const info = await describePath(place).catch(() => undefined);
  if (info === undefined || info.isFile || info.isFolder) return info?.size;
  throw new RangeError("It is no file: read a pipe as -");
}

/** Does something with each image alone; the next one begins as the result of one is kept. */
export function eachAlone<Result>(
  inputs: readonly Input[],
  signal: AbortSignal,
  work: (image: ImageInput) => Promise<Result>,
): AsyncIterable<ImageOutcome<"result", Result>> {
  return eachImage(imagesOf(inputs), "result", {
    // Nobody has made one ready before.
    prepare: (image) => work(image as ImageInput),
    compute: (done) => Promise.resolve(done.map((value) => ({ status: "fulfilled", value }))),
    most: 1,
    bytesOf: () => 0,
  }, { signal });
}

/** What is done with many images. */
export interface Bulk {
  /** How many there are, with those that an earlier run has done. */
  readonly total: number;
  readonly done: number;
  /** Such as `["Classifying", "classified"]`, for what is shown. */
  readonly verb: readonly [doing: string, done: string];
  /** Where results go, if not to standard output. */
  readonly where?: string | undefined;
  /** Whether the same command goes on where this one was stopped. */
  readonly goesOn: boolean;
  readonly signal: AbortSignal;
}

/**
 * Keeps what came of one image after the other: one that failed is reported, the others go on. Where a
 * result cannot be kept, none goes on. It ends with a line on standard error that sums up.
 *
 * @param keep Keeps a result, or prints it.
 * @param keepFailure Likewise, of an image that failed, which is told on standard error in any case.
 * @returns The exit code: 1 if an image failed
 */
export async function keepEach<Name extends string, Result>(
  items: AsyncIterable<ImageOutcome<Name, Result>>,
  { total, done, verb: [doing, isDone], where, goesOn, signal }: Bulk,
  keep: (found: ImageResult<Name, Result>, file: string) => Promise<void> | void,
  keepFailure: (failure: Failure) => void = () => {},
): Promise<number> {
  using progress = total > 1 ? new ProgressLine(doing) : undefined;
  const start = performance.now();
  let failed = 0, ended = 0;
  progress?.update(done, total);
  try {
    for await (const item of items) {
      const file = item.name!; // Every input has one.
      if (item.error !== undefined) {
        // As it was thrown: the file is named beside it.
        tellError(item.error.cause, file);
        keepFailure(failureOf(file, item.error.cause));
        failed++;
      } else await keep(item, file);
      progress?.update(done + ++ended, total);
    }
  } finally {
    if (total > 1 && signal.aborted) {
      const more = goesOn ? ": run the same command to go on" : "";
      tell(`Stopped after ${done + ended} of ${total}${more}`);
    }
  }
  if (total > 1) {
    const seconds = Math.max(0.1, (performance.now() - start) / 1000).toFixed(1);
    const counts = [
      `${ended - failed} of ${total} ${isDone} in ${seconds} s`,
      ...done > 0 ? [`${done} before`] : [],
      ...failed > 0 ? [`${failed} could not be`] : [],
    ];
    tell(counts.join(", ") + (where === undefined ? "" : `: ${where}`));
  }
  return failed > 0 ? 1 : 0;
}

/** Inputs without those that are given again, where each is to be kept once. */
export function once(inputs: readonly Input[], isWanted: boolean): readonly Input[] {
  return isWanted ? [...new Map(inputs.map((input) => [input.name, input])).values()] : inputs;
}

/**
 * Lists what a command is about: that there is nothing of the kind is a wrong command line.
 *
 * @throws {UsageError} If there is not.
 */
export async function withData<Result>(list: () => Promise<Result>): Promise<Result> {
  try {
    return await list();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof NotFound)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/**
 * Begins what checks its settings first: a wrong one is wrong for every image.
 *
 * @throws {UsageError} If one is.
 */
export function withSettings<Result>(begin: () => Result): Result {
  try {
    return begin();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/** What a line of JSON says of an image that failed. Only errors of the library have a code. */
export interface Failure {
  readonly file: string;
  readonly error: {
    readonly code?: ErrorCode;
    readonly retryable: boolean;
    readonly message: string;
  };
}

function failureOf(file: string, error: unknown): Failure {
  return { file, error: errorOf(error) };
}

/** What a line of JSON says of an error. */
export function errorOf(error: unknown): Failure["error"] {
  const message = publicText(error instanceof Error ? error.message : String(error));
  if (!isVggError(error)) return { retryable: false, message };
  return { code: error.code, retryable: error.retryable, message };
}
