/**
 * The log: one line a request, on standard output. Never what an image shows, never a key.
 *
 * @module
 */

import { LOG_LEVELS, type LogLevel } from "./settings.ts";

/** Fields of a line; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes lines of at least some level. */
export class Log {
  readonly #least: number;
  readonly #text: boolean;
  readonly #write: (line: string) => void;

  /** `write` gets each line. Default: standard output. */
  constructor(
    level: LogLevel,
    format: "json" | "text",
    write: (line: string) => void = console.log,
  ) {
    this.#least = LOG_LEVELS.indexOf(level);
    this.#text = format === "text";
    this.#write = write;
  }

  /** Writes a line. */
  write(level: Exclude<LogLevel, "off">, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#least) return;
    const time = new Date().toISOString();
    this.#write(
      this.#text
        ? textLine(time, level, message, fields)
        : JSON.stringify({ time, level, message, ...fields }),
    );
  }
}

const COLORS = { debug: 90, info: 32, warn: 33, error: 31 } as const;

function textLine(
  time: string,
  level: keyof typeof COLORS,
  message: string,
  fields: LogFields,
): string {
  const paint = (text: string): string =>
    Deno.noColor ? text : `\x1b[${COLORS[level]}m${text}\x1b[0m`;
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`);
  return [time, paint(level.padEnd(5)), message, ...pairs].join(" ");
}
