import { assert, assertEquals } from "@std/assert";
import { compileProgram } from "../../../lib/engine/program.ts";
import { isWinograd } from "../../../lib/engine/webgpu/kernels/convolution.ts";
import { planLayers } from "../../../lib/engine/webgpu/resident/plan.ts";
import { defaultTile, defaultTuning } from "../../../lib/engine/webgpu/tuning/tile.ts";
import { randomModel } from "../../support/random_model.ts";

Deno.test("Winograd's lanes have channels each, as many as fit", () => {
  const { model } = randomModel({
    configuration: "D",
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [64, 64, 128, 128, 192, 192, 256, 256, 256, 320, 512, 512, 512],
    dense: [],
  });
  const batch = { data: new Uint8Array(224 * 224 * 3), count: 1, height: 224, width: 224 };
  const tiles = planLayers(compileProgram(model), "int8", batch)
    .filter(({ kernel }) => kernel === "convolution")
    .map((planned) =>
      [planned.layer.outChannels, defaultTile(defaultTuning(true), planned)] as const
    );
  assertEquals(tiles.length, 12);
  for (const [channels, tile] of tiles) {
    assert(isWinograd(tile), `${channels}`);
    assertEquals(channels % (tile.channels * tile.channelLanes), 0, `${channels}`);
    // Sixteen for each of eight lanes are 128.
    assertEquals(tile.channels, channels % 128 === 0 ? 16 : 8, `${channels}`);
  }
});
