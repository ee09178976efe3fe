/**
 * Files of JSON lines of which the first has the settings that made the others, each about one image:
 * what other settings made is not mixed in, and what an image was before it changed is not believed.
 */

import { pooledMap } from "@std/async/pool";
import { sha256 } from "../io/sha256.ts";
import { jsonText } from "../model/json.ts";
import { describePath, realPath } from "../platform.ts";
import { visibleJson } from "../report/visible.ts";
import { isWebUrl } from "../urls.ts";
import type { Input } from "./inputs.ts";
import { LineFile, type LineFormat, readLineFile } from "./line_file.ts";
import type { Settings } from "./settings.ts";
import { tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** What tells that an image is another, or is said to show something else. */
export interface Stamp {
  /** Bytes of a file. */
  readonly size?: number;
  /** When they were changed: ISO 8601, UTC. */
  readonly modified?: string;
  /**
   * A hash of where it is: of a URL, with what is not shown of it; of a file's path, without links, and of the second
   * in which it got its name, which tells it from another of the same size and time.
   */
  readonly place?: string;
  /** The class that it is said to be of, where that matters. */
  readonly label?: number;
}

const STAMPED = ["size", "modified", "place", "label"] as const;

/** Files that are looked at at the same time. */
const AT_ONCE = 16;

/** What gets a stamp: an image, and its class where that matters. */
type Stamped = Pick<Input, "name" | "place"> & Pick<Stamp, "label">;

/** The stamp of each image, by its name. */
export async function stampsOf(images: readonly Stamped[]): Promise<Map<string, Stamp>> {
  const stamped: AsyncIterable<[string, Stamp]> = pooledMap(
    AT_ONCE,
    images,
    async (one: Stamped) => {
      const { name, place, label } = one, stamp = await stampOf(place);
      return [name, label === undefined ? stamp : { ...stamp, label }];
    },
  );
  return new Map(await Array.fromAsync(stamped));
}

/** The stamp of what is at a path or a URL; nothing of `-`. */
export async function stampOf(place: string): Promise<Stamp> {
  if (place === "-") return {};
  if (isWebUrl(place)) return { place: await hashOf(place) };
  try {
    const { size, modifiedMs, changedMs } = await describePath(place);
    const real = await realPath(place);
    return {
      size,
      ...modifiedMs && { modified: new Date(modifiedMs).toISOString() },
      place: await hashOf(`${real} ${changedMs}`),
    };
  } catch {
    // Whatever is wrong is said where it is read.
    return {};
  }
}

/** Long enough to tell two places apart, and to tell neither. */
async function hashOf(text: string): Promise<string> {
  return (await sha256(text)).slice(0, 16);
}

/** A line about an image. */
export interface ImageLine extends Stamp {
  readonly file: string;
  /** Why nothing came of it: it is tried again. */
  readonly error?: unknown;
}

/** How a {@linkcode KnownImages} is opened. */
export interface KnownOptions {
  /** Whether what is there is forgotten, whatever made it. */
  readonly isReplaced: boolean;
  /** Told of each line that is believed. Returns whether all that belongs to it is there. */
  readonly take?: (line: Record<string, unknown>) => boolean;
  /** Files whose lines are believed as well, which others may be writing. */
  readonly others?: readonly string[];
}

/** A file of settings and lines, to which one run at a time adds. */
export class KnownImages implements Disposable {
  /** The images of which a line is believed. */
  readonly files: ReadonlySet<string>;
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
    const believed = new BelievedLines(settings, stamps, options.take), own = believed.of(path);
    const lines = await LineFile.open(path, own.format, options.isReplaced);
    try {
      for (const other of options.others ?? []) readLineFile(other, believed.of(other).format);
      if (!own.isBegun) lines.append([visibleJson(settings)]);
    } catch (error) {
      lines[Symbol.dispose]();
      throw error;
    }
    believed.tellChanged();
    return new KnownImages(lines, believed.files, stamps);
  }

  /** Adds lines about images: all of them, or none if they do not fit on the disk. */
  append(...lines: (ImageLine & Readonly<Record<string, unknown>>)[]): void {
    this.#lines.append(
      lines.map(({ file, ...rest }) => visibleJson({ file, ...this.#stamps.get(file), ...rest })),
    );
  }

  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }
}

/**
 * The images of which a file says what came of them, whatever has become of them since.
 *
 * @throws {UsageError} If it is no file of such lines.
 */
export function imagesIn(path: string): Set<string> {
  const files = new Set<string>();
  readLineFile(path, {
    about: ABOUT,
    begin: "{",
    take({ program, file, error }) {
      if (typeof file === "string" && error === undefined) files.add(file);
      return typeof program === "string" || typeof file === "string";
    },
  });
  return files;
}

/** What such a file holds. */
const ABOUT = "settings and a line for each image";

/** Which lines of one or more files are believed. */
class BelievedLines {
  /** The images that they are about. */
  readonly files = new Set<string>();
  readonly #settings: Settings;
  readonly #stamps: ReadonlyMap<string, Stamp>;
  readonly #take: (line: Record<string, unknown>) => boolean;
  readonly #changed = new Set<string>();

  constructor(
    settings: Settings,
    stamps: ReadonlyMap<string, Stamp>,
    take: KnownOptions["take"] = () => true,
  ) {
    this.#settings = settings;
    this.#stamps = stamps;
    this.#take = take;
  }

  /** How a file is read, and whether it begins with settings, once it has been. */
  of(path: string): { readonly format: LineFormat; readonly isBegun: boolean } {
    const state = {
      isBegun: false,
      format: {
        about: ABOUT,
        get begin() {
          return state.isBegun ? '{"file":"' : '{"program":"';
        },
        take: (value: Record<string, unknown>): boolean | "drop" => {
          if (state.isBegun) return this.#takeLine(value);
          if (typeof value.program !== "string") return false;
          refuseOther(path, value as Settings, this.#settings); // Only compared.
          return state.isBegun = true;
        },
      },
    };
    return state;
  }

  #takeLine(value: Record<string, unknown>): boolean | "drop" {
    if (typeof value.file !== "string") return false;
    const { file, error, ...found } = value as unknown as ImageLine;
    const now = this.#stamps.get(file);
    // Standard input is another each time.
    if (now === undefined || file === "-") return true;
    const isSame = STAMPED.every((part) => found[part] === now[part]);
    if (!isSame && error === undefined) this.#changed.add(file);
    const isBelieved = isSame && error === undefined && !this.files.has(file) && this.#take(value);
    if (!isBelieved) return "drop";
    this.files.add(file);
    return true;
  }

  /** Says which images have changed, and are in no line that is believed. */
  tellChanged(): void {
    const [first, ...others] = this.#changed.difference(this.files);
    if (first === undefined) return;
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    tell(`Changed since, and done again: ${first}${more}`);
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
