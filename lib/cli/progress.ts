/** How far some work is: a line that changes on a terminal, and a line now and then anywhere else. */

import type { Progress, ProgressStage } from "../progress.ts";
import { cutMiddle, displayWidth } from "./table.ts";
import { canRedraw, columns, erase, redraw, tell } from "./terminal.ts";

/** How fast some work goes. What was done before it was first asked, as by a run that was interrupted, tells nothing. */
export class Pace {
  #first: { readonly done: number; readonly ms: number } | undefined;

  /** What is done in a second, so far; 0 at first. */
  perSecond(done: number, ms: number): number {
    const first = this.#first ??= { done, ms };
    return (done - first.done) * 1000 / Math.max(1, ms - first.ms);
  }
}

/** Where progress is shown. */
export interface Screen {
  /** Whether a line can take the place of the last one. */
  canRedraw(): boolean;
  /** That a line may take. */
  columns(): number;
  redraw(line: string): void;
  erase(): void;
  /** Writes a line that stays. */
  tell(line: string): void;
}

/** Where it is by default. */
export const STANDARD_ERROR: Screen = { canRedraw, columns, redraw, erase, tell };

/** How progress is shown. */
export interface ProgressLineOptions {
  /** Milliseconds from the first to what is shown first: what takes no longer shows nothing. Default: 0. */
  readonly delayMs?: number;
  /** Milliseconds since any time. */
  readonly clock?: () => number;
  readonly screen?: Screen;
}

/** Milliseconds between two lines, where they stay. */
const BETWEEN_LINES_MS = 30_000;
/** And where they do not. */
const BETWEEN_DRAWINGS_MS = 100;

/** Shows how far some work is, on standard error. */
export class ProgressLine implements Disposable {
  readonly #label: string;
  readonly #delayMs: number;
  readonly #clock: () => number;
  readonly #screen: Screen;
  #pace = new Pace();
  #stage: ProgressStage | undefined;
  #isAwaited = false;
  #startMs: number | undefined;
  #shownMs: number | undefined;

  constructor(label: string, options: ProgressLineOptions = {}) {
    this.#label = label;
    this.#delayMs = options.delayMs ?? 0;
    this.#clock = options.clock ?? (() => performance.now());
    this.#screen = options.screen ?? STANDARD_ERROR;
  }

  /**
   * Draws the bar, at most ten times a second, or writes a line every 30 seconds. `detail` says what is
   * done; by default, how many of how many.
   */
  update(done: number, total: number, detail?: string): void {
    const now = this.#clock(), pace = this.#pace.perSecond(done, now);
    const start = this.#startMs ??= now;
    const isDrawn = this.#screen.canRedraw();
    if (isDrawn && now - start < this.#delayMs) return;
    const sinceShown = now - (this.#shownMs ?? (isDrawn ? -Infinity : start));
    const isDue = sinceShown >= (isDrawn ? BETWEEN_DRAWINGS_MS : BETWEEN_LINES_MS);
    if (!isDue && !(isDrawn && done >= total)) return;
    this.#shownMs = now;
    const rate = pace > 0 ? `, ${rateText(pace)}/s` : "";
    const said = detail ?? `${done} of ${total}${rate}`;
    const left = pace > 0 && done < total ? `${durationText((total - done) / pace)} left` : "";
    if (isDrawn) this.#draw(total > 0 ? done / total : 0, said, left);
    else this.#screen.tell(`${this.#label}: ${[said, left].filter(Boolean).join(", ")}`);
  }

  /**
   * The same of what a call of the library tells; of bytes also how fast they come, from the first on:
   * what a server takes to answer is no pace.
   */
  show({ stage, done, total, unit }: Progress): void {
    if (stage !== this.#stage || this.#isAwaited) this.#pace = new Pace();
    this.#stage = stage;
    this.#isAwaited = unit === "bytes" && done === 0;
    this.update(done, total ?? done, this.#detailOf(unit, done, total));
  }

  #detailOf(unit: Progress["unit"], done: number, total: number | undefined): string | undefined {
    if (unit === "weights") return `${Math.floor(100 * done / (total || 1))} %`;
    if (unit !== "bytes") return total === undefined ? `${done} ${unit}` : undefined;
    const rate = this.#pace.perSecond(done, this.#clock());
    const of = total === undefined ? "" : ` of ${megabytes(total)}`;
    return `${megabytes(done)}${of}${rate > 0 ? `, ${megabytes(rate)}/s` : ""}`;
  }

  /** The bar becomes shorter for a long label, down to a length; then the label does, or else there is no bar. */
  #draw(part: number, said: string, left: string): void {
    const after = [said, left].filter(Boolean).join("  ");
    const room = this.#screen.columns() - displayWidth(after) - 2;
    const forLabel = room - SHORT_BAR < SHORT_LABEL ? room + 1 : room - SHORT_BAR;
    const label = cutMiddle(this.#label, Math.max(0, forLabel));
    const width = Math.min(LONG_BAR, room - displayWidth(label));
    const bar = width < SHORT_BAR ? [] : [barOf(part, width)];
    this.#screen.redraw([label, ...bar, after].join(" "));
  }

  /** Removes the line. */
  [Symbol.dispose](): void {
    this.#screen.erase();
  }
}

const SHORT_LABEL = 12, SHORT_BAR = 8, LONG_BAR = 24;

function barOf(part: number, width: number): string {
  const filled = Math.floor(Math.min(1, part) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

/** `12 s`, `4:05` or `3:57:53`; begun seconds are whole ones. */
export function durationText(seconds: number): string {
  const all = Math.ceil(seconds), two = (n: number): string => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  if (h > 0) return `${h}:${two(m)}:${two(s)}`;
  return m > 0 ? `${m}:${two(s)}` : `${s} s`;
}

/** With as many digits as tell something. */
function rateText(perSecond: number): string {
  return perSecond < 1 ? perSecond.toPrecision(2) : perSecond.toFixed(1);
}

/** `1.5 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
