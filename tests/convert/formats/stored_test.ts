import { assertEquals, assertThrows } from "@std/assert";
import { OUTPUTS_FIRST, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { type StoredTensor, storedTensor, weightsOf } from "../../../lib/convert/formats/stored.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

function tensorOf(
  name: string,
  dtype: "F32" | "I8" | "U8" | "I64" | "BOOL" | "F8_E4M3",
  shape: number[],
  values: number[],
): StoredTensor {
  const array = dtype === "I64"
    ? BigInt64Array.from(values, BigInt)
    : (dtype === "F32" ? Float32Array : dtype === "I8" ? Int8Array : Uint8Array).from(values);
  const source = new BytesSource(new Uint8Array(array.buffer), "some.safetensors");
  return storedTensor(source, { name, shape, layout: OUTPUTS_FIRST }, dtype, 0);
}

async function valuesOf(...stored: StoredTensor[]): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const tensor of weightsOf(stored, "some.safetensors")) {
    values[tensor.name] = [...await readAll(tensor)];
  }
  return values;
}

const INTEGERS = tensorOf("fc.weight", "I8", [2, 3], [1, -2, 3, 4, 5, -128]);

Deno.test("integers are multiplied with the scale that goes with them: one, or one an output", async () => {
  const one = tensorOf("fc.weight_scale", "F32", [], [0.5]);
  assertEquals(await valuesOf(INTEGERS, one), { "fc.weight": [0.5, -1, 1.5, 2, 2.5, -64] });
  for (const shape of [[2], [2, 1]]) {
    const each = tensorOf("fc.weight_scale", "F32", shape, [2, 0.25]);
    assertEquals(await valuesOf(each, INTEGERS), { "fc.weight": [2, -4, 6, 1, 1.25, -32] });
  }
  const columns = tensorOf("fc.weight.scale", "F32", [1, 3], [1, 2, 3]);
  assertEquals(await valuesOf(INTEGERS, columns), { "fc.weight": [1, -4, 9, 4, 10, -384] });
});

Deno.test("integers without a sign need the one that stands for zero", async () => {
  const weight = tensorOf("fc.weight", "U8", [2, 2], [0, 128, 255, 129]);
  const scale = tensorOf("fc.weight_scale", "F32", [1], [0.5]);
  const zero = tensorOf("fc.weight_zero_point", "I64", [1], [128]);
  assertEquals(await valuesOf(weight, scale, zero), { "fc.weight": [-64, 0, 63.5, 0.5] });
  assertThrows(
    () => weightsOf([weight, scale], "some.safetensors"),
    CheckpointFormatError,
    "Tensor fc.weight of some.safetensors does not fit fc.weight_scale: U8 of shape [2,2] and [1]",
  );
});

Deno.test("weights of types that nothing explains are refused, counters and masks left out", async () => {
  const floats = tensorOf("fc.bias", "F32", [2], [1, 2]);
  const count = tensorOf("bn.num_batches_tracked", "I64", [], [7]);
  const mask = tensorOf("attention.mask", "BOOL", [2, 2], [1, 0, 1, 1]);
  const observer = tensorOf("fc.activation_post_process.eps", "F32", [1], [0]);
  assertEquals(await valuesOf(floats, count, mask, observer), { "fc.bias": [1, 2] });
  const refused: readonly (readonly [StoredTensor[], string])[] = [
    [[INTEGERS], "fc.weight of some.safetensors has elements of type I8"],
    [[tensorOf("fc.weight", "F8_E4M3", [2, 2], [0, 0, 0, 0])], "has elements of type F8_E4M3"],
    [[INTEGERS, tensorOf("fc.weight_scale", "F32", [4], [1, 1, 1, 1])], "and [4]"],
    [[tensorOf("fc.weight_orig", "F32", [2], [1, 2])], "is a part of a weight"],
  ];
  for (const [stored, message] of refused) {
    assertThrows(() => weightsOf(stored, "some.safetensors"), CheckpointFormatError, message);
  }
});

Deno.test("a weight that is there, and made of its parts, too, is the one of the parts, in their place", async () => {
  const weight = tensorOf("fc.weight", "F32", [2], [9, 9]);
  const original = tensorOf("fc.weight_orig", "F32", [2], [1, 2]);
  const mask = tensorOf("fc.weight_mask", "F32", [2], [0, 1]);
  const last = tensorOf("last", "F32", [1], [5]);
  assertEquals(Object.entries(await valuesOf(weight, original, mask, last)), [
    ["fc.weight", [0, 2]],
    ["last", [5]],
  ]);
});
