/**
 * Files of JSON lines of which the first has the settings that made the others, each about one image:
 * what other settings made is not mixed in, and what an image was before it changed is not believed.
 */

import { writeWhole } from "../io/atomic_file.ts";
import { jsonText } from "../model/json.ts";
import { describePath } from "../platform.ts";
import { visibleJson } from "../report/visible.ts";
import { isWebUrl } from "../urls.ts";
import type { Input } from "./inputs.ts";
import { LineFile } from "./line_file.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** What decides what comes of an image; and `version`, which does not. */
export type Settings = Readonly<Record<string, string>>;

/** What tells that a file has changed; nothing of what is no file. */
export interface Stamp {
  readonly size?: number;
  /** When it was changed: ISO 8601, UTC. */
  readonly modified?: string;
}

/** The stamp of each input, by its name. */
export async function stampsOf(inputs: readonly Input[]): Promise<Map<string, Stamp>> {
  const stamps = new Map<string, Stamp>();
  for (const { name, place } of inputs) stamps.set(name, await stampOf(place));
  return stamps;
}

async function stampOf(place: string): Promise<Stamp> {
  if (place === "-" || isWebUrl(place)) return {};
  try {
    const { size, modifiedMs } = await describePath(place);
    return { size, ...modifiedMs && { modified: new Date(modifiedMs).toISOString() } };
  } catch {
    // Whatever is wrong is said where it is read.
    return {};
  }
}

/** A line about an image. */
export interface ImageLine extends Stamp {
  readonly file: string;
  /** Why nothing came of it: it is tried again. */
  readonly error?: unknown;
}

/** How a {@linkcode KnownImages} is opened. */
export interface KnownOptions {
  /** Whether a file that other settings made is begun anew. */
  readonly isReplaced: boolean;
  /** Told of each line that is believed. Returns whether all that belongs to it is there. */
  readonly take?: (line: Record<string, unknown>) => boolean;
}

/** A file of settings and lines, to which one run at a time adds. */
export class KnownImages implements Disposable {
  /** The images of which a line is believed. */
  readonly files: Set<string>;
  readonly #lines: LineFile;
  readonly #stamps: ReadonlyMap<string, Stamp>;

  private constructor(lines: LineFile, files: Set<string>, stamps: ReadonlyMap<string, Stamp>) {
    this.#lines = lines;
    this.files = files;
    this.#stamps = stamps;
  }

  /**
   * Opens a file for adding to it, or begins it. Lines about images that failed or have changed are
   * left out.
   *
   * @param stamps Those of the images that this run is about.
   * @throws {UsageError} If it is no such file, or other settings made it. Then it stays as it is.
   * @throws {Error} If another run has it.
   */
  static async open(
    path: string,
    settings: Settings,
    stamps: ReadonlyMap<string, Stamp>,
    options: KnownOptions,
  ): Promise<KnownImages> {
    const { isReplaced, take = () => true } = options;
    let found: Settings | undefined;
    const files = new Set<string>(), changed = new Set<string>();
    let lines: LineFile;
    try {
      lines = await LineFile.open(path, {
        about: "settings and a line for each image",
        begin: '{"',
        take(value) {
          if (found === undefined) {
            if (typeof value.program !== "string") return false;
            found = value as Settings; // Only compared.
            refuseOther(path, found, settings);
            return true;
          }
          if (typeof value.file !== "string") return false;
          const { file, size, modified, error } = value as unknown as ImageLine;
          const now = stamps.get(file);
          if (now === undefined) return true;
          // Standard input is another each time.
          const isSame = file !== "-" && size === now.size && modified === now.modified;
          if (!isSame && error === undefined) changed.add(file);
          if (!isSame || error !== undefined || files.has(file) || !take(value)) return "drop";
          files.add(file);
          return true;
        },
      });
    } catch (error) {
      if (!isReplaced || !(error instanceof UsageError)) throw error;
      await writeWhole(path, "");
      return await KnownImages.open(path, settings, stamps, options);
    }
    if (changed.size > 0) {
      const [first] = changed, more = changed.size > 1 ? ` and ${changed.size - 1} more` : "";
      tell(`Changed since, and done again: ${first}${more}`);
    }
    if (found === undefined) lines.append([visibleJson(settings)]);
    return new KnownImages(lines, files, stamps);
  }

  /** Adds a line about an image. */
  append({ file, ...rest }: ImageLine & Readonly<Record<string, unknown>>): void {
    this.#lines.append([visibleJson({ file, ...this.#stamps.get(file), ...rest })]);
  }

  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }
}

/** A setting for a message, also of a file that somebody else wrote. */
function settingText(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "not set" : jsonText(value);
}

/** The settings of two files are alike whatever version of the program wrote them. */
function refuseOther(path: string, found: Settings, wanted: Settings): void {
  const names = new Set([...Object.keys(found), ...Object.keys(wanted)]);
  const others = [...names].filter((name) => name !== "version" && found[name] !== wanted[name]);
  if (others.length === 0) return;
  const differences = others.map((name) =>
    `${name} ${settingText(found[name])} instead of ${settingText(wanted[name])}`
  );
  throw new UsageError(
    `${path} was written with other settings (${differences.join(", ")}): ` +
      "name another file, or begin it anew with --force",
  );
}
