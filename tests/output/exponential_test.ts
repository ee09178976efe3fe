/** The exponential function and the logarithm against those of integers of 400 bits. */

import { assertEquals } from "@std/assert";
import { exp, log } from "../../lib/output/exponential.ts";

const BITS = 400n, ONE = 1n << BITS;

/** A number as an integer, times 2^BITS. */
function scaled(x: number): bigint {
  const [mantissa, exponent] = [
    BigInt(Math.round(x * 2 ** 60 / 2 ** exponentOf(x))),
    exponentOf(x),
  ];
  const shift = BITS + BigInt(exponent) - 60n;
  return shift >= 0n ? mantissa << shift : mantissa >> -shift;
}

function exponentOf(x: number): number {
  return x === 0 ? 0 : Math.floor(Math.log2(Math.abs(x)));
}

/** e^x times 2^BITS: halved often, the series, and squared as often. */
function exactOf(x: bigint): bigint {
  const rest = x >> 10n;
  let term = ONE, all = ONE;
  for (let n = 1n; term !== 0n && n < 200n; n++) {
    term = (term * rest >> BITS) / n;
    all += term;
  }
  for (let n = 0; n < 10; n++) all = all * all >> BITS;
  return all;
}

/** The number that is nearest to an integer times 2^-BITS. */
function nearest(value: bigint): number {
  if (value < 0n) return -nearest(-value);
  const length = value.toString(2).length, drop = BigInt(length - 53);
  const rounded = drop <= 0n ? value << -drop : (value + (1n << (drop - 1n))) >> drop;
  return Number(rounded) * 2 ** (length - 53 - Number(BITS));
}

Deno.test("e^x is the number that is nearest to it, for all that a softmax asks for", () => {
  const wrong: number[] = [];
  let state = 1;
  for (let n = 0; n < 50_000; n++) {
    state = state * 48271 % 2147483647;
    const x = -state / 2147483647 * 10 ** (n % 5 - 2);
    if (exp(x) !== nearest(exactOf(scaled(x)))) wrong.push(x);
  }
  assertEquals(wrong, []);
});

Deno.test("e^x is right where it is so near to the middle of two numbers that a term of the series decides", () => {
  const near = [-8.527865018011893, -8.51874139968993, -0.1346079832267355, -6.687481543669024];
  assertEquals(near.map(exp), near.map((x) => nearest(exactOf(scaled(x)))));
});

Deno.test("the logarithm of a number is the number that is nearest to it", () => {
  const wrong: number[] = [];
  let state = 1;
  for (let n = 0; n < 2000; n++) {
    state = state * 48271 % 2147483647;
    const x = state / 2147483647 * 10 ** (n % 7 - 3);
    // ln x = y - 2 (e^y - x) / (e^y + x), the error of y to the third power.
    let y = scaled(Math.log(x));
    for (let step = 0; step < 3; step++) {
      const e = exactOf(y);
      y -= (2n * (e - scaled(x)) << BITS) / (e + scaled(x));
    }
    if (log(x) !== nearest(y)) wrong.push(x);
  }
  assertEquals(wrong, []);
  assertEquals([log(1), log(2), log(0.5)], [0, Math.LN2, -Math.LN2]);
});

Deno.test("e^x at its ends", () => {
  assertEquals([exp(0), exp(-0), exp(1), exp(-1)], [1, 1, Math.E, 0.36787944117144233]);
  assertEquals([exp(-745), exp(-746), exp(-Infinity), exp(NaN)], [5e-324, 0, 0, NaN]);
  assertEquals(exp(700), 1.0142320547350045e304);
});
