/**
 * Progress of bytes: how many, how fast, how long still.
 *
 * @module
 */

import { ProgressLine } from "./progress.ts";

/** A progress line for something that reports `(loaded, total)` in bytes. */
export function transferLine(label: string): {
  update: (loaded: number, total: number | undefined) => void;
  clear: () => void;
} {
  const line = new ProgressLine(label);
  const start = performance.now();
  return {
    update(loaded, total): void {
      const rate = loaded / 1e6 / Math.max(0.001, (performance.now() - start) / 1000);
      const of = total === undefined ? "" : ` of ${megabytes(total)}`;
      line.update(loaded, total ?? loaded, `${megabytes(loaded)}${of}, ${rate.toFixed(1)} MB/s`);
    },
    clear: () => line.clear(),
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
