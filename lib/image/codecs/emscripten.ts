/**
 * Runs codecs that Emscripten built, one fresh instance an image, with a bound on their memory.
 *
 * @module
 */

/** What a codec's decoder gives: RGBA. */
export interface RgbaPixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** A decoder's exports. Whatever is wrong with a file gives `null` or an exception. */
export interface EmscriptenDecoder {
  decode(file: Uint8Array, ...options: number[]): RgbaPixels | null;
}

/** The function that the codec's JavaScript file exports. */
export type EmscriptenFactory = (overrides: {
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
 * Instantiates a decoder whose memory does not grow above `maxBytes`: a file that lies about its size
 * then fails to decode.
 */
export function instantiate(
  factory: EmscriptenFactory,
  module: WebAssembly.Module,
  maxBytes: number,
): Promise<EmscriptenDecoder> {
  return factory({
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
