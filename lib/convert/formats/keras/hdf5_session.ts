/**
 * What an HDF5 file is read through, wherever the library runs.
 *
 * @module
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Box, Hdf5Contents } from "./hdf5_library.ts";

/** Options of {@linkcode Hdf5File.open}. */
export interface Hdf5Options {
  /** Groups of which the first that exists is listed. */
  readonly roots: readonly string[];
  /** Names of attributes to read. */
  readonly attributes: readonly string[];
  /** Milliseconds that the library may take for one answer. Default: 20,000. */
  readonly limitMs?: number;
  /** Whether to do without a thread. Default: only where there are none. */
  readonly ownThread?: boolean;
}

/** The library with one file open. */
export interface Hdf5Session {
  contents(): Promise<Hdf5Contents>;
  read(path: string, box: Box): Promise<ArrayLike<number>>;
  close(): void;
}

/** The error of a file that cannot be read. */
export function damaged({ name }: ByteSource, message: string): CheckpointFormatError {
  return new CheckpointFormatError(`The HDF5 file ${name} is damaged: ${message}`, { file: name });
}
