import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { stateFile } from "../../lib/train/state_file.ts";
import type { State, StateArrays } from "../../lib/train/state.ts";

const KEY = "0123456789abcdef", OTHER = "fedcba9876543210";
const STATE: State = {
  ...{ epoch: 3, updates: 9, bestEpoch: 1, best: { rightPictures: 7, crossEntropy: 0.7 } },
  history: [1, 2, 3].map((epoch) => ({
    ...{ epoch, loss: 0.5 / epoch, validationLoss: 0.7, validationAccuracy: 0.9 },
    validationBalancedAccuracy: 0.875,
  })),
};

async function withFolder(use: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder, join(folder, `training-${KEY}.safetensors`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const arraysOf = (fill: number): StateArrays => ({
  "value.0": Float32Array.of(1 / 3, -0, 3e38).map((value) => value * fill),
  "best.0": Float32Array.of(4, 5, 6).map((value) => value * fill),
  "memory.0.0": new Float32Array(0),
});

Deno.test("a state file holds all that training goes on from, as safetensors", async () => {
  await withFolder(async (folder, path) => {
    const store = await stateFile(folder, KEY), arrays = arraysOf(0);
    assertEquals(await store.load(arrays), undefined);
    await store.save(STATE, arraysOf(1));
    assertEquals(await store.load(arrays), STATE);
    assertEquals(arrays, arraysOf(1));
    // By the format: eight bytes of length, a header in JSON, the numbers.
    const bytes = await Deno.readFile(path), length = new DataView(bytes.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    assertEquals(header["best.0"], { dtype: "F32", shape: [3], data_offsets: [12, 24] });
    assertEquals(
      new Float32Array(bytes.slice(8 + length, 32 + length).buffer).subarray(3),
      Float32Array.of(4, 5, 6),
    );
    assertEquals([...Deno.readDirSync(folder)].length, 1, "what it was written to is gone");
  });
});

Deno.test("whatever of a state file is damaged, it is no state, and arrays stay as they are", async () => {
  await withFolder(async (folder, path) => {
    const store = await stateFile(folder, KEY);
    await store.save(STATE, arraysOf(1));
    const whole = await Deno.readFile(path);
    const refuse = async (bytes: Uint8Array, what: string): Promise<void> => {
      await Deno.writeFile(path, bytes);
      const arrays = arraysOf(7);
      assertEquals([await store.load(arrays), arrays], [undefined, arraysOf(7)], what);
    };
    for (let length = 0; length < whole.length; length += 5) {
      await refuse(whole.subarray(0, length), `cut off after ${length}`);
    }
    await refuse(new Uint8Array([...whole, 0]), "a byte more");
    for (const [at, byte] of whole.entries()) {
      await refuse(whole.with(at, byte ^ 4), `bit of byte ${at}`);
    }
    await Deno.writeFile(path, whole);
    assertEquals(await store.load(arraysOf(7)), STATE);
  });
});

Deno.test("the state of another training is none", async () => {
  await withFolder(async (folder, path) => {
    const store = await stateFile(folder, KEY);
    await store.save(STATE, arraysOf(1));
    const { "best.0": best, ...less } = arraysOf(0);
    const others: StateArrays[] = [
      less,
      { ...arraysOf(0), more: new Float32Array(1) },
      { ...less, "best.1": best! },
      { ...arraysOf(0), "best.0": new Float32Array(4) },
    ];
    for (const arrays of others) assertEquals(await store.load(arrays), undefined);
    const kept = await Deno.readFile(path), other = await stateFile(folder, OTHER);
    assertEquals([...Deno.readDirSync(folder)], [], "it is removed");
    assertEquals(await other.load(arraysOf(0)), undefined);
    // Also under another one's name.
    await Deno.writeFile(join(folder, `training-${OTHER}.safetensors`), kept);
    assertEquals(await other.load(arraysOf(0)), undefined);
  });
});

Deno.test("a state of 27 million parameters with all that Adam remembers is kept", async () => {
  await withFolder(async (folder, path) => {
    const store = await stateFile(folder, KEY), length = 27_000_000, step = 9973;
    const names = ["value.0", "best.0", "memory.0.0", "memory.0.1"];
    const arrays = Object.fromEntries(names.map((name) => [name, new Float32Array(length)]));
    const each = (visit: (array: Float32Array, k: number, value: number) => void): void =>
      names.forEach((name, n) => {
        for (let k = 0; k < length; k += step) visit(arrays[name]!, k, k + n / 7);
      });
    each((array, k, value) => array[k] = value);
    await store.save(STATE, arrays);
    assert((await Deno.stat(path)).size > 16 * length);
    for (const array of Object.values(arrays)) array.fill(0);
    assertEquals(await store.load(arrays), STATE);
    each((array, k, value) => assert(array[k] === Math.fround(value), `${k}`));
  });
});
