import { assertEquals } from "@std/assert";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";

Deno.test("an engine that tries algorithms in its first run waits for them, and gives the same bits", async () => {
  // Two thousand million products: large enough that trying pays.
  const { model } = randomModel({
    configuration: "A",
    input: { height: 512, width: 512, channels: 1 },
    convolutions: [8, 48, 48, 48, 48, 48, 48, 48],
    dense: [4],
  });
  const batch = randomBatch(1, 512, 512, 1), read = { layer: "conv3_1" } as const;
  const given = { threads: 1, prepareFrom: 1 } as const;
  await using plain = await createWasmEngine(model, { ...given, tune: "off" });
  await using tuned = await createWasmEngine(model, { ...given, tune: "auto" });
  const expected = await plain.run(batch, read);
  assertEquals(await tuned.run(batch, read), expected);
  assertEquals(await tuned.run(batch, read), expected);
  // All of a profile's steps are timed one after the other.
  const layers = (await tuned.profile(batch)).map(({ layer }) => layer);
  assertEquals(new Set(layers).size, layers.length);
});
