/** A progress line on a terminal; nothing in a pipe. */

import type { Progress, ProgressStage } from "../progress.ts";
import { canRedraw, erase, redraw } from "./terminal.ts";

/** Shows how far some work is, on standard error. */
export class ProgressLine implements Disposable {
  readonly #label: string;
  readonly #shown: boolean;
  #start = performance.now();
  #stage: ProgressStage | undefined;
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

  /** The same of what a call of the library tells; of bytes also how fast they come. */
  show({ stage, done, total, unit }: Progress): void {
    if (stage !== this.#stage) this.#start = performance.now();
    this.#stage = stage;
    if (unit === "weights") this.update(done, total ?? done, "converting");
    else if (unit !== "bytes") this.update(done, total ?? done);
    if (unit !== "bytes") return;
    const rate = done / 1e6 / Math.max(0.001, (performance.now() - this.#start) / 1000);
    const of = total === undefined ? "" : ` of ${megabytes(total)}`;
    this.update(done, total ?? done, `${megabytes(done)}${of}, ${rate.toFixed(1)} MB/s`);
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
