/**
 * An HDF5 file, read by the C library in WebAssembly on a thread that is ended when it takes too long.
 *
 * A damaged file can send the library round in circles, and nothing else can stop it then. Where there
 * are no threads (some edge platforms) the library runs on this one, without a limit of time; what is
 * known to hang it is not read there.
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import {
  type Box,
  damaged,
  type Hdf5Contents,
  type Hdf5Options,
  type Hdf5Session,
  loadHdf5,
  OpenHdf5,
  reasonOf,
} from "./hdf5_library.ts";
import { SandboxedHdf5 } from "./hdf5_sandbox.ts";

/** One open file. */
export class Hdf5File {
  private constructor(
    readonly contents: Hdf5Contents,
    private readonly source: ByteSource,
    private readonly session: Hdf5Session,
  ) {}

  /** @throws {CheckpointFormatError} If it is damaged, or the library does not come to an end. */
  static async open(source: ByteSource, options: Hdf5Options): Promise<Hdf5File> {
    const sandbox = options.ownThread ? undefined : await SandboxedHdf5.start(source, options);
    const session = sandbox ?? await OwnThread.start(source, options);
    try {
      return new Hdf5File(await session.contents(), source, session);
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Reads a part of a dataset of numbers, given by a range of each axis, in row-major order. */
  async read(path: string, box: Box, into: Float32Array): Promise<void> {
    const values = await this.session.read(path, box);
    if (values.length !== into.length) {
      throw damaged(this.source, `${path} has ${values.length} of ${into.length} elements`);
    }
    into.set(values);
  }

  /** The paths that a dataset of references leads to, in row-major order. */
  async targets(path: string): Promise<readonly string[]> {
    return await this.session.targets(path);
  }

  close(): void {
    this.session.close();
  }
}

/** The library here. The source must answer at once: files and bytes do. */
class OwnThread implements Hdf5Session {
  private constructor(
    private readonly source: ByteSource,
    private readonly options: Hdf5Options,
    private readonly file: OpenHdf5,
  ) {}

  static async start(source: ByteSource, options: Hdf5Options): Promise<OwnThread> {
    const library = await loadHdf5();
    const read = (position: number, into: Uint8Array): void => {
      if (source.read(position, into) !== undefined) throw new Error("it is not on a disk");
    };
    const open = () => new OpenHdf5(library, source.size!, read);
    return new OwnThread(source, options, guarded(source, open));
  }

  // deno-lint-ignore require-await -- so that it throws as the other session does
  async contents(): Promise<Hdf5Contents> {
    return guarded(this.source, () => this.file.contents(this.options.attributes, false));
  }

  // deno-lint-ignore require-await -- likewise
  async read(path: string, box: Box): Promise<ArrayLike<number>> {
    return guarded(this.source, () => this.file.read(path, box));
  }

  // deno-lint-ignore require-await -- likewise
  async targets(path: string): Promise<readonly string[]> {
    return guarded(this.source, () => this.file.targets(path));
  }

  close(): void {
    try {
      this.file.close();
    } catch {
      // What a damaged file leaves open in the library is small.
    }
  }
}

function guarded<T>(source: ByteSource, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    if (cause instanceof CheckpointFormatError) throw cause;
    throw damaged(source, reasonOf(cause));
  }
}
