/**
 * Runs decoders that are C compiled to WebAssembly: each image has an instance and a memory of its own,
 * so that a trap harms no other, and all is given back. A module imports its memory and nothing else:
 * it reaches neither JavaScript nor the system.
 */

import { fromBase64 } from "../../../encoding.ts";
import type { ModuleName } from "../../../module_name.ts";
import { provided } from "../../../provided.ts";
import type { ImageFormat } from "../../image.ts";
import { damaged } from "../codec.ts";
import { inflateWhole } from "../inflate.ts";

/** What each module exports (`decoder.h`). A pointer of 0 means that it did not work. */
export interface DecoderExports {
  version(): number;
  allocate(size: number): number;
  message(): number;
  /** @returns where the pixels are; the options and the layout are the module's own. */
  decode(file: number, size: number, ...options: number[]): number;
}

/** As many as `build_codecs.ts` links a module for: data, stack, and the first of the heap. */
const INITIAL_PAGES = 32;
const PAGE = 65_536;
/** One less than WebAssembly can address: where memory ends is a number then, too. */
const MAX_PAGES = 65_535;

/**
 * One image's decoder. Its memory does not grow above `maxBytes`: a file that lies about its size then
 * fails to decode.
 */
export class Decoder<E extends DecoderExports = DecoderExports> {
  readonly exports: E;
  readonly #format: ImageFormat;
  readonly #memory: WebAssembly.Memory;

  constructor(format: ImageFormat, module: WebAssembly.Module, maxBytes: number) {
    const maximum = Math.min(MAX_PAGES, INITIAL_PAGES + Math.ceil(maxBytes / PAGE));
    this.#format = format;
    this.#memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum });
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.exports = instance.exports as unknown as E; // The functions of the module's C.
    (instance.exports._initialize as () => void)();
  }

  /**
   * Decodes a file.
   *
   * @param length Bytes of pixels that its header promises, or what tells them once it is decoded.
   * @param options The module's own.
   * @returns A view of the decoder's memory.
   * @throws {ImageDecodeError} If something is wrong with the file.
   */
  decode(
    bytes: Uint8Array,
    length: number | (() => number),
    ...options: number[]
  ): Uint8Array {
    // A pointer is unsigned, which the module's numbers are not.
    const file = this.exports.allocate(bytes.length) >>> 0;
    if (file === 0) throw damaged(this.#format, "there is not enough memory for it");
    new Uint8Array(this.#memory.buffer, file, bytes.length).set(bytes);
    let pixels = 0;
    try {
      pixels = this.exports.decode(file, bytes.length, ...options) >>> 0;
    } catch (trap) { // Also how C ends that cannot go on, after it has left a message.
      throw this.#message() ? damaged(this.#format, this.#message(), { cause: trap }) : trap;
    }
    if (pixels === 0) {
      throw damaged(this.#format, this.#message() || "its pixel data is damaged or truncated");
    }
    const size = typeof length === "number" ? length : length();
    return new Uint8Array(this.#memory.buffer, pixels, size);
  }

  #message(): string {
    const bytes = new Uint8Array(this.#memory.buffer, this.exports.message() >>> 0);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

/** A compiled module as its `_binary.ts` holds it. */
export interface Packed {
  /** Its bytes, in zlib's format, in base64. */
  readonly deflated: string;
  /** How many bytes it has. */
  readonly length: number;
}

/** A decoder's module: the program's own, or compiled here. */
export async function moduleOf(name: ModuleName, packed: Packed): Promise<WebAssembly.Module> {
  return provided.module?.(name) ?? await compile(packed);
}

/** Compiles a module. */
export async function compile(packed: Packed): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(await binaryOf(packed));
}

/** The bytes of a module. */
export async function binaryOf({ deflated, length }: Packed): Promise<Uint8Array<ArrayBuffer>> {
  return await inflateWhole(fromBase64(deflated), length) as Uint8Array<ArrayBuffer>; // Just made.
}
