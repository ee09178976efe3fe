/** Does the parts of a manifest that are one worker's, one after the other. */

import { writeWhole } from "../../io/atomic_file.ts";
import { basename } from "node:path";
import { isVggError } from "../../errors.ts";
import type { LazyImage } from "../../image/image.ts";
import type { ImageOutcome, ImageResult } from "../../input/each_image.ts";
import type { NamedImage } from "../../input/prepared_image.ts";
import { flagName, type Table, text, type Values } from "../../options.ts";
import { describePath, makeFolder, NotCapable } from "../../platform.ts";
import { visibleJson } from "../../report/visible.ts";
import { checkOutputs, type OUTPUT_FLAGS } from "../outputs.ts";
import { ProgressLine } from "../progress.ts";
import { errorOf, type Failure } from "../run.ts";
import type { Settings } from "../settings.ts";
import { tell, tellError } from "../terminal.ts";
import { isWebUrl } from "../../urls.ts";
import { UsageError } from "../usage_error.ts";
import { Manifest, type Part } from "./manifest.ts";
import { mayPass, PassingError, readAhead, type ReadAheadOptions } from "./read_ahead.ts";
import { type Head, headLine, nameOfSettings, resultPath, wholeHead } from "./results.ts";
import { parseShare, SCHEDULER_NAMES } from "./share.ts";

/** What a command takes that does parts. */
export const PARTS_OPTIONS = {
  manifest: text(
    { placeholder: "DIR" },
    "Instead of pictures, the parts that vgg16 manifest made; their results go into --out-dir",
  ),
  part: text(
    { placeholder: "I/N" },
    "Only worker I of N: parts I, I + N ... of the manifest. auto/N takes the I of a " +
      `${SCHEDULER_NAMES.slice(0, -1).join(", ")} or ${SCHEDULER_NAMES.at(-1)}; auto: part I alone`,
  ),
  maxErrors: text(
    { placeholder: "N%", default: "10%" },
    "Pictures of a part that may fail, a number or a percentage of them, rounded up: more end the run with code 65",
  ),
} satisfies Table;

/** Where results of parts go. */
export const PARTS_OUT_DIR = {
  outDir: text(
    { placeholder: "DIR" },
    "Where the results of parts go; parts that are there are skipped",
  ),
} satisfies Table;

/** Exit codes (`sysexits.h`): the data are at fault, or what may pass by itself. */
export const TOO_MANY_ERRORS = 65, MAY_PASS = 75;

type PartsValues = Values<typeof PARTS_OPTIONS & typeof PARTS_OUT_DIR & typeof OUTPUT_FLAGS>;

/** Parts that one worker does. */
export interface Job {
  readonly manifest: Manifest;
  readonly outDir: string;
  /** Numbers of parts. */
  readonly parts: readonly number[];
  readonly maxErrors: MaxErrors;
}

/** @throws {UsageError} If options say no such job. */
export async function findJob(operands: readonly string[], options: PartsValues): Promise<Job> {
  const { manifest: folder, part, maxErrors, outDir } = options;
  if (operands.length > 0) {
    throw new UsageError(`--manifest stands instead of pictures: found ${operands[0]}, too`);
  }
  if (folder === undefined || outDir === undefined) {
    throw new UsageError("--manifest needs --out-dir, where the results of its parts go");
  }
  const manifest = await Manifest.open(folder);
  const { index, count } = part === undefined
    ? { index: 1, count: 1 }
    : parseShare(part, "--part", manifest.parts);
  const parts: number[] = [];
  for (let number = index; number <= manifest.parts; number += count) parts.push(number);
  return { manifest, outDir, parts, maxErrors: parseMaxErrors(maxErrors) };
}

/**
 * Makes sure that nothing is given which only the parts of a manifest have.
 *
 * @throws {UsageError} If it is.
 */
export function checkNoParts(
  { part, maxErrors, outDir }: Pick<PartsValues, "part" | "maxErrors" | "outDir">,
): void {
  const [name] = givenOf({ part, maxErrors, outDir });
  if (name !== undefined) throw new UsageError(`Option --${name} is for the parts of a --manifest`);
}

/**
 * Makes sure that nothing is given which the parts of a manifest do not have.
 *
 * @throws {UsageError} If it is.
 */
export function checkOnlyParts(others: Readonly<Record<string, unknown>>): void {
  const [name] = givenOf(others);
  if (name === undefined) return;
  throw new UsageError(`Options --manifest and --${name} exclude each other`);
}

/** The flags of values that are given. */
function givenOf(values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(values).filter((name) => values[name] !== undefined).map(flagName);
}

/** How many of a part's pictures may fail. */
type MaxErrors = (pictures: number) => number;

function parseMaxErrors(text: string = PARTS_OPTIONS.maxErrors.default): MaxErrors {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [], most = Number(digits);
  if (percent === "%" && most <= 100) return (pictures) => Math.ceil(most * pictures / 100);
  if (percent === "" && Number.isSafeInteger(most)) return () => most;
  throw new UsageError(
    `Option --max-errors needs a number of pictures, or a percentage such as 1%: found "${text}"`,
  );
}

/** What is done with each picture of a part. */
export interface PartWork<Name extends string, Result> {
  readonly settings: Settings;
  /** Such as `["Classifying", "classified"]`. */
  readonly verb: readonly [doing: string, done: string];
  /** Looks at pictures, in their order. */
  stream(images: AsyncIterable<NamedImage<LazyImage>>): AsyncIterable<ImageOutcome<Name, Result>>;
  /** Begins with a part; `pathOf` gives the path of what lies beside its lines, by its ending. */
  begin(part: Part, pathOf: (ending: string) => string): PartResults<Name, Result>;
}

/** What comes of the pictures of a part. */
export interface PartResults<Name extends string, Result> extends Disposable {
  /** What the line of a picture says beside its id. */
  record(found: ImageResult<Name, Result>): Readonly<Record<string, unknown>>;
  /** Writes what lies beside the lines, before these. Its name tells its contents. Resolves to its path. */
  finish?(errors: ReadonlyMap<number, { readonly message: string }>): Promise<string>;
}

/** The part has more pictures that failed than may. */
class TooManyErrors extends Error {}

/**
 * Checks where a job writes.
 *
 * @returns The parts that are left to do; `undefined` to do nothing.
 * @throws {UsageError} If results are there of other pictures.
 */
async function partsToDo(
  job: Job,
  pathOf: (number: number) => string,
  options: Values<typeof OUTPUT_FLAGS>,
): Promise<readonly number[] | undefined> {
  const { manifest, outDir, parts } = job;
  const left = options.force ? parts : parts.filter((number) => !isDone(job, number, pathOf));
  const paths = left.map(pathOf), force = options.force && paths.length > 0;
  const plan = force ? { writes: paths } : { writes: [], grows: paths };
  const isWanted = await checkOutputs({ reads: [manifest.folder], ...plan }, { ...options, force });
  if (isWanted) await makeFolder(outDir);
  return isWanted ? left : undefined;
}

function isDone({ manifest }: Job, number: number, pathOf: (number: number) => string): boolean {
  return wholeHead(pathOf(number), number, manifest.listOf(number)) !== undefined;
}

/**
 * Does what a command does in parts.
 *
 * @returns The exit code: that of the work, or what its error stands for where a scheduler should know it.
 */
export async function withPartCodes(
  work: () => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const isPassing = mayPass(error);
    if (signal.aborted || !isPassing && !(error instanceof TooManyErrors)) throw error;
    tellError(error);
    if (isPassing) tell("This may pass: run the same command to go on");
    return isPassing ? MAY_PASS : TOO_MANY_ERRORS;
  }
}

/** Does a job. What cannot be read is a line with its error. */
export async function runParts<Name extends string, Result>(
  job: Job,
  work: PartWork<Name, Result>,
  options: PartsValues & Pick<ReadAheadOptions, "offline" | "pausesMs">,
  signal: AbortSignal,
): Promise<void> {
  const { manifest, parts, outDir } = job, { settings, verb: [doing, isDoneSo] } = work;
  const { offline, pausesMs, force } = options, reading = { offline, pausesMs, signal };
  const name = await nameOfSettings(settings);
  const pathOf = (number: number): string => resultPath(outDir, number, name);
  const left = await partsToDo(job, pathOf, options);
  if (left === undefined) return;
  const sizesOf = (numbers: readonly number[]): number =>
    numbers.reduce((sum, number) => sum + manifest.sizeOf(number), 0);
  const total = sizesOf(parts), before = total - sizesOf(left), start = performance.now();
  let done = before, failed = 0, finished = 0;
  using progress = new ProgressLine(doing);
  progress.update(done, total);
  const count = (): void => progress.update(++done, total);
  try {
    for (const number of left) {
      // Another worker may have done it meanwhile.
      if (!force && isDone(job, number, pathOf)) continue;
      const part = await manifest.part(number), most = job.maxErrors(part.entries.length);
      failed += await doPart(part, outDir, name, most, work, reading, count);
      finished++;
    }
  } finally {
    if (signal.aborted) {
      tell(`Stopped after ${finished} of ${left.length} parts: run the same command to go on`);
    }
  }
  const seconds = Math.max(0.1, (performance.now() - start) / 1000).toFixed(1);
  const counts = [
    `${done - before - failed} of ${total} ${isDoneSo} in ${seconds} s`,
    ...before > 0 ? [`${before} before`] : [],
    ...failed > 0 ? [`${failed} could not be`] : [],
  ];
  tell(`${counts.join(", ")}: ${finished} of ${parts.length} parts in ${outDir}`);
}

/**
 * Does a part, and writes what came of it.
 *
 * @param name Of the settings.
 * @returns How many pictures failed.
 */
async function doPart<Name extends string, Result>(
  part: Part,
  outDir: string,
  name: string,
  maxErrors: number,
  { settings, stream, begin }: PartWork<Name, Result>,
  reading: ReadAheadOptions,
  onPicture: () => void,
): Promise<number> {
  const { number, entries, list } = part;
  using results = begin(part, (ending) => resultPath(outDir, number, name, ending));
  const errors = new Map<number, Failure["error"]>(), lines: string[] = [];
  for await (const found of stream(readAhead(entries, reading))) {
    const { index } = found, { id, place } = entries[index]!;
    if (found.error === undefined) lines.push(visibleJson({ id, ...results.record(found) }));
    else {
      const { cause } = found.error, error = errorOf(cause);
      // Of all pictures.
      if (cause instanceof NotCapable || isVggError(cause, "offline")) throw cause;
      // A server may be one that nobody ever finds.
      if (mayPass(cause) && !isWebUrl(place)) throw new PassingError(`${id}: ${error.message}`);
      lines.push(visibleJson({ id, error }));
      errors.set(index, error);
      if (errors.size > maxErrors) throw tooMany(part, errors, id);
    }
    onPicture();
  }
  const first = headLine({
    ...{ settings, part: number, pictures: entries.length, list },
    ...await besideOf(await results.finish?.(errors)),
  });
  await writeWhole(resultPath(outDir, number, name), [first, ...lines, ""].join("\n"));
  return errors.size;
}

/** What a first line says of a file that was written. */
async function besideOf(path: string | undefined): Promise<Pick<Head, "beside" | "besideBytes">> {
  return path === undefined
    ? {}
    : { beside: basename(path), besideBytes: (await describePath(path)).size };
}

/** An error for many. Where most of these may pass, it may. */
function tooMany(
  { number, entries }: Part,
  errors: ReadonlyMap<number, Failure["error"]>,
  last: string,
): Error {
  const all = [...errors.values()], passing = all.filter(({ retryable }) => retryable).length;
  const message =
    `${errors.size} of the ${entries.length} pictures of part ${number} have failed, more than --max-errors ` +
    `permits; the last was ${last}: ${all.at(-1)!.message}`;
  return 2 * passing > all.length ? new PassingError(message) : new TooManyErrors(message);
}
