/** A progress line on a terminal; nothing in a pipe. */

import type { Progress, ProgressStage } from "../progress.ts";
import { canRedraw, erase, redraw } from "./terminal.ts";

/** How fast some work goes. What was done before it was first asked, as by a run that was interrupted, tells nothing. */
export class Pace {
  #first: { readonly done: number; readonly ms: number } | undefined;

  /** What is done in a second, so far; 0 at first. */
  perSecond(done: number, ms: number): number {
    const first = this.#first ??= { done, ms };
    return (done - first.done) * 1000 / Math.max(1, ms - first.ms);
  }
}

/** Shows how far some work is, on standard error. */
export class ProgressLine implements Disposable {
  readonly #label: string;
  readonly #shown: boolean;
  #pace = new Pace();
  #stage: ProgressStage | undefined;
  #drawn = 0;

  constructor(label: string) {
    this.#label = label;
    this.#shown = canRedraw();
  }

  /** Draws the bar, at most ten times a second; `detail` follows it. */
  update(done: number, total: number, detail: string = ""): void {
    const now = performance.now(), pace = this.#pace.perSecond(done, now);
    if (!this.#shown || (now - this.#drawn < 100 && done < total)) return;
    this.#drawn = now;
    const width = 24, filled = total > 0 ? Math.floor(done / total * width) : 0;
    const left = pace > 0 ? `${Math.ceil((total - done) / pace)} s left` : "";
    const bar = "█".repeat(filled) + "░".repeat(width - filled);
    redraw(`${this.#label} ${bar} ${detail || `${done}/${total}`}  ${left}`);
  }

  /** The same of what a call of the library tells; of bytes also how fast they come. */
  show({ stage, done, total, unit }: Progress): void {
    if (stage !== this.#stage) this.#pace = new Pace();
    this.#stage = stage;
    if (unit === "weights") this.update(done, total ?? done, "converting");
    else if (unit !== "bytes") this.update(done, total ?? done);
    if (unit !== "bytes") return;
    const rate = this.#pace.perSecond(done, performance.now()) / 1e6;
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
