/** Rows of numbers, which are read where they lie: in memory, or in a file that is larger. */

import { rootOf } from "../output/roots.ts";
import { takeTurn } from "../threads/turn.ts";

/** Rows of one length. */
export interface Rows {
  /** How many there are, N. */
  readonly count: number;
  /** Values of a row, D. */
  readonly length: number;
  /** Fills `into` with the values of row `n` from its value `first` on, 0 if not said. */
  read(n: number, into: Float32Array, first?: number): void;
}

/** Rows in one array, `[N, D]`. */
export class RowsInMemory implements Rows {
  readonly count: number;

  constructor(readonly values: Float32Array, readonly length: number) {
    this.count = length === 0 ? 0 : values.length / length;
  }

  read(n: number, into: Float32Array, first = 0): void {
    const at = n * this.length + first;
    into.set(this.values.subarray(at, at + into.length));
  }
}

/** Those of `rows` at `positions`, one after the other. */
export function rowsAt(rows: Rows, positions: ArrayLike<number>): Rows {
  return {
    ...{ count: positions.length, length: rows.length },
    read: (n, into, first) => rows.read(positions[n]!, into, first),
  };
}

/** The square roots of rows (`lib/output/roots.ts`), made as they are read. */
export function rootRows(rows: Rows): Rows {
  return {
    ...{ count: rows.count, length: rows.length },
    read: (n, into, first) => {
      rows.read(n, into, first);
      for (let i = 0; i < into.length; i++) into[i] = rootOf(into[i]!);
    },
  };
}

/** Bytes of rows in float32 above which no copy of all of them is made: several live at a time. */
const LARGE = 2 ** 27;

/** Whether rows are too large to be copied: 128 MiB are 32,768 of 1,024 values, or 1,337 of 7x7x512. */
export function areLarge({ count, length }: Pick<Rows, "count" | "length">): boolean {
  return 4 * count * length > LARGE;
}

/** Rows that are read between two turns. */
const TURN = 64;

/** The same rows in one array. */
export async function inOneArray(rows: Rows, signal?: AbortSignal): Promise<RowsInMemory> {
  if (rows instanceof RowsInMemory) return rows;
  const { count, length } = rows, values = new Float32Array(count * length);
  for (let n = 0; n < count; n++) {
    if (n % TURN === 0) await takeTurn(signal);
    rows.read(n, values.subarray(n * length, (n + 1) * length));
  }
  return new RowsInMemory(values, length);
}

/** Rows that need not be made again each time they are read: in one array, unless they are large. */
export async function atHand(rows: Rows, signal?: AbortSignal): Promise<Rows> {
  return areLarge(rows) ? rows : await inOneArray(rows, signal);
}
