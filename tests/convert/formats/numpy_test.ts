import { assertEquals } from "@std/assert";
import { OUTPUTS_FIRST, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { numpyTensor, readNpyHeader } from "../../../lib/convert/formats/numpy/npy.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

const VALUES = [1, -2, 0.5, 1024, -0.25, 3];

/** How numbers of each type are written. */
const WRITERS: Readonly<
  Record<string, (view: DataView, at: number, value: number, little: boolean) => void>
> = {
  f2: (view, at, value, little) => view.setFloat16(at, value, little),
  f4: (view, at, value, little) => view.setFloat32(at, value, little),
  f8: (view, at, value, little) => view.setFloat64(at, value, little),
};

/** The `.npy` file of an array of 2x3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
function npyOf(order: "<" | ">", type: string): Uint8Array {
  const head = `{'descr': '${order}${type}', 'fortran_order': False, 'shape': (2, 3), }`.padEnd(
    117,
  );
  const size = Number(type[1]), bytes = new Uint8Array(10 + 118 + VALUES.length * size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  view.setUint16(8, 118, true); // Whatever the order of the numbers is.
  bytes.set(new TextEncoder().encode(`${head}\n`), 10);
  VALUES.forEach((value, i) => WRITERS[type]!(view, 128 + i * size, value, order === "<"));
  return bytes;
}

Deno.test("an array has the same numbers in either order of their bytes", async () => {
  for (const type of Object.keys(WRITERS)) {
    for (const order of ["<", ">"] as const) {
      const source = new BytesSource(npyOf(order, type));
      const header = await readNpyHeader(source, 0);
      assertEquals([header.descr, header.shape], [`${order}${type}`, [2, 3]]);
      const array = { ...header, name: "w", end: source.size };
      const tensor = numpyTensor(source, array, OUTPUTS_FIRST)!;
      assertEquals([...await readAll(tensor)], VALUES, `${order}${type}`);
    }
  }
});
