/**
 * What the commands share: the options that choose a classifier, Ctrl-C, and going on after a bad image.
 */

import { type ErrorCode, isVggError } from "../errors.ts";
import type { ImageInput, LazyImage } from "../image/image.ts";
import { eachImage, type ImageOutcome, type ImageResult } from "../input/each_image.ts";
import type { NamedImage } from "../input/prepared_image.ts";
import { CLASSIFIER_OPTIONS, type Table } from "../options.ts";
import { publicText } from "../public_url.ts";
import type { Input } from "./inputs.ts";
import { ProgressLine } from "./progress.ts";
import { tell, tellError } from "./terminal.ts";

const { model, backend, precision, threads, offline } = CLASSIFIER_OPTIONS;

export const CLASSIFIER_FLAGS = { model, backend, precision, threads, offline } satisfies Table;

/** The title above them. */
export const CLASSIFIER_TITLE = { model: "Of the classifier" };

/** What ends a command, and its exit code then: 128 and the signal's number. */
const EXIT_CODES: Partial<Record<Deno.Signal, number>> = Deno.build.os === "windows"
  ? { SIGINT: 130 }
  : { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Runs work that Ctrl-C aborts: resolves to its exit code, or to 130 if it was aborted. A second Ctrl-C
 * ends the process at once.
 */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interrupt = new AbortController();
  let exitCode = 0;
  const handlers = Object.entries(EXIT_CODES).map(([signal, code]) => {
    const stop = (): void => {
      if (interrupt.signal.aborted) Deno.exit(code);
      exitCode = code;
      interrupt.abort();
    };
    return [signal as Deno.Signal, stop] as const; // A key of the table.
  });
  for (const handler of handlers) Deno.addSignalListener(...handler);
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return exitCode;
    throw error;
  } finally {
    for (const handler of handlers) Deno.removeSignalListener(...handler);
  }
}

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
    image: () => {
      onOpen?.(index);
      return place === "-" ? Deno.stdin.readable : place;
    },
  }));
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

/**
 * Keeps what came of one image after the other: one that failed is reported, the others go on. Where a
 * result cannot be kept, none goes on.
 *
 * @param total How many there are.
 * @param verb Such as `["Classifying", "classified"]`, for what is shown.
 * @param keep Keeps a result, or prints it.
 * @param keepFailure Likewise, of an image that failed, which is told on standard error in any case.
 * @returns The exit code: 1 if an image failed
 */
export async function keepEach<Name extends string, Result>(
  items: AsyncIterable<ImageOutcome<Name, Result>>,
  total: number,
  verb: readonly [doing: string, done: string],
  keep: (found: ImageResult<Name, Result>, file: string) => Promise<void> | void,
  keepFailure: (failure: Failure) => void = () => {},
): Promise<number> {
  using progress = total > 1 ? new ProgressLine(verb[0]) : undefined;
  progress?.update(0, total);
  let failed = 0;
  for await (const item of items) {
    const file = item.name!; // Every input has one.
    if (item.error !== undefined) {
      // As it was thrown: the file is named beside it.
      tellError(item.error.cause, file);
      keepFailure(failureOf(file, item.error.cause));
      failed++;
    } else await keep(item, file);
    progress?.update(item.index + 1, total);
  }
  if (failed > 0 && total > 1) tell(`${failed} of ${total} images could not be ${verb[1]}`);
  return failed > 0 ? 1 : 0;
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
  const message = publicText(error instanceof Error ? error.message : String(error));
  if (!isVggError(error)) return { file, error: { retryable: false, message } };
  return { file, error: { code: error.code, retryable: error.retryable, message } };
}
