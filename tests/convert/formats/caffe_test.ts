import { assertEquals } from "@std/assert";
import { readCaffe } from "../../../lib/convert/formats/caffe/read.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";

/** A field of protocol buffers that holds bytes, up to 127 of them. */
function field(number: number, ...bytes: number[]): number[] {
  const tag = number << 3 | 2;
  return [...tag < 128 ? [tag] : [tag & 127 | 128, tag >> 7], bytes.length, ...bytes];
}

Deno.test("a blob of no elements is one, whether its floats are written or left out", async () => {
  const type = field(2, ...new TextEncoder().encode("Convolution"));
  const shape = field(7, ...field(1, 0));
  for (const floats of [[], field(5)]) {
    const layer = field(100, ...type, ...field(7, ...shape, ...floats));
    const { tensors } = await readCaffe(new BytesSource(Uint8Array.from(layer), "x.caffemodel"));
    assertEquals(tensors.map(({ shape }) => shape), [[0]]);
    await tensors[0].read({ start: 0, length: 0, stride: 0, count: 1 }, new Float32Array(0));
  }
});
