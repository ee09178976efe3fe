/** A progress line on a terminal; nothing in a pipe. */

import { canRedraw, erase, redraw } from "./terminal.ts";

/** Shows how far some work is, on standard error. */
export class ProgressLine implements Disposable {
  readonly #label: string;
  readonly #shown: boolean;
  readonly #start = performance.now();
  #drawn = 0;

  constructor(label: string) {
    this.#label = label;
    this.#shown = canRedraw();
  }

  /** Draws the bar, at most ten times a second; `detail` follows it. */
  update(done: number, total: number, detail: string = ""): void {
    const now = performance.now();
    if (!this.#shown || (now - this.#drawn < 100 && done < total)) return;
    this.#drawn = now;
    const width = 24, filled = total > 0 ? Math.floor(done / total * width) : 0;
    const seconds = (now - this.#start) / 1000;
    const left = done > 0 ? `${Math.ceil(seconds / done * (total - done))} s left` : "";
    const bar = "█".repeat(filled) + "░".repeat(width - filled);
    redraw(`${this.#label} ${bar} ${detail || `${done}/${total}`}  ${left}`);
  }

  /** The same of bytes, with how many there are and how fast they come. */
  updateBytes(loaded: number, total: number | undefined): void {
    const rate = loaded / 1e6 / Math.max(0.001, (performance.now() - this.#start) / 1000);
    const of = total === undefined ? "" : ` of ${megabytes(total)}`;
    this.update(loaded, total ?? loaded, `${megabytes(loaded)}${of}, ${rate.toFixed(1)} MB/s`);
  }

  /** Removes the line. */
  [Symbol.dispose](): void {
    erase();
  }
}

/** `1.5 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
