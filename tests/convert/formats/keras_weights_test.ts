import { assertEquals } from "@std/assert";
import type { Hdf5Dataset } from "../../../lib/convert/formats/hdf5/hdf5_library.ts";
import { findWeights } from "../../../lib/convert/formats/keras/weight_file.ts";
import { OUTPUTS_LAST } from "../../../lib/convert/formats/checkpoint.ts";

/** The names of the tensors in a file of Keras 3, of whose layers only the kinds are known. */
function namesOf(layers: Record<string, number[][]>): string[] {
  const datasets = Object.entries(layers).flatMap(([layer, shapes]) =>
    shapes.map((shape, index): Hdf5Dataset => ({
      path: `/layers/${layer}/vars/${index}`,
      shape,
      kind: "float",
      bytes: 4,
    }))
  );
  const groups = ["/layers", ...Object.keys(layers).map((layer) => `/layers/${layer}`)];
  const contents = { groups, datasets, texts: new Map(), skipped: [] };
  const make = ({ shape }: Hdf5Dataset, name: string) => ({
    name,
    shape,
    layout: OUTPUTS_LAST,
    read: () => {},
  });
  return findWeights(contents, make)!.tensors.map(({ name }) => name);
}

Deno.test("numbered weights of Keras 3 are told by their shapes, and none is left out", () => {
  const kernel = [3, 3, 3, 4];
  assertEquals(namesOf({ conv2d: [kernel, [4]], dense: [[4, 2]] }), [
    "conv2d.kernel",
    "conv2d.bias",
    "dense.kernel",
  ]);
  assertEquals(namesOf({ batch_normalization: [[4], [4], [4], [4]] }), [
    "batch_normalization.gamma",
    "batch_normalization.beta",
    "batch_normalization.moving_mean",
    "batch_normalization.moving_variance",
  ]);
  assertEquals(namesOf({ batch_normalization: [[4], [4]] }), [
    "batch_normalization.moving_mean",
    "batch_normalization.moving_variance",
  ]);
  assertEquals(namesOf({ normalization: [[3], [3], []] }), [
    "normalization.mean",
    "normalization.variance",
    "normalization.count",
  ]);
  // Without a scale or without an offset; a kernel with a scale; an offset and a scale of each image.
  assertEquals(namesOf({ batch_normalization_1: [[4], [4], [4]] }), [
    "batch_normalization_1.vars.0",
    "batch_normalization_1.vars.1",
    "batch_normalization_1.vars.2",
  ]);
  assertEquals(namesOf({ dense: [[4, 2], [2], [2]] }).at(-1), "dense.vars.2");
  assertEquals(namesOf({ layer_normalization: [[4], [4]] })[0], "layer_normalization.vars.0");
});

Deno.test("seeds of random layers are no weights", () => {
  assertEquals(namesOf({ "dense": [[4, 2]], "dropout/seed_generator": [[2]] }), ["dense.kernel"]);
});
