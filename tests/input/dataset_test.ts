import { assertEquals } from "@std/assert";
import type { LazyImage } from "../../lib/image/image.ts";
import { collectSamples, openSample, type Sample } from "../../lib/input/dataset.ts";

Deno.test("one array that is filled for each sample anew is as many pictures", async () => {
  const data = new Uint8Array(3);
  const kinds: Readonly<Record<string, LazyImage>> = {
    pixels: { width: 1, height: 1, data },
    bytes: data,
    buffer: data.buffer,
  };
  for (const [kind, image] of Object.entries(kinds)) {
    const samples = function* (): Generator<Sample> {
      for (const value of [1, 2]) {
        data.fill(value);
        yield { file: `${value}`, label: "gray", image };
      }
    };
    const collected = await collectSamples({ labels: ["gray"], samples: samples() });
    const values = await Promise.all(collected.map(async (sample) => {
      const image = await openSample(sample);
      if (image instanceof ArrayBuffer) return new Uint8Array(image)[0];
      return image instanceof Uint8Array ? image[0] : (image as { data: Uint8Array }).data[0];
    }));
    assertEquals(values, [1, 2], kind);
  }
});
