import { assertEquals } from "@std/assert";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import type { Activations, Batch, Engine } from "../../../lib/engine/engine.ts";
import { type Configuration, CONFIGURATIONS, layersOf } from "../../../lib/model/architecture.ts";
import type { Model } from "../../../lib/model/model.ts";
import { random, randomModel } from "../../support/random_model.ts";

/** How many calls each long-lived engine gets; `VGG_ROUNDS` for a longer run. */
const ROUNDS = Number(Deno.env.get("VGG_ROUNDS") ?? 12);

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

/** A batch of one value or of noise. */
function picture(count: number, side: readonly [number, number], next: () => number): Batch {
  const [height, width] = side;
  const kind = Math.floor(next() * 3);
  const byte = [() => 0, () => 255, () => Math.floor(next() * 256)][kind];
  return {
    data: Uint8Array.from({ length: count * height * width * 3 }, byte),
    count,
    height,
    width,
  };
}

/** Sides of all remainders by 4, most of them small, some up to 700. */
function sides(least: number, next: () => number): [number, number] {
  const most = next() < 0.15 ? 700 : least + 40;
  const side = (): number => least + Math.floor(next() * (most - least));
  return [side(), Math.min(side(), least + 90)];
}

interface Call {
  readonly batch: Batch;
  readonly layer: string;
}

function randomCalls(model: Model, next: () => number): Call[] {
  const layers = layersOf(model.architecture).map(({ name }) => name);
  const least = model.architecture.input.height;
  return Array.from({ length: ROUNDS }, () => ({
    batch: picture(1 + Math.floor(next() * 3), sides(least, next), next),
    layer: layers[Math.floor(next() * layers.length)],
  }));
}

/** The first value whose bits differ, if one does. */
function difference(found: Activations, expected: Activations): string | undefined {
  const [a, b] = [found, expected].map(({ data }) =>
    new Int32Array(data.buffer, data.byteOffset, data.length)
  );
  const at = a.findIndex((word, i) => word !== b[i]);
  return at < 0 ? undefined : `value ${at} is ${found.data[at]}, not ${expected.data[at]}`;
}

/** Compares what an engine answers to calls, one after another, with a fresh one's answer to each. */
async function check(
  calls: readonly Call[],
  old: Engine,
  fresh: () => Promise<Engine>,
): Promise<void> {
  for (const [n, { batch, layer }] of calls.entries()) {
    await using engine = await fresh();
    const expected = await engine.run(batch, { layer });
    const found = await old.run(batch, { layer });
    const { count, height, width } = batch;
    const what = `call ${n}: ${layer} of ${count}x${height}x${width}`;
    assertEquals(found.shape, expected.shape, what);
    assertEquals(found.scale, expected.scale, what);
    assertEquals(difference(found, expected), undefined, what);
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

/** A VGG of any configuration with few channels, and odd numbers of them. */
function smallModel(next: () => number, seed: number): Model {
  const all = Object.keys(CONFIGURATIONS) as Configuration[];
  const configuration = all[Math.floor(next() * all.length)];
  const most = [8, 16, 24, 32, 40];
  const convolutions = CONFIGURATIONS[configuration].flatMap((kernels, block) =>
    kernels.map(() => Math.ceil(next() * most[block]))
  );
  const dense = [Math.ceil(next() * 40), 10];
  const input = { height: 32, width: 32, channels: 3 };
  return randomModel({ configuration, input, convolutions, dense }, seed).model;
}

for (const { precision, threads, garbage, algorithm, seed } of CASES) {
  const name = `${precision}, ${threads} threads, ${algorithm ?? "chosen algorithms"}, ${garbage}`;
  Deno.test(`an engine answers as a fresh one, whatever it ran before: ${name}`, async () => {
    const next = random(seed);
    const model = smallModel(next, seed);
    const create = (): Promise<Engine> =>
      createWasmEngine(model, { precision, threads, algorithm, tune: "off" });
    await using old = await inGarbage(GARBAGE[garbage], create);
    await check(randomCalls(model, next), old, create);
  });
}
