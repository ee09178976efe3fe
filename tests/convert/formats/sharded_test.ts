import { assertEquals, assertRejects } from "@std/assert";
import { Budget } from "../../../lib/convert/formats/budget.ts";
import { type Checkpoint, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { type ByteSource, BytesSource } from "../../../lib/io/byte_source.ts";
import { encodeSafetensorsHeader } from "../../../lib/model/safetensors.ts";

const INDEX = "model.safetensors.index.json";

/** A file of tensors of two numbers each. */
function shardOf(tensors: Record<string, [number, number]>): Uint8Array {
  const described = Object.keys(tensors).map((name) => ({
    name,
    dtype: "F32" as const,
    shape: [2],
  }));
  const header = encodeSafetensorsHeader(described, {});
  const values = new Float32Array(Object.values(tensors).flat());
  const file = new Uint8Array(header.length + values.byteLength);
  file.set(header);
  file.set(new Uint8Array(values.buffer), header.length);
  return file;
}

const FILES = {
  "a.safetensors": shardOf({ "conv.weight": [1, 2], "old.weight": [0, 0] }),
  "b.safetensors": shardOf({ "conv.bias": [3, 4], "old.weight": [5, 6] }),
};

/** Opens a list of which file each tensor is in, beside {@linkcode FILES}. */
async function open(places: Record<string, string>): Promise<Checkpoint> {
  const bytes = new TextEncoder().encode(JSON.stringify({ metadata: {}, weight_map: places }));
  const files: Record<string, Uint8Array> = { ...FILES, [INDEX]: bytes };
  const openSibling = (name: string): Promise<ByteSource> =>
    Promise.resolve(new BytesSource(files[name], name));
  const budget = new Budget(INDEX, bytes.length);
  return await openCheckpoint(new BytesSource(bytes, INDEX), { openSibling, budget });
}

async function assertRefused(places: Record<string, string>, message: string): Promise<void> {
  await assertRejects(() => open(places), CheckpointFormatError, message);
}

Deno.test("tensors are taken from the files that a list names", async () => {
  const checkpoint = await open({
    "conv.weight": "a.safetensors",
    "conv.bias": "b.safetensors",
    "old.weight": "b.safetensors",
  });
  const values = checkpoint.tensors.map(async (
    tensor,
  ) => [tensor.name, [...await readAll(tensor)]]);
  assertEquals(Object.fromEntries(await Promise.all(values)), {
    "conv.weight": [1, 2],
    "conv.bias": [3, 4],
    "old.weight": [5, 6],
  });
  checkpoint.close();
});

Deno.test("a list of files that have not what it says is refused by what is missing", async () => {
  const places = { "conv.weight": "a.safetensors", "conv.bias": "a.safetensors" };
  await assertRefused(places, "a.safetensors has no conv.bias");
});

Deno.test("a list refers to no folder, and to no other list", async () => {
  await assertRefused({ "conv.weight": "../a.safetensors" }, '"../a.safetensors" is no file name');
  await assertRefused({ "conv.weight": "..\\a.safetensors" }, "is no file name");
  await assertRefused({ "conv.weight": INDEX }, `one of its files lists ${INDEX}`);
});
