import { assert, assertEquals } from "@std/assert";
import { patchesAtOnce, type Stage, transformedBytes } from "../../../lib/engine/wasm/stage.ts";

/** What the memory of Winograd's algorithm goes by; what else a stage has, nothing here reads. */
const stage = (
  channels: number,
  size: number,
  images: number,
  precision: "int8" | "float",
  transformedWeights?: number,
): Stage =>
  ({
    ...{ layer: { channels, transformedWeights }, precision, algorithm: "winograd" },
    ...{ images, pooled: false, out: { height: size, width: size } },
  }) as unknown as Stage;

Deno.test("a step's transformed activations take 2 MiB at most, evenly divided, but for 16 patches that it needs", () => {
  for (const precision of ["int8", "float"] as const) {
    for (
      const [channels, size] of [[64, 224], [128, 112], [256, 56], [512, 28], [512, 14]] as const
    ) {
      for (const images of [1, 7, 16]) {
        const what = `${channels} channels of ${images} x ${size}x${size} ${precision}`;
        const own = stage(channels, size, images, precision);
        const patches = patchesAtOnce(own), all = images * Math.ceil(size / 4) ** 2;
        // A number for each of 36 positions and each channel, in 2 or 4 bytes.
        const each = 36 * channels * (precision === "int8" ? 2 : 4);
        const steps = Math.ceil(all / patches);
        assertEquals(patches % 4, 0, what);
        assert(patches * each <= Math.max(2 ** 21 + 4 * each, 16 * each), what);
        // No fewer steps would do, but for the quads.
        assert(steps === 1 || (patches + 4) * each > 2 ** 21 / 2 || patches >= 16, what);
        assert(patches >= Math.min(16, all), what);
        assertEquals(transformedBytes(own), 36 * (each / 36 * patches + 64), what);
        // A task that does all of the algorithm holds no more than half of a second-level cache.
        const fused = patchesAtOnce(stage(channels, size, images, precision, 1));
        assert(fused * each <= Math.max(224 * 2 ** 10 + 4 * each, 16 * each), what);
      }
    }
  }
});
