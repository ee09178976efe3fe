/** The thread that the HDF5 library runs on: see hdf5_sandbox.ts, which asks, and ends it. */

import { takePort } from "../../../threads/port.ts";
import type { OpenHdf5 } from "./hdf5_library.ts";
import { type Hdf5Answer, type Hdf5Request, WINDOW, WINDOW_HEAD_BYTES } from "./hdf5_sandbox.ts";

/**
 * Bytes that the library may use. A tile of a layer takes 32 MiB of it; compressed data whose pieces are
 * larger than this cannot be read.
 */
const MAX_LIBRARY_BYTES = 512 << 20;

const port = takePort();

/** Whether the library has taken more memory than it began with. */
let isWorn = false;
let file: OpenHdf5 | undefined;

/** The library's own limit is 2 GiB, and it is compiled in. */
function boundMemory(): void {
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number): number {
    if (this.buffer.byteLength + pages * 65536 > MAX_LIBRARY_BYTES) {
      throw new RangeError(`more than ${MAX_LIBRARY_BYTES >> 20} MiB of memory`);
    }
    isWorn = true;
    return grow.call(this, pages);
  };
}

/** Reads through a window into the file, which the other thread fills. */
function windowReader(window: SharedArrayBuffer): (position: number, into: Uint8Array) => void {
  const word = new Int32Array(window, 0, 1);
  const bytes = new Uint8Array(window, WINDOW_HEAD_BYTES);
  let begin = -1;
  return (position, into) => {
    for (let done = 0; done < into.length;) {
      const at = position + done;
      const wanted = at - at % bytes.length;
      if (wanted !== begin) {
        Atomics.store(word, 0, WINDOW.waiting);
        say({ need: wanted });
        // Who found the last bytes there before it slept is woken once more by them.
        while (Atomics.load(word, 0) === WINDOW.waiting) Atomics.wait(word, 0, WINDOW.waiting);
        if (Atomics.load(word, 0) === WINDOW.failed) throw new Error("it cannot be read");
        begin = wanted;
      }
      const from = at - begin;
      const count = Math.min(bytes.length - from, into.length - done);
      into.set(bytes.subarray(from, from + count), done);
      done += count;
    }
  };
}

function say(answer: Hdf5Answer, transfer: ArrayBuffer[] = []): void {
  port.send(answer, transfer);
}

function answer(library: typeof import("./hdf5_library.ts"), h5wasm: Library, asked: Hdf5Request) {
  if ("open" in asked) {
    const { size, window } = asked.open;
    file = new library.OpenHdf5(h5wasm, size, windowReader(window));
    say({ contents: file.contents(asked.names, true) });
  } else if ("read" in asked) {
    const values = file!.read(asked.read, asked.box);
    say({ values }, [values.buffer as ArrayBuffer]);
  } else if ("targets" in asked) {
    say({ targets: file!.targets(asked.targets) });
  } else {
    file?.close();
    file = undefined;
    say({ closed: true, isWorn });
  }
}

type Library = Awaited<ReturnType<typeof import("./hdf5_library.ts").loadHdf5>>;

boundMemory();
const library = await import("./hdf5_library.ts");
const h5wasm = await library.loadHdf5();
port.listen((asked: Hdf5Request) => {
  try {
    answer(library, h5wasm, asked);
  } catch (error) {
    say({ damaged: library.reasonOf(error) });
  }
});
port.send("ready");
