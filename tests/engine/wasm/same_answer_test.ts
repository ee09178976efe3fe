import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import type { Engine } from "../../../lib/engine/engine.ts";
import { random } from "../../support/random_model.ts";
import { checkCalls, randomCalls, smallModel } from "../../support/same_answer.ts";

/** What memory that was never written holds: the words -1, and NaN where they are read as floats. */
const GARBAGE = { "0xFF": 0xffffffff, "NaN": 0x7fc00000 };

/** Bytes at the start where threads meet: they have to begin as zeros. */
const RESERVED = 1024;

/** Makes an engine whose memory begins as garbage, also where it grows later. */
async function inGarbage(word: number, create: () => Promise<Engine>): Promise<Engine> {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(limits: WebAssembly.MemoryDescriptor) {
      super(limits);
      new Uint32Array(this.buffer, RESERVED).fill(word);
    }
    override grow(pages: number): number {
      const before = super.grow(pages);
      new Uint32Array(this.buffer, before * 65536).fill(word);
      return before;
    }
  };
  try {
    return await create();
  } finally {
    WebAssembly.Memory = Memory;
  }
}

const CASES = [
  { precision: "int8", threads: 1, garbage: "0xFF", algorithm: undefined, seed: 1 },
  { precision: "int8", threads: 2, garbage: "0xFF", algorithm: "winograd", seed: 2 },
  { precision: "int8", threads: 1, garbage: "0xFF", algorithm: "direct", seed: 3 },
  { precision: "float", threads: 1, garbage: "NaN", algorithm: undefined, seed: 4 },
  { precision: "float", threads: 2, garbage: "NaN", algorithm: "winograd", seed: 5 },
  { precision: "float", threads: 1, garbage: "0xFF", algorithm: "direct", seed: 6 },
] as const;

for (const { precision, threads, garbage, algorithm, seed } of CASES) {
  const name = `${precision}, ${threads} threads, ${algorithm ?? "chosen algorithms"}, ${garbage}`;
  Deno.test(`an engine answers as a fresh one, whatever it ran before: ${name}`, async () => {
    const next = random(seed);
    const model = smallModel(next, seed);
    const create = (): Promise<Engine> =>
      createWasmEngine(model, { precision, threads, algorithm, tune: "off", prepareFrom: 0 });
    await using old = await inGarbage(GARBAGE[garbage], create);
    await checkCalls(randomCalls(model, 12, 700, next), old, create);
  });
}
