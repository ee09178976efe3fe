import { assert, assertEquals } from "@std/assert";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import type { Activations, Batch } from "../../../lib/engine/engine.ts";
import { random, randomModel } from "../../support/random_model.ts";

const GIB = 2 ** 30;
const HAS_ROOM = Deno.systemMemoryInfo().available > 10 * GIB;
const NEEDS = "[skipped: needs 10 GiB of free memory]";

/**
 * A picture that repeats itself every 32 pixels: whatever its size, it has the same patches, so the same
 * maximum and the same integers.
 */
function pattern(height: number, width: number): Batch {
  const next = random(5), tile = Uint8Array.from({ length: 32 * 32 * 3 }, () => next() * 256);
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const row = tile.subarray(y % 32 * 96, (y % 32 + 1) * 96);
    for (let x = 0; x < width; x += 32) data.set(row, (y * width + x) * 3);
  }
  return { data, count: 1, height, width };
}

/** The last 16 x 16 positions. */
function corner({ data, shape: [, height, width, channels] }: Activations): unknown {
  const rows = Array.from({ length: 16 }, (_, i) => {
    const end = (height - i) * width * channels;
    return data.slice(end - 16 * channels, end);
  });
  return rows;
}

for (const [precision, channels] of [["int8", 160], ["float", 96]] as const) {
  Deno.test({
    name: `a picture that needs more than 2 GiB, ${precision}${HAS_ROOM ? "" : ` ${NEEDS}`}`,
    ignore: !HAS_ROOM,
    async fn() {
      const { model } = randomModel({
        configuration: "B",
        input: { height: 32, width: 32, channels: 3 },
        convolutions: [channels, 8, 8, 8, 8, 8, 8, 8, 8, 8],
        dense: [4],
      }, 2);
      const run = async ([height, width]: readonly [number, number]): Promise<Activations> => {
        await using engine = await createWasmEngine(model, {
          precision,
          threads: 2,
          prepareFrom: 0,
          tune: "off",
        });
        return await engine.run(pattern(height, width), { layer: "conv1_2" });
      };
      const large = [2048, 1792] as const;
      // The values of conv1_1 and, in float as many bytes, the input of conv1_2.
      assert(large[0] * large[1] * channels * (precision === "int8" ? 5 : 8) > 2.5 * GIB);
      const expected = await run([64, 64]), found = await run(large);
      assertEquals(found.scale, expected.scale);
      assertEquals(corner(found), corner(expected));
    },
  });
}
