import { assert, assertEquals } from "@std/assert";
import {
  balanceErrors,
  MIN_SCALE,
  type QuantizedFilter,
  quantizeFilter,
} from "../../../lib/convert/quantize/channels.ts";
import { seededRandom } from "../../fuzz/checkpoints.ts";

Deno.test("quantizeFilter() rounds better than the largest weight / 127 as the scale", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (const size of [1, 9, 27, 576, 4608]) {
    // About normal, as trained weights are.
    const weights = Float32Array.from(
      { length: size },
      () => (random() + random() + random() + random() - 2) * 0.05,
    );
    const integers = new Int8Array(size);
    const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
    quantizeFilter(weights, integers, found);
    const error = (scale: number, q: (w: number) => number) =>
      weights.reduce((sum, w) => sum + (w - q(w) * scale) ** 2, 0);
    let i = 0;
    const actual = error(found.scale, () => integers[i++]);
    const plain = weights.reduce((max, w) => Math.max(max, Math.abs(w)), 0) / 127;
    // The sums of the search cancel: they are good to about 1e-12 of the energy.
    assert(Math.abs(actual - found.error) <= 1e-6 * actual + 1e-12 * found.energy);
    assert(actual <= error(plain, (w) => Math.round(w / plain)) + 1e-12 * found.energy);
    assertEquals(Math.max(found.max, -found.min), Math.fround(plain * 127));
  }
});

Deno.test("quantizeFilter() gives a positive scale for a filter that is all zero", () => {
  const integers = new Int8Array(4).fill(5);
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  quantizeFilter(new Float32Array(4), integers, found);
  assertEquals([...integers], [0, 0, 0, 0]);
  assert(found.scale > 0 && Math.fround(found.scale) > 0);
  assertEquals(found.error, 0);
});

function quantized(weights: Float32Array): { into: Int8Array; found: QuantizedFilter } {
  const into = new Int8Array(weights.length);
  const found: QuantizedFilter = { scale: 0, min: 0, max: 0, energy: 0, error: 0 };
  quantizeFilter(weights, into, found);
  return { into, found };
}

/** `int8 - weight / scale`, summed over every `stride`th from `first` on. */
function errorSum(
  weights: Float32Array,
  into: Int8Array,
  scale: number,
  first = 0,
  stride = 1,
): number {
  let sum = 0;
  for (let i = first; i < weights.length; i += stride) sum += into[i] - weights[i] / scale;
  return sum;
}

Deno.test("quantizeFilter() takes the largest weights to 127 at most, of either sign", () => {
  const random = seededRandom(2);
  let clipped = 0;
  for (let trial = 0; trial < 300; trial++) {
    // About normal, as trained weights are: a smaller scale cuts off the few largest.
    const weights = Float32Array.from(
      { length: 2000 },
      () => random() + random() + random() + random() - 2,
    );
    const { into, found } = quantized(weights);
    for (const [i, q] of into.entries()) {
      // A value beyond the ends would wrap round to the other sign.
      assert(q >= -127 && q * weights[i] >= 0, `${weights[i]} became ${q}`);
      if (Math.abs(weights[i]) / found.scale > 127.5) clipped++;
    }
  }
  assert(clipped > 0);
});

Deno.test("balanceErrors() leaves half a step at most of each window's errors and of the filter's", () => {
  const random = seededRandom(3);
  for (const [positions, channels] of [[9, 24], [9, 3], [1, 64], [4, 1]]) {
    // Weights whose errors are mostly of one sign: just below the middle between two steps.
    const weights = Float32Array.from(
      { length: positions * channels },
      (_, i) => i === 0 ? 1 : (Math.floor(100 * random()) - 50 + 0.45) / 127,
    );
    const { into, found } = quantized(weights);
    const before = { ...found };
    const rounded = into.slice();
    balanceErrors(weights, into, channels, found);
    assertEquals({ ...found, error: 0 }, { ...before, error: 0 });
    const all = errorSum(weights, into, found.scale);
    assert(Math.abs(all) <= 0.5 + 1e-9, `${positions}x${channels}: ${all}`);
    let error = 0;
    for (const [i, q] of into.entries()) {
      assert(Math.abs(q - rounded[i]) <= 2 && Math.abs(q) <= 127, `${rounded[i]} became ${q}`);
      error += (q * found.scale - weights[i]) ** 2;
    }
    assert(Math.abs(found.error / error - 1) < 1e-9, `${found.error} for ${error}`);
    if (positions === 1) continue;
    // The filter's own balance may have moved a window by a step.
    for (let c = 0; c < channels; c++) {
      const sum = errorSum(weights, into, found.scale, c, channels);
      assert(Math.abs(sum) <= 1.5 + 1e-9, `window of channel ${c}: ${sum}`);
    }
  }
});

Deno.test("balanceErrors() changes nothing where the errors are balanced, and no weight beyond 127", () => {
  const even = Float32Array.from([127, -64, 32, 1], (q) => q / 128);
  const { into, found } = quantized(even);
  const rounded = into.slice();
  balanceErrors(even, into, 2, found);
  assertEquals(into, rounded);
  // All are at the end of the scale: there is nothing to change them to.
  const full = Int8Array.of(127, 127, 127, 127);
  const scale = 1 / 128;
  const result: QuantizedFilter = { scale, min: 0, max: 1, energy: 4, error: 0 };
  balanceErrors(Float32Array.of(1.1, 1.1, 1.1, 1.1), full, 2, result);
  assertEquals([...full], [127, 127, 127, 127]);
});

Deno.test("balanceErrors() of a filter that is all zero ends", () => {
  const zeros = new Float32Array(18);
  const { into, found } = quantized(zeros);
  assertEquals(found.scale, MIN_SCALE);
  balanceErrors(zeros, into, 2, found);
  assertEquals(into, new Int8Array(18));
});
