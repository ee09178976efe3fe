import { assert, assertEquals } from "@std/assert";
import { examples } from "../../lib/train/pixels.ts";
import { stratifiedFolds } from "../../lib/train/folds.ts";
import { mixed, randomFrom } from "../../lib/train/random.ts";
import { stratifiedSplit } from "../../lib/train/split.ts";
import { withTfjs } from "../../lib/train/tfjs.ts";

/** The neighbors of three numbers that differ in one of them. */
const neighbors = ([a, b, c]: readonly [number, number, number]) => [
  ...[[a + 1, b, c], [a, b + 1, c], [a, b, c + 1], [a + 2 ** 32, b, c], [b, a, c], [a, c, b]],
];

Deno.test("mixed() gives neighbors seeds of which every bit differs in half of all cases", () => {
  const flips = new Float64Array(32);
  let count = 0;
  for (let n = 0; n < 1000; n++) {
    const own = [n, 3 * n + 1, 7 * n + 5] as const;
    for (const other of neighbors(own)) {
      const difference = mixed(...own) ^ mixed(...other);
      for (let bit = 0; bit < 32; bit++) flips[bit]! += difference >>> bit & 1;
      count++;
    }
  }
  // Five standard errors of a fair coin.
  const most = 5 * Math.sqrt(0.25 / count);
  flips.forEach((sum, bit) => assert(Math.abs(sum / count - 0.5) < most, `${bit}: ${sum / count}`));
  assertEquals(new Set([mixed(1), mixed(1, 0), mixed(0, 1), mixed(1, 2), mixed(2, 1)]).size, 5);
  assertEquals(mixed(5, 6, 7), mixed(5, 6, 7));
});

Deno.test("mixed() is MurmurHash3's finalizer of the low and then the high half of a number", () => {
  // By Python: the finalizer's definition in integers of any length, of (hash + 0x9e3779b9) ^ word.
  assertEquals(mixed(0x1fedcb12345678), 1192759994);
});

/** Which of some pictures are mirrored, and whither each is moved, in the batches of an epoch. */
async function drawn(
  seed: number,
  epoch: number | undefined,
  { batchSize = 1000, count = 1000, skip = 0 } = {},
): Promise<string[]> {
  // Each pixel says where it was.
  const side = 8, size = side * side, pixels = new Uint8Array((count + skip) * size);
  for (let at = 0; at < pixels.length; at++) pixels[at] = at % size;
  const input = { height: side, width: side, channels: 1 };
  const preprocessing = {
    ...{ resize: "direct", size: side, filter: "bilinear", scale: 1 } as const,
    ...{ mean: [0], std: [1] },
  };
  const architecture = { configuration: "A", input, convolutions: [], dense: [] } as const;
  const classes = Array.from({ length: count + skip }, () => 0);
  return await withTfjs((tf) => {
    const { batch } = examples(
      tf,
      { pixels, classes, architecture, preprocessing },
      Array.from({ length: count }, (_, n) => n + skip),
      { flip: true, shift: 1, seed },
    );
    const found: string[] = [];
    for (let first = 0; first < count; first += batchSize) {
      const length = Math.min(batchSize, count - first);
      const positions = Uint32Array.from({ length }, (_, n) => first + n);
      const tensor = batch(positions, epoch), values = tensor.dataSync();
      for (let n = 0; n < length; n++) {
        const [at, beside] = [3 * side + 3, 3 * side + 4].map((at) => values[n * size + at]!);
        const isMirrored = beside! < at!, x = at! % side, y = Math.floor(at! / side);
        const dx = isMirrored ? side - 1 - x - 3 : x - 3;
        found.push(`${isMirrored ? "mirrored" : "plain"} ${dx} ${y - 3}`);
      }
      tensor.dispose();
    }
    return Promise.resolve(found);
  });
}

Deno.test("how a picture is varied is a matter of the seed, the epoch and the picture alone", async () => {
  const whole = await drawn(3, 2);
  for (const batchSize of [1, 7, 64]) assertEquals(await drawn(3, 2, { batchSize }), whole);
  assertEquals(await drawn(3, 2, { skip: 10, count: 990 }), whole.slice(10));
  assertEquals(new Set(await drawn(3, undefined)), new Set(["plain 0 0"]));
});

Deno.test("another seed, another epoch and another picture vary in ways that have nothing in common", async () => {
  const ways = await drawn(3, 2);
  // Half of 1,000, and a ninth of both: within four standard errors.
  const mirrored = ways.filter((way) => way.startsWith("mirrored")).length;
  assert(Math.abs(mirrored - 500) < 64, `${mirrored} are mirrored`);
  const counts = Map.groupBy(ways, (way) => way);
  assertEquals(counts.size, 18);
  for (const [way, { length }] of counts) {
    assert(Math.abs(length - 1000 / 18) < 30, `${way} ${length}`);
  }
  const others = {
    "next seed": await drawn(4, 2),
    "next epoch": await drawn(3, 3),
    "the seed is the epoch, and that the seed": await drawn(2, 3),
    "next picture": [...ways.slice(1), ways[0]!],
  };
  for (const [name, other] of Object.entries(others)) {
    const same = other.filter((way, n) => way === ways[n]).length;
    const alike = other.filter((way, n) => way[0] === ways[n]![0]).length;
    assert(
      Math.abs(same - 1000 / 18) < 30 && Math.abs(alike - 500) < 64,
      `${name}: ${same}, ${alike}`,
    );
  }
});

Deno.test("a picture is mirrored in some epochs, and not in others, also in a batch of its own", async () => {
  const ways = await Promise.all(
    Array.from({ length: 40 }, (_, epoch) => drawn(0, epoch + 1, { batchSize: 1, count: 1 })),
  );
  const mirrored = ways.filter(([way]) => way!.startsWith("mirrored")).length;
  assert(mirrored > 8 && mirrored < 32, `${mirrored} of 40`);
  assert(randomFrom(mixed(0, 1))() !== randomFrom(mixed(1, 0))());
});

Deno.test("seeds of the same low bits divide pictures in ways of their own", () => {
  const labels = Array.from({ length: 60 }, (_, n) => n % 3), names = ["a", "b", "c"];
  for (const low of [0, 1, 5, 2 ** 32 - 1]) {
    const seeds = [low, low + 2 ** 32, low + 2 ** 33, low + 2 ** 52];
    const numbers = seeds.map((seed) => randomFrom(seed)());
    assertEquals(new Set(numbers).size, 4, `${numbers}`);
    const folds = seeds.map((seed) => stratifiedFolds(labels, 3, { seed }).join());
    assertEquals(new Set(folds).size, 4, `folds of ${low}`);
    const splits = seeds.map((seed) => stratifiedSplit(labels, names, 0.2, seed).validation.join());
    assertEquals(new Set(splits).size, 4, `splits of ${low}`);
  }
  assertEquals(randomFrom(2 ** 53 - 1)(), randomFrom(2 ** 53 - 1)());
});

/** Seeds, and 2^32 times the first number of each. */
const SEEDS = [[0, 1361921809], [1, 2723843587], [12345, 2199355594], [2147483648, 3508864785], [
  4294967295,
  270369,
]] as const;

Deno.test("randomFrom() is Marsaglia's generator, and of seeds of 32 bits nothing else is mixed in", () => {
  // By Python, in integers of any length: state = (seed + 1) * 0x9e3779b1 mod 2^32, 1 instead of 0.
  const first = SEEDS.map(([seed]) => randomFrom(seed)() * 2 ** 32);
  assertEquals(first, SEEDS.map(([, expected]) => expected));
});
