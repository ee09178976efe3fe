/** Runs codecs that Emscripten built, one fresh instance an image, with a bound on their memory. */

import { channelsOf, type ImageFormat, type Pixels, type RawPixels } from "../image.ts";
import { damaged } from "./codec.ts";

/** A decoder's exports. Whatever is wrong with a file gives `null` or an exception. */
interface EmscriptenDecoder {
  decode(file: Uint8Array, ...options: number[]): RawPixels | null;
}

/** The function that the codec's JavaScript file exports. */
type EmscriptenFactory = (overrides: {
  noInitialRun: boolean;
  print(text: string): void;
  printErr(text: string): void;
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void,
  ): WebAssembly.Exports;
}) => Promise<EmscriptenDecoder>;

const PAGE = 65_536;

/**
 * Decodes a file to RGBA with a decoder whose memory does not grow above `maxBytes`: a file that lies
 * about its size then fails to decode.
 *
 * @param factory An {@linkcode EmscriptenFactory}; its typings are written for browsers' ambient types.
 * @param options The decoder's own.
 * @throws {ImageDecodeError} If something is wrong with the file.
 */
export async function decodeRgba(
  format: ImageFormat,
  factory: unknown,
  module: WebAssembly.Module,
  maxBytes: number,
  file: Uint8Array,
  ...options: number[]
): Promise<Pixels> {
  const decoder = await (factory as EmscriptenFactory)({
    noInitialRun: true,
    print() {},
    printErr() {},
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(module, imports);
      for (const value of Object.values(instance.exports)) {
        if (value instanceof WebAssembly.Memory) boundGrowth(value, maxBytes);
      }
      done(instance);
      return instance.exports;
    },
  });
  const pixels = decoder.decode(file, ...options);
  if (pixels === null || channelsOf(pixels) !== 4) {
    throw damaged(format, "its pixel data is damaged or truncated");
  }
  // Plain properties of what may be an `ImageData`, whose are not its own.
  const { data: { buffer, byteOffset, length }, width, height } = pixels;
  return { data: new Uint8Array(buffer, byteOffset, length), width, height };
}

/** Emscripten grows memory from JavaScript, through this method, and takes an exception for a no. */
function boundGrowth(memory: WebAssembly.Memory, maxBytes: number): void {
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * PAGE > maxBytes) {
      throw new RangeError(`The decoder wanted more than ${maxBytes} bytes of memory`);
    }
    return WebAssembly.Memory.prototype.grow.call(memory, pages);
  };
}
