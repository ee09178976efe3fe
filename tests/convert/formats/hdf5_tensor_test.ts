import { assertEquals, assertThrows } from "@std/assert";
import { OUTPUTS_FIRST, type Runs, sizeOf } from "../../../lib/convert/formats/checkpoint.ts";
import type { Hdf5File } from "../../../lib/convert/formats/hdf5/hdf5_file.ts";
import type { Box, Hdf5Dataset } from "../../../lib/convert/formats/hdf5/hdf5_library.ts";
import { hdf5Tensor } from "../../../lib/convert/formats/hdf5/hdf5_tensor.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

/** A file whose datasets have their elements' numbers as elements, of which it gives boxes, and notes how many. */
function fileOf(shape: readonly number[]): { file: Hdf5File; given: () => number } {
  let given = 0;
  const read = (_: string, box: Box, into: Float32Array): Promise<void> => {
    assertEquals(box.length, shape.length);
    let to = 0;
    const walk = (axis: number, index: number): void => {
      if (axis === shape.length) return void (into[to++] = index);
      const [from, end] = box[axis]!;
      for (let i = from; i < end; i++) walk(axis + 1, index * shape[axis]! + i);
    };
    walk(0, 0);
    assertEquals(to, into.length);
    given += to;
    return Promise.resolve();
  };
  // Nothing else of a file is asked for.
  return { file: { read } as unknown as Hdf5File, given: () => given };
}

const dataset = (shape: readonly number[], more: Partial<Hdf5Dataset> = {}): Hdf5Dataset => ({
  ...{ path: "conv/kernel", shape: [...shape], kind: "float", bytes: 4 },
  ...more,
});
const SOURCE = new BytesSource(new Uint8Array(100), "some.h5");

/** Runs of all kinds, each within the tensor. */
function runsWithin(shape: readonly number[]): Runs[] {
  const size = sizeOf(shape), last = shape.at(-1) ?? 1;
  const all: Runs[] = [];
  for (const length of new Set([1, 2, last, size / 2, size])) {
    for (const stride of new Set([length, last, 2 * last, 5])) {
      for (const start of new Set([0, 1, last - 1, last, size / 2])) {
        for (const count of new Set([1, 2, 3, size / last])) {
          const end = start + (count - 1) * stride + length;
          if (Number.isInteger(length) && Number.isInteger(start) && end <= size) {
            all.push({ start, length, stride, count });
          }
        }
      }
    }
  }
  return all;
}

for (const shape of [[], [12], [4, 6], [3, 2, 4], [2, 2, 3, 2]]) {
  Deno.test(`any runs of a dataset of shape [${shape}] are its elements there`, async () => {
    const tensor = hdf5Tensor(fileOf(shape).file, SOURCE, dataset(shape));
    assertEquals([tensor.name, tensor.shape], ["conv/kernel", shape]);
    for (
      const runs of shape.length === 0
        ? [{ start: 0, length: 1, stride: 1, count: 1 }]
        : runsWithin(shape)
    ) {
      const { start, length, stride, count } = runs;
      const into = new Float32Array(length * count);
      await tensor.read(runs, into);
      const expected = Array.from(
        into,
        (_, i) => start + Math.floor(i / length) * stride + i % length,
      );
      assertEquals([...into], expected, JSON.stringify(runs));
    }
  });
}

Deno.test("columns of all rows are read once, and no others with them", async () => {
  for (const shape of [[50, 6], [5, 10, 6]]) {
    const { file, given } = fileOf(shape);
    const into = new Float32Array(100);
    await hdf5Tensor(file, SOURCE, dataset(shape)).read(
      { start: 2, length: 2, stride: 6, count: 50 },
      into,
    );
    assertEquals(given(), 100, `${shape}`);
  }
});

Deno.test("a dataset without numbers, or of more than its file can hold, is refused", () => {
  const { file } = fileOf([2]);
  const refuse = (more: Partial<Hdf5Dataset>, said: string) =>
    assertThrows(
      () => hdf5Tensor(file, SOURCE, dataset([2], more)),
      CheckpointFormatError,
      said,
    );
  refuse({ kind: "other" }, "must have numbers");
  refuse({ shape: [0, 3] }, "found shape [0,3]");
  // Deflate makes 1032 bytes of one: 25,800 numbers of 4 bytes from a file of 100.
  refuse({ shape: [25_801] }, "must fit in the file");
  const name = "kernel", layout = OUTPUTS_FIRST;
  const tensor = hdf5Tensor(file, SOURCE, dataset([25_800]), { name, layout });
  assertEquals([tensor.name, tensor.layout], [name, layout]);
});
