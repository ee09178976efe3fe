/**
 * An engine has to give the same answer, whatever it ran before: random networks and calls, and the
 * comparison with a fresh engine.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Activations, Batch, Engine } from "../../lib/engine/engine.ts";
import { compileProgram } from "../../lib/engine/program.ts";
import { type Configuration, CONFIGURATIONS } from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { layerNames } from "./engine_cases.ts";
import { randomModel } from "./random_model.ts";

/** Times as many calls as usual, for a longer run. */
const ROUNDS = Number(Deno.env.get("TESTS_ROUNDS") ?? 1);

/** A batch of one value or of noise. */
function picture(count: number, side: readonly [number, number], next: () => number): Batch {
  const [height, width] = side;
  const kind = Math.floor(next() * 3);
  const byte = [() => 0, () => 255, () => Math.floor(next() * 256)][kind];
  return {
    data: Uint8Array.from({ length: count * height * width * 3 }, byte),
    count,
    height,
    width,
  };
}

/** Sides of all remainders by 4, most of them small, some up to `most`, some as in training. */
function sides(least: number, most: number, next: () => number): [number, number] {
  if (next() < 0.3) return [least, least];
  const end = next() < 0.15 ? most : least + 40;
  const side = (): number => least + Math.floor(next() * (end - least));
  return [side(), Math.min(side(), least + 90)];
}

/** One run of an engine, of up to three layers. */
export interface Call {
  readonly batch: Batch;
  readonly layers: readonly string[];
}

/** Calls of a model with pictures of 0, of 255 and of noise, whose sides are at most `most`. */
export function randomCalls(
  model: Model,
  count: number,
  most: number,
  next: () => number,
): Call[] {
  const names = layerNames(compileProgram(model));
  const least = model.architecture.input.height;
  return Array.from({ length: count * ROUNDS }, () => ({
    batch: picture(1 + Math.floor(next() * 3), sides(least, most, next), next),
    layers: Array.from(
      { length: 1 + Math.floor(next() * 3) },
      () => names[Math.floor(next() * names.length)]!,
    ),
  }));
}

/** The first value whose bits differ, if one does. */
function difference(found: Activations, expected: Activations): string | undefined {
  const [a, b] = [found, expected].map(({ data }) =>
    new Int32Array(data.buffer, data.byteOffset, data.length)
  );
  const at = a.findIndex((word, i) => word !== b[i]);
  return at < 0 ? undefined : `value ${at} is ${found.data[at]}, not ${expected.data[at]}`;
}

/** One image of some. */
function imageOf<Values extends Activations["data"]>(
  data: Values,
  n: number,
  count: number,
): Values {
  const length = data.length / count;
  return data.slice(n * length, (n + 1) * length) as Values;
}

/** Compares what an engine answered for some images with what it answers for each alone. */
async function checkAlone(
  { batch, layers }: Call,
  found: readonly Activations[],
  engine: Engine,
): Promise<void> {
  const { count, height, width } = batch, length = batch.data.length / count;
  for (let n = 0; n < count; n++) {
    const data = batch.data.slice(n * length, (n + 1) * length);
    const alone = await engine.runLayers({ data, count: 1, height, width }, layers);
    for (const [i, layer] of layers.entries()) {
      const among = { ...found[i]!, data: imageOf(found[i]!.data, n, count) };
      const what = `${layer} of image ${n} of ${count}x${height}x${width}`;
      assertEquals(found[i]!.scale[n], alone[i]!.scale[0], what);
      assertEquals(difference(among, alone[i]!), undefined, what);
    }
  }
}

/**
 * Compares what an engine answers to calls, one after another, with a fresh one's answer for each layer, and with its
 * own for each image alone.
 */
export async function checkCalls(
  calls: readonly Call[],
  old: Engine,
  fresh: () => Promise<Engine>,
): Promise<void> {
  for (const [n, { batch, layers }] of calls.entries()) {
    const found = await old.runLayers(batch, layers);
    if (batch.count > 1) await checkAlone({ batch, layers }, found, old);
    for (const [i, layer] of layers.entries()) {
      await using engine = await fresh();
      const expected = await engine.run(batch, { layer });
      const { count, height, width } = batch;
      const what = `call ${n}: ${layer} of ${layers.join(", ")} of ${count}x${height}x${width}`;
      assertEquals(found[i]!.shape, expected.shape, what);
      assertEquals(found[i]!.scale, expected.scale, what);
      assertEquals(difference(found[i]!, expected), undefined, what);
    }
  }
}

/**
 * A VGG of any configuration with few channels, and odd numbers of them; every other one averages
 * its map.
 */
export function smallModel(next: () => number, seed: number): Model {
  const all = Object.keys(CONFIGURATIONS) as Configuration[];
  const configuration = all[Math.floor(next() * all.length)];
  const most = [8, 16, 24, 32, 40];
  const convolutions = CONFIGURATIONS[configuration].flatMap((kernels, block) =>
    kernels.map(() => Math.ceil(next() * most[block]))
  );
  const dense = [Math.ceil(next() * 40), 10];
  const input = { height: 32, width: 32, channels: 3 };
  const pooling = seed % 2 === 0 ? "average" : "flatten";
  return randomModel({ configuration, input, convolutions, pooling, dense }, seed).model;
}
