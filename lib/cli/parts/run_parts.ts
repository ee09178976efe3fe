/** Does the parts of a manifest that are one worker's, one after the other. */

import { writeWhole } from "../../io/atomic_file.ts";
import type { LazyImage } from "../../image/image.ts";
import type { ImageOutcome, ImageResult } from "../../input/each_image.ts";
import type { NamedImage } from "../../input/prepared_image.ts";
import { flagName, type Table, text, type Values } from "../../options.ts";
import { isThere, makeFolder, NotCapable } from "../../platform.ts";
import { visibleJson } from "../../report/visible.ts";
import { checkOutputs, type OUTPUT_FLAGS } from "../outputs.ts";
import { ProgressLine } from "../progress.ts";
import { errorOf } from "../run.ts";
import type { Settings } from "../settings.ts";
import { tell, tellError } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { Manifest, type Part } from "./manifest.ts";
import { mayPass, PassingError, readAhead, type ReadAheadOptions } from "./read_ahead.ts";
import { headFor, headOf, nameOfSettings, resultPath } from "./results.ts";
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
    "Pictures of a part that may fail, a number or a percentage of the part size, rounded up: more end the run " +
      "with code 65",
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
  /** Pictures of a part that may fail. */
  readonly maxErrors: number;
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
  return { manifest, outDir, parts, maxErrors: parseMaxErrors(manifest.partSize, maxErrors) };
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

/** A percentage is one of the size of all parts but the last, which may have few pictures. */
function parseMaxErrors(partSize: number, text: string = PARTS_OPTIONS.maxErrors.default): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [], most = Number(digits);
  if (percent === "%" && most <= 100) return Math.ceil(most * partSize / 100);
  if (percent === "" && Number.isSafeInteger(most)) return most;
  throw new UsageError(
    `Option --max-errors needs a number of pictures, or a percentage such as 1%: found "${text}"`,
  );
}

/** What is done with each picture of a part. */
export interface PartWork<Name extends string, Result> {
  readonly settings: Settings;
  /** Such as `["Classifying", "classified"]`. */
  readonly verb: readonly [doing: string, done: string];
  /** Files beside the lines, by their endings. */
  readonly endings?: readonly string[];
  /** Looks at pictures, in their order. */
  stream(images: AsyncIterable<NamedImage<LazyImage>>): AsyncIterable<ImageOutcome<Name, Result>>;
  /** Begins with a part; `paths` are of the files beside its lines. */
  begin(part: Part, paths: readonly string[]): Promise<PartResults<Name, Result>>;
}

/** What comes of the pictures of a part. */
export interface PartResults<Name extends string, Result> extends Disposable {
  /** What the line of a picture says beside its id. */
  record(found: ImageResult<Name, Result>): Readonly<Record<string, unknown>>;
  /** Writes what lies beside the lines, before these. */
  finish?(errors: ReadonlyMap<number, { readonly message: string }>): Promise<void>;
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
  { manifest, outDir, parts }: Job,
  pathsOf: (number: number) => readonly string[],
  options: Values<typeof OUTPUT_FLAGS>,
): Promise<readonly number[] | undefined> {
  const left: number[] = [];
  for (const number of parts) {
    const paths = pathsOf(number), areThere = !options.force && paths.every(isThere);
    if (!options.force && isThere(paths[0]!)) headFor(paths[0]!, await manifest.part(number));
    if (!areThere) left.push(number);
  }
  const paths = left.flatMap(pathsOf), force = options.force && paths.length > 0;
  // What lies beside the results of a part that are not there was left by a run that was killed.
  const plan = force ? { writes: paths } : { writes: [], grows: paths };
  const isWanted = await checkOutputs({ reads: [manifest.folder], ...plan }, { ...options, force });
  if (isWanted) await makeFolder(outDir);
  return isWanted ? left : undefined;
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
  const { manifest, parts, outDir, maxErrors } = job, { settings, verb: [doing, isDone] } = work;
  const { endings = [] } = work, { offline, pausesMs, force } = options;
  const name = await nameOfSettings(settings);
  const pathsOf = (number: number): string[] =>
    [".jsonl", ...endings].map((ending) => resultPath(outDir, number, name, ending));
  const left = await partsToDo(job, pathsOf, options);
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
      const paths = pathsOf(number);
      // Another worker may have done it meanwhile.
      if (!force && paths.every(isThere)) continue;
      const reading = { offline, pausesMs, signal };
      failed += await doPart(await manifest.part(number), paths, maxErrors, work, reading, count);
      finished++;
    }
  } finally {
    if (signal.aborted) {
      tell(`Stopped after ${finished} of ${left.length} parts: run the same command to go on`);
    }
  }
  const seconds = Math.max(0.1, (performance.now() - start) / 1000).toFixed(1);
  const counts = [
    `${done - before} of ${total} ${isDone} in ${seconds} s`,
    ...before > 0 ? [`${before} before`] : [],
    ...failed > 0 ? [`${failed} with an error`] : [],
  ];
  tell(`${counts.join(", ")}: ${finished} of ${parts.length} parts in ${outDir}`);
}

/**
 * Does a part, and writes what came of it.
 *
 * @param paths Of its lines, and of what lies beside them.
 * @returns How many pictures failed.
 */
async function doPart<Name extends string, Result>(
  part: Part,
  [linesPath, ...others]: readonly string[],
  maxErrors: number,
  { settings, stream, begin }: PartWork<Name, Result>,
  reading: ReadAheadOptions,
  onPicture: () => void,
): Promise<number> {
  const { entries } = part;
  using results = await begin(part, others);
  const errors = new Map<number, { readonly message: string }>();
  const lines = [visibleJson(headOf(part, settings))];
  for await (const found of stream(readAhead(entries, reading))) {
    const { index } = found, { id } = entries[index]!;
    if (found.error === undefined) lines.push(visibleJson({ id, ...results.record(found) }));
    else {
      const { cause } = found.error, error = errorOf(cause);
      if (cause instanceof NotCapable) throw cause; // Of all pictures.
      if (mayPass(cause)) throw new PassingError(`${id}: ${error.message}`);
      lines.push(visibleJson({ id, error }));
      errors.set(index, error);
      if (errors.size > maxErrors) throw tooMany(part, errors, id);
    }
    onPicture();
  }
  await results.finish?.(errors);
  await writeWhole(linesPath!, lines.join("\n") + "\n");
  return errors.size;
}

function tooMany(
  { number, entries }: Part,
  errors: ReadonlyMap<number, { readonly message: string }>,
  last: string,
): TooManyErrors {
  const { message } = [...errors.values()].at(-1)!;
  return new TooManyErrors(
    `${errors.size} of the ${entries.length} pictures of part ${number} have failed, more than --max-errors ` +
      `permits; the last was ${last}: ${message}`,
  );
}
