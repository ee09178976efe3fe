/** A perceptually uniform color map: equal steps of the value look like equal steps of lightness. */

import { fromHex } from "../encoding.ts";

/**
 * Levels 0, 8, … 248 and 255 of matplotlib's inferno, as hexadecimal RGB (Nathaniel Smith
 * and Stefan van der Walt, 2015; dedicated to the public domain under CC0).
 */
const COLORS =
  "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315bbc3754c73e4cd24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68afcffa4";

const LEVELS = 256;

/** The colors at 256 levels, `[256, 3]`, R, G, B. */
export function colorTable(): Uint8Array {
  const stops = fromHex(COLORS);
  const last = stops.length / 3 - 1;
  const table = new Uint8Array(LEVELS * 3);
  for (let level = 0; level < LEVELS; level++) {
    const stop = Math.min(level >> 3, last - 1);
    const part = (level - 8 * stop) / (stop < last - 1 ? 8 : 7);
    for (let c = 0; c < 3; c++) {
      const from = stops[stop * 3 + c], to = stops[stop * 3 + 3 + c];
      table[level * 3 + c] = Math.round(from + (to - from) * part);
    }
  }
  return table;
}

/** The row of a color table for a value from 0 to 1; what lies outside is clamped. */
export function levelOf(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * (LEVELS - 1));
}
