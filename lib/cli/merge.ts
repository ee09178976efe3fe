/** `merge`: whether the results of all parts are there, and what they are together. */

import { extname, join } from "node:path";
import { AtomicFile } from "../io/atomic_file.ts";
import { flag, type Table, text, type Values } from "../options.ts";
import { fileNames, isThere } from "../platform.ts";
import { takeTurn } from "../threads/turn.ts";
import type { Command } from "./command.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS } from "./outputs.ts";
import { checkResults } from "./parts/check_results.ts";
import { Manifest, type Part } from "./parts/manifest.ts";
import { type Merged, MERGED_FORMATS } from "./parts/merged_rows.ts";
import { headFor, RESULT, resultPath } from "./parts/results.ts";
import { PARTS_OPTIONS } from "./parts/run_parts.ts";
import { WRITES } from "./permissions.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import type { Settings } from "./settings.ts";
import { print, printJson, tell, tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  manifest: { ...PARTS_OPTIONS.manifest, about: "The parts that vgg16 manifest made" },
  settings: text(
    { placeholder: "NAME", unset: "all there is" },
    "Which results are meant where a folder has those of several settings: the letters in their names",
  ),
  out: text(
    { placeholder: "FILE" },
    "Write all results of classify into FILE, in the manifest's order: .jsonl, .csv, .tsv or .parquet",
  ),
  parquet: flag({}, "Write them to all.parquet, in the folder of the results"),
  ...OUTPUT_FLAGS,
  json: flag({}, "Print what was found as one JSON document"),
} satisfies Table;

export const mergeCommand: Command<typeof OPTIONS> = {
  usage: "--manifest DIR [OPTIONS] RESULTS",
  operands: { "RESULTS": "The folder that was the --out-dir of the parts" },
  examples: [
    { line: "vgg16 merge --manifest parts out" },
    { line: "vgg16 merge --manifest parts out --out all.parquet", permissions: WRITES },
  ],
  options: OPTIONS,
  notes:
    "Exit code: 0 if each picture has one line, whether or not with an error; 1 if not, or 2 for a wrong command line.",

  async run(operands, options, signal) {
    const [folder, ...more] = operands;
    if (folder === undefined || more.length > 0) {
      throw new UsageError("merge needs one folder, which has the results of parts");
    }
    if (options.manifest === undefined) {
      throw new UsageError("merge needs --manifest, the folder of the parts");
    }
    const manifest = await Manifest.open(options.manifest);
    const name = await chosenResults(folder, options.settings);
    const out = outputOf(folder, options);
    const isWanted = await checkOutputs({
      reads: [options.manifest, folder],
      writes: out === undefined ? [] : [out],
    }, options);
    if (!isWanted) return 0;
    const found = new Found(manifest);
    if (out === undefined) await found.check(folder, name, signal);
    else {
      await makeFolderOf(out);
      using file = await AtomicFile.create(out);
      let end = 0;
      const write = (bytes: Uint8Array): void => {
        file.write(end, bytes);
        end += bytes.length;
      };
      await found.check(folder, name, signal, { format: formatOf(out)!, write });
      if (found.isWhole) await file.commit(options.force !== true);
      else tell(`${out} is not written`);
    }
    if (options.json) printJson(found.report);
    else print(found.lines);
    if (found.isWhole) return 0;
    tellError(new Error(`The set is not whole: ${found.lack}`));
    return 1;
  },
};

/** Where all results are written, if anywhere. */
function outputOf(
  folder: string,
  { out, parquet = false }: Values<typeof OPTIONS>,
): string | undefined {
  if (out !== undefined && parquet) {
    throw new UsageError("Options --out and --parquet exclude each other");
  }
  if (parquet) return join(folder, "all.parquet");
  if (out === undefined || formatOf(out) !== undefined) return out;
  const endings = Object.keys(MERGED_FORMATS).map((format) => `.${format}`);
  throw new UsageError(`Option --out needs a file ending in ${endings.join(", ")}: found "${out}"`);
}

function formatOf(out: string): keyof typeof MERGED_FORMATS | undefined {
  const ending = extname(out).slice(1).toLowerCase();
  return Object.hasOwn(MERGED_FORMATS, ending) ? ending as keyof typeof MERGED_FORMATS : undefined;
}

/**
 * The letters that the names of the results have.
 *
 * @throws {UsageError} If there are none, or of several settings.
 */
async function chosenResults(folder: string, wanted: string | undefined): Promise<string> {
  const names = await withData(() => Promise.resolve(fileNames(folder)));
  const counts = new Map<string, number>();
  for (const name of names) {
    const letters = RESULT.exec(name)?.[2];
    if (letters !== undefined) counts.set(letters, (counts.get(letters) ?? 0) + 1);
  }
  if (counts.size === 0) throw new UsageError(`${folder} has no results of parts`);
  const [only, ...others] = counts.keys();
  if (wanted === undefined && others.length === 0) return only!;
  if (wanted !== undefined && counts.has(wanted)) return wanted;
  const found = [...counts].map(([letters, count]) => `${letters} (${partsText(count)})`);
  const several = wanted === undefined
    ? "results of several settings"
    : `no results called ${wanted}`;
  throw new UsageError(`${folder} has ${several}: choose from ${found.join(", ")} by --settings`);
}

/** Where all results go. */
interface Output {
  readonly format: keyof typeof MERGED_FORMATS;
  write(bytes: Uint8Array): void;
}

/** Ids that are named at the most. */
const FEW = 10;

/** What was found of a set. */
class Found {
  readonly #manifest: Manifest;
  /** Numbers of parts that have no results. */
  readonly #missingParts: number[] = [];
  readonly #missing: string[] = [];
  readonly #doubled: string[] = [];
  readonly #foreign: string[] = [];
  /** How many pictures failed, by the code of their errors. */
  readonly #failed = new Map<string, number>();
  #rows = 0;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
  }

  /** Goes through the parts, of which one is held at a time. */
  async check(
    folder: string,
    name: string,
    signal: AbortSignal,
    output?: Output,
  ): Promise<void> {
    const { parts } = this.#manifest;
    using progress = new ProgressLine("Checking");
    let merged: Merged | undefined;
    for (let number = 1; number <= parts; number++) {
      await takeTurn(signal);
      progress.update(number - 1, parts);
      const path = resultPath(folder, number, name);
      if (!isThere(path)) {
        this.#missingParts.push(number);
        continue;
      }
      const part = await this.#manifest.part(number), head = settingsIn(path, part);
      const { rows, missing, doubled, foreign } = await checkResults(path, part);
      this.#rows += rows.length;
      this.#missing.push(...missing.slice(0, MANY));
      this.#doubled.push(...doubled.slice(0, MANY));
      this.#foreign.push(...foreign.slice(0, MANY));
      for (const { error } of rows) {
        if (error === undefined) continue;
        const code = error.code ?? "other";
        this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1);
      }
      if (output === undefined) continue;
      if (merged === undefined) {
        if (head.program !== "vgg16 classify") {
          throw new UsageError(
            `Results of ${head.program} stay in their parts: leave out --out and --parquet`,
          );
        }
        merged = await MERGED_FORMATS[output.format](head);
        output.write(merged.begin);
      }
      output.write(merged.add(rows));
    }
    if (merged !== undefined) output?.write(merged.end());
  }

  get isWhole(): boolean {
    return [this.#missingParts, this.#missing, this.#doubled, this.#foreign]
      .every(({ length }) => length === 0);
  }

  get report(): object {
    const { pictures, parts } = this.#manifest;
    return {
      ...{ pictures, parts, rows: this.#rows, failed: Object.fromEntries(this.#failed) },
      ...{ missingParts: this.#missingParts, missing: this.#missing },
      ...{ doubled: this.#doubled, foreign: this.#foreign, isWhole: this.isWhole },
    };
  }

  /** For people. */
  get lines(): string[] {
    const { pictures, parts } = this.#manifest, done = parts - this.#missingParts.length;
    const failed = [...this.#failed.values()].reduce((sum, count) => sum + count, 0);
    const codes = [...this.#failed].sort(([, a], [, b]) => b - a).map((one) => one.join(" "));
    return [
      `${done} of ${partsText(parts)}, ${this.#rows} of ${pictures} pictures` +
      (failed === 0 ? "" : `, ${failed} of them with an error (${codes.join(", ")})`),
      ...namedLines("missing", this.#missing),
      ...namedLines("doubled", this.#doubled),
      ...namedLines("in no part", this.#foreign),
    ];
  }

  /** What is not as it should be. */
  get lack(): string {
    const [first, ...others] = this.#missingParts;
    const ids = this.#missing.length + this.#doubled.length + this.#foreign.length;
    const wrong = ids === 0 ? [] : [`${ids} pictures of parts that are there`];
    if (first === undefined) {
      return `${wrong}. Remove the results of their parts, and do these again`;
    }
    const all = rangesText(this.#missingParts);
    const again = others.length === 0
      ? `by --part ${first}/${this.#manifest.parts}`
      : `by the same command as before, or by tasks of these numbers, each with --part auto`;
    const what = others.length === 0 ? `part ${all} is missing` : `parts ${all} are missing`;
    return `${[what, ...wrong].join(", and ")}. Do ${others.length === 0 ? "it" : "them"} ${again}`;
  }
}

/** Ids of a part that are kept at the most: a part that is wrong altogether needs no more. */
const MANY = 1000;

function namedLines(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const more = ids.length > FEW ? ` and ${ids.length - FEW} more` : "";
  return [`${what}: ${ids.slice(0, FEW).join(", ")}${more}`];
}

function partsText(count: number): string {
  return count === 1 ? "1 part" : `${count} parts`;
}

/** `3,7,12-15`, as Slurm's --array takes it. */
function rangesText(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(",");
}

/**
 * What made the results of a part.
 *
 * @throws {UsageError} If they are of other pictures.
 */
function settingsIn(path: string, part: Part): Settings {
  const { part: _, pictures: __, list: ___, ...settings } = headFor(path, part);
  return settings as Settings;
}
