/** `merge`: whether the results of all parts are there, and what they are together. */

import { extname, join } from "node:path";
import { AtomicFile } from "../io/atomic_file.ts";
import { flag, type Table, text, type Values } from "../options.ts";
import { takeTurn } from "../threads/turn.ts";
import type { Command } from "./command.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS } from "./outputs.ts";
import { checkResults, type Row } from "./parts/check_results.ts";
import { Manifest } from "./parts/manifest.ts";
import { type Merged, MERGED_FORMATS } from "./parts/merged_rows.ts";
import {
  type Head,
  nameOfSettings,
  type ResultFile,
  resultFiles,
  resultPath,
  wholeHead,
} from "./parts/results.ts";
import { PARTS_OPTIONS } from "./parts/run_parts.ts";
import { WRITES } from "./permissions.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import type { Settings } from "./settings.ts";
import { print, printJson, tell, tellError, tellWarning } from "./terminal.ts";
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
    const files = await withData(() => Promise.resolve(resultFiles(folder)));
    const name = chosenName(folder, files, options.settings);
    const out = outputOf(folder, options);
    const isWanted = await checkOutputs({
      reads: [...manifest.files, ...files.map(({ path }) => path)],
      writes: out === undefined ? [] : [out],
    }, options);
    if (!isWanted) return 0;
    const found = new Found(manifest, folder, name);
    // What is not whole is told before anything is written.
    if (out === undefined || !found.isWhole) await found.check(signal);
    else {
      await makeFolderOf(out);
      using file = await AtomicFile.create(out);
      let end = 0;
      const write = (bytes: Uint8Array): void => {
        file.write(end, bytes);
        end += bytes.length;
      };
      await found.check(signal, { format: formatOf(out)!, write });
      if (found.isWhole) await file.commit(options.force !== true);
    }
    if (out !== undefined && !found.isWhole) tell(`${out} is not written`);
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
 * The letters that stand for the settings of the results.
 *
 * @throws {UsageError} If there are none, or of several settings.
 */
function chosenName(
  folder: string,
  files: readonly ResultFile[],
  wanted: string | undefined,
): string {
  const counts = new Map<string, number>();
  for (const { name, isLines } of files) {
    if (isLines) counts.set(name, (counts.get(name) ?? 0) + 1);
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

/** Ids that are shown at the most. */
const FEW = 10;

/** Ids of some kind: all are counted, and some named. */
class Ids {
  readonly some: string[] = [];
  count = 0;

  add(ids: readonly string[]): void {
    this.some.push(...ids.slice(0, MANY - this.some.length));
    this.count += ids.length;
  }
}

/** Ids of a kind that are kept at the most. */
const MANY = 1000;

/** What was found of a set. */
class Found {
  readonly #manifest: Manifest;
  readonly #pathOf: (number: number) => string;
  readonly #name: string;
  /** What the results of each part begin with that are whole. */
  readonly #heads = new Map<number, Head>();
  /** Numbers of parts that have none. */
  readonly #missingParts: number[] = [];
  /** Numbers of parts whose results have other pictures. */
  readonly #wrongParts: number[] = [];
  readonly #ids = { missing: new Ids(), doubled: new Ids(), foreign: new Ids() };
  readonly #failedIds = new Ids();
  /** How many pictures failed, by the code of their errors. */
  readonly #failed = new Map<string, number>();
  #rows = 0;

  /** @param name Of the settings. */
  constructor(manifest: Manifest, folder: string, name: string) {
    this.#manifest = manifest;
    this.#pathOf = (number) => resultPath(folder, number, name);
    this.#name = name;
    for (let number = 1; number <= manifest.parts; number++) {
      const head = wholeHead(this.#pathOf(number), number, manifest.listOf(number));
      if (head === undefined) this.#missingParts.push(number);
      else this.#heads.set(number, head);
    }
  }

  /** Goes through the parts that are there, of which one is held at a time. */
  async check(signal: AbortSignal, output?: Output): Promise<void> {
    using progress = new ProgressLine("Checking");
    let merged: Merged | undefined;
    for (const [number, { settings }] of this.#heads) {
      await takeTurn(signal);
      progress.update(number - 1, this.#manifest.parts);
      await this.#checkSettings(number, settings);
      const rows = await this.#checkPart(number, settings);
      if (output === undefined) continue;
      if (merged === undefined) {
        merged = await beginMerged(output.format, settings);
        if (merged.begin !== undefined) output.write(merged.begin);
      }
      output.write(merged.add(rows));
    }
    if (merged?.end !== undefined) output?.write(merged.end());
    const versions = new Set([...this.#heads.values()].map(({ settings }) => settings.version));
    if (versions.size > 1) {
      tellWarning(`parts were done by several versions: ${[...versions].join(", ")}`);
    }
  }

  /** @throws {UsageError} If they are not those of the name. */
  async #checkSettings(number: number, settings: Settings): Promise<void> {
    if (await nameOfSettings(settings) === this.#name) return;
    const path = this.#pathOf(number);
    throw new UsageError(
      `${path} has other settings than its name says: remove it, and do its part again`,
    );
  }

  async #checkPart(number: number, { program }: Settings): Promise<readonly Row[]> {
    const part = await this.#manifest.part(number);
    const { rows, ...ids } = await checkResults(this.#pathOf(number), part, program);
    this.#rows += rows.length;
    for (const kind of ["missing", "doubled", "foreign"] as const) this.#ids[kind].add(ids[kind]);
    if (Object.values(ids).some(({ length }) => length > 0)) this.#wrongParts.push(number);
    for (const { id, error } of rows) {
      if (error === undefined) continue;
      this.#failedIds.add([id]);
      const code = error.code ?? "other";
      this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1);
    }
    return rows;
  }

  get isWhole(): boolean {
    return this.#missingParts.length === 0 &&
      Object.values(this.#ids).every(({ count }) => count === 0);
  }

  get report(): object {
    const { pictures, parts } = this.#manifest;
    const kinds = Object.entries(this.#ids);
    return {
      ...{ pictures, parts, rows: this.#rows, failed: Object.fromEntries(this.#failed) },
      ...{ missingParts: this.#missingParts, wrongParts: this.#wrongParts },
      counts: Object.fromEntries(kinds.map(([kind, { count }]) => [kind, count])),
      ...Object.fromEntries(kinds.map(([kind, { some }]) => [kind, some])),
      isWhole: this.isWhole,
    };
  }

  /** For people. */
  get lines(): string[] {
    const { pictures, parts } = this.#manifest, done = parts - this.#missingParts.length;
    const failed = [...this.#failed.values()].reduce((sum, count) => sum + count, 0);
    const codes = [...this.#failed].sort(([, a], [, b]) => b - a).map((one) => one.join(" "));
    const { missing, doubled, foreign } = this.#ids;
    return [
      `${done} of ${partsText(parts)}, ${this.#rows} of ${pictures} pictures` +
      (failed === 0 ? "" : `, ${failed} of them with an error (${codes.join(", ")})`),
      ...namedLines("with an error", this.#failedIds),
      ...namedLines("missing", missing),
      ...namedLines("doubled", doubled),
      ...namedLines("in no part", foreign),
    ];
  }

  /** What is not as it should be. */
  get lack(): string {
    const [first, ...others] = this.#missingParts;
    const ids = Object.values(this.#ids).reduce((sum, { count }) => sum + count, 0);
    const wrongParts = rangesText(this.#wrongParts);
    const wrong = ids === 0
      ? []
      : [`${ids} pictures are, of parts that are there: remove the results of ${wrongParts}`];
    if (first === undefined) return `${wrong}, and run the same command as before`;
    const all = rangesText(this.#missingParts), isOne = others.length === 0;
    const what = isOne ? `part ${all} is missing` : `parts ${all} are missing`;
    const again = isOne
      ? `it by --part ${first}/${this.#manifest.parts}`
      : `them by the same command as before: parts that are there are skipped`;
    return `${[what, ...wrong].join(", and ")}. Do ${again}`;
  }
}

/** @throws {UsageError} If they are no predictions. */
async function beginMerged(format: Output["format"], settings: Settings): Promise<Merged> {
  if (settings.program === "vgg16 classify") return await MERGED_FORMATS[format](settings);
  throw new UsageError(
    `Results of ${settings.program} stay in their parts: leave out --out and --parquet`,
  );
}

function namedLines(what: string, { some, count }: Ids): string[] {
  if (count === 0) return [];
  const more = count > FEW ? ` and ${count - FEW} more` : "";
  return [`${what}: ${some.slice(0, FEW).join(", ")}${more}`];
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
