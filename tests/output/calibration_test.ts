import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { calibrateLogits, sureScoreOf, temperatureOf } from "../../lib/output/calibration.ts";
import { softmax } from "../../lib/output/predictions.ts";
import { normalFrom, randomFrom } from "../../lib/train/random.ts";

/** Pictures whose classes are drawn by the soft-max of their logits at a temperature. */
function drawn(count: number, temperature: number, classes = 5, seed = 1) {
  const next = randomFrom(seed), normal = normalFrom(next);
  return Array.from({ length: count }, () => {
    const logits = Float64Array.from({ length: classes }, () => 3 * normal());
    const scores = softmax(logits, 1 / temperature);
    let left = next(), label = 0;
    while (label < classes - 1 && (left -= scores[label]!) > 0) label++;
    return { logits, label };
  });
}

Deno.test("the temperature is that by which the classes were drawn", () => {
  for (const temperature of [0.5, 1, 2.5]) {
    // 20,000 draws: the estimate deviates by some 1 %.
    assertAlmostEquals(temperatureOf(drawn(20_000, temperature)) / temperature, 1, 0.03);
  }
});

Deno.test("no other temperature gives less cross-entropy", () => {
  const known = drawn(40, 0.7, 4, 3), share = 41 / 42;
  const crossEntropy = (temperature: number): number => {
    let sum = 0;
    for (const { logits, label } of known) {
      softmax(logits, 1 / temperature).forEach((score, n) => {
        sum -= (n === label ? share : (1 - share) / 3) * Math.log(score);
      });
    }
    return sum;
  };
  const best = temperatureOf(known);
  for (const factor of [0.9, 0.99, 1.01, 1.1]) {
    assert(crossEntropy(best * factor) > crossEntropy(best), `${factor}`);
  }
});

Deno.test("a few pictures that are all right are no reason to be certain", () => {
  const known = Array.from(
    { length: 5 },
    (_, n) => ({ logits: n % 2 ? [0, 9] : [9, 0], label: n % 2 }),
  );
  const [score] = softmax([9, 0], 1 / temperatureOf(known));
  assertAlmostEquals(score!, 6 / 7, 1e-5); // Platt's share of 5 pictures.
  assertEquals(calibrateLogits([]), { temperature: 1 });
});

/** Scores of pictures; an `x` marks the wrong ones. */
const known = (text: string) =>
  text.trim().split(" ").map((word) => ({ score: parseFloat(word), isRight: !word.endsWith("x") }));

Deno.test("a score is sure if nine of ten are right from it on, and one stranger of ten reaches it", () => {
  const right18 = new Array(18).fill("0.9").join(" ");
  assertEquals(sureScoreOf(known(`${right18} 0.8x`), []), 0.8); // 19 of 21 are likely.
  assertEquals(sureScoreOf(known(`${right18} 0.8x 0.7x`), []), 0.8);
  assertEquals(sureScoreOf(known(`${right18} 0.9x 0.9x`), []), undefined);
  // A wrong one at the top is outweighed by the right ones below it.
  assertEquals(sureScoreOf(known(`0.99x ${right18} 0.5x`), []), 0.9);
  const strangers = [0.95, 0.85, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
  assertEquals(sureScoreOf(known(`${right18} 0.8x`), strangers), 0.9);
  assertEquals(sureScoreOf(known(`${right18} 0.8x`), [...strangers, ...strangers]), 0.9);
  assertEquals(sureScoreOf(known(`${right18} 0.8x`), [1]), undefined);
  assertEquals(sureScoreOf(known("0.3x 0.2x"), []), undefined);
  assertEquals(sureScoreOf([], []), undefined);
});

Deno.test("seven pictures that are right do not tell that nine of ten are, eight do", () => {
  const right = new Array(8).fill("0.9").join(" ");
  assertEquals(sureScoreOf(known(right), []), 0.9);
  assertEquals(sureScoreOf(known(right).slice(1), []), undefined);
});

Deno.test("pictures of none of the classes are strangers, and are never sure by that name", () => {
  const pictures = Array.from({ length: 20 }, (_, n) => ({ logits: [9, n / 10, 0], label: 0 }));
  const strange = (logits: number[]) => ({ logits, label: 2 });
  const with2 = (logits: number[]) =>
    calibrateLogits([...pictures, strange(logits)], { none: 2 }).sureScore;
  assertEquals(with2([0, 0, 30]) !== undefined, true); // Known for what it is.
  assertEquals(with2([30, 0, 0]), undefined); // The only stranger passes for class 0.
  const taken = pictures.map(({ logits }) => ({ logits: [0, 0, logits[0]!], label: 0 }));
  assertEquals(calibrateLogits(taken, { none: 2 }).sureScore, undefined);
});

Deno.test("scores are those of the calibrated logits", () => {
  const pictures = drawn(400, 0.5), { temperature, sureScore } = calibrateLogits(pictures);
  const best = pictures.map(({ logits, label }) => {
    const scores = softmax(logits, 1 / temperature), score = Math.max(...scores);
    return { score, isRight: scores[label] === score };
  });
  const sure = best.filter(({ score }) => score >= sureScore!);
  assert(sure.length > 0 && sure.filter(({ isRight }) => isRight).length >= 0.9 * sure.length);
  assertEquals(sureScore, sureScoreOf(best, []));
  assertEquals(calibrateLogits(pictures, { foreign: [[99, 0, 0, 0, 0]] }).sureScore, undefined);
});
