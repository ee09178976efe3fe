/**
 * The exponential function and the logarithm, rounded correctly: engines of JavaScript differ in the last bit of
 * `Math.exp()` and `Math.log()`, and predictions are to be the same in all of them. Their sums and products are, so
 * these are made of such.
 */

/** A number as the sum of two, the first of which is that sum, rounded: some 105 bits. */
type Double = readonly [high: number, low: number];

/** `a + b`, exactly, where `a` is not the smaller one. */
function sum(a: number, b: number): Double {
  const high = a + b;
  return [high, b - (high - a)];
}

/** Splits a number into halves whose products are exact (T. J. Dekker, 1971). */
function halves(a: number): Double {
  const part = a * (2 ** 27 + 1), high = part - (part - a);
  return [high, a - high];
}

/** `a * b`, exactly. */
function product(a: number, b: number): Double {
  const high = a * b, [a1, a2] = halves(a), [b1, b2] = halves(b);
  return [high, a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2)];
}

function times([a, aLow]: Double, [b, bLow]: Double): Double {
  const [high, low] = product(a, b);
  return sum(high, low + (a * bLow + aLow * b));
}

function plus([a, aLow]: Double, [b, bLow]: Double): Double {
  const [high, low] = Math.abs(a) < Math.abs(b) ? sum(b, a) : sum(a, b);
  return sum(high, low + aLow + bLow);
}

/** Parts of a step: how finely e^x is tabulated. */
const STEPS = 64;
/** The natural logarithm of 2 over {@linkcode STEPS}, in parts of 32 bits: their products with a count are exact. */
const STEP = [0xb17217f7, 0xd1cf79ab, 0xc9e3b398, 0x3f2f6af]
  .map((part, n) => part * 2 ** (-32 * (n + 1)) / STEPS) as [number, number, number, number];
/** What a quick result may be wrong by, of itself: more than it is, which is at most 2^-69.3. */
const QUICK_ERROR = 2 ** -68;

/** The rest is halved so often before the series, and its result squared as often. */
const HALVINGS = 8;
/** `1 / n` for each term of the series, the last one first. The rest is below 2^-9, what follows below 2^-115. */
const RECIPROCALS = Array.from({ length: 10 }, (_, i): Double => {
  const n = 10 - i, [high, low] = product(1 / n, n);
  return [1 / n, (1 - high - low) / n];
});

/** `e^x` to some 100 bits, where `x` is between -1 and 1. */
function precise([high, low]: Double): Double {
  const small: Double = [high / 2 ** HALVINGS, low / 2 ** HALVINGS];
  // e^t - 1 = t (1 + t/2 (1 + t/3 (…)))
  let less: Double = [0, 0];
  for (const reciprocal of RECIPROCALS) {
    less = times(times(small, reciprocal), plus([1, 0], less));
  }
  // (1 + y)^2 - 1 = 2y + y^2
  for (let n = 0; n < HALVINGS; n++) less = plus([2 * less[0], 2 * less[1]], times(less, less));
  return plus([1, 0], less);
}

/** `x` without so many steps. */
function without(steps: number, x: number): Double {
  return STEP.reduce<Double>((rest, part) => plus(rest, [-steps * part, 0]), [x, 0]);
}

/** `2^(n / STEPS)` for each `n`, once it is needed: each is a product of two that are computed. */
let table: readonly Double[] | undefined;

/**
 * `e^x`.
 *
 * @param x At most 709.
 */
export function exp(x: number): number {
  if (!(x > -746)) return x < 0 ? 0 : x;
  const { steps, power, start } = stepsOf(x);
  const value = quick(x, steps, start) ?? times(start, precise(without(steps, x)))[0];
  // What is smaller than any normal number is reached in two steps.
  const half = power >> 1;
  return value * 2 ** half * 2 ** (power - half);
}

/**
 * The natural logarithm.
 *
 * @param x At least 2^-900, at most 2^900.
 */
export function log(x: number): number {
  const near = Math.log(x); // To a bit or two.
  const { steps, power, start } = stepsOf(-near);
  const [one, low] = times([x * 2 ** power, 0], times(start, precise(without(steps, -near))));
  return near + (one - 1 + low);
}

function makeTable(): Double[] {
  const ROW = 8, power = (n: number): Double => precise(without(-n, 0));
  const row = Array.from({ length: ROW }, (_, n) => power(n));
  return Array.from({ length: STEPS / ROW }, (_, n) => power(n * ROW))
    .flatMap((first) => row.map((factor) => times(first, factor)));
}

/** How many steps there are in `x`, and `e` to the power of those as `2^power` times a number of the table. */
function stepsOf(x: number): { steps: number; power: number; start: Double } {
  table ??= makeTable();
  const steps = Math.round(x / STEP[0]), place = steps & (STEPS - 1);
  return { steps, power: (steps - place) / STEPS, start: table[place]! };
}

/** `e^(x - steps)` times a number of the table, in doubles but where it counts; or nothing, where it is not sure. */
function quick(x: number, steps: number, [a, aLow]: Double): number | undefined {
  const [r, left] = sum(x - steps * STEP[0], -steps * STEP[1]);
  const rLow = left - steps * STEP[2];
  const [square, squareLow] = product(r, r);
  const rest = rLow + r * rLow + squareLow / 2 +
    square * r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040))));
  const [linear, linearLow] = product(a, r), [quadratic, quadraticLow] = product(a, square / 2);
  const [high, low] = sum(a, linear), [first, firstLow] = sum(high, quadratic);
  const more = low + firstLow + linearLow + quadraticLow + aLow + aLow * r + a * rest;
  const least = first + (more - first * QUICK_ERROR), most = first + (more + first * QUICK_ERROR);
  return least === most ? most : undefined;
}
