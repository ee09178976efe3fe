/**
 * What the HDF5 thread and the one that it works for say to each other.
 *
 * @module
 */

import type { Box, Hdf5Contents } from "./hdf5_library.ts";

/** What the thread is asked; it answers one after the other. */
export type Hdf5Request =
  | {
    readonly open: { readonly size: number; readonly window: SharedArrayBuffer };
    readonly roots: readonly string[];
    readonly names: readonly string[];
  }
  | { readonly read: string; readonly box: Box }
  | { readonly close: true };

/** What it says. */
export type Hdf5Answer =
  /** The library is loaded. */
  | { readonly ready: true }
  /** Bytes are needed in the window, from here on; the thread waits for them. */
  | { readonly need: number }
  | { readonly contents: Hdf5Contents }
  | { readonly values: ArrayLike<number> }
  | { readonly damaged: string }
  /** The file is closed. `isWorn` if the thread has memory that only its end gives back. */
  | { readonly closed: true; readonly isWorn: boolean };

/** A window begins with a word that says what it holds, and 60 bytes that keep it aligned. */
export const WINDOW_HEAD_BYTES = 64;
/** Values of that word: the thread waits, the bytes are there, they cannot be read. */
export const WINDOW = { waiting: 0, filled: 1, failed: 2 } as const;
