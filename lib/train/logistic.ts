/**
 * Multinomial logistic regression with a quadratic penalty, by L-BFGS (Nocedal and Wright, "Numerical
 * Optimization", 2006, algorithms 7.4 and 7.5), in float64.
 */

import { takeTurn } from "../threads/turn.ts";
import type { DenseLayer } from "./dense.ts";
import type { TrainingKernels } from "./kernels.ts";
import { rowSpace } from "./row_space.ts";

/** What is learned from. */
export interface LogisticTask {
  /** `[N, D]`. */
  readonly rows: Float32Array;
  /** The class of each row, `[N]`. */
  readonly labels: ArrayLike<number>;
  /** Number of classes, K. */
  readonly classes: number;
}

/** How it is learned. */
export interface LogisticOptions {
  /** The gradient's length, relative to that before learning, at which it ends. Default: 1e-4. */
  readonly tolerance?: number | undefined;
  /** At most this many changes of the weights for one strength. Default: 1000. */
  readonly maxUpdates?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was learned: a soft-max of `weight x + bias` gives the classes' probabilities. */
export interface Logistic extends DenseLayer {
  /** The strength that it was learned with. */
  readonly C: number;
  /** How often the weights were changed. */
  readonly updates: number;
  /** Whether the gradient is as short as was asked for. */
  readonly converged: boolean;
}

/**
 * Minimizes `C * sum(-ln p) + |weight|^2 / 2` for one `C` after the other, each beginning where the one before
 * ended; `p` is the probability that is given to a row's class. It is the loss of scikit-learn's
 * `LogisticRegression(C)`; with two classes, of its C twice as large, as here each has weights.
 *
 * The arrays of `kernels` are overwritten. The same rows in the same order give the same bits, whatever the
 * number of threads.
 *
 * @param path Strengths, all above 0, best from small to large ones. A larger one follows the rows more closely.
 */
export async function* logisticPath(
  kernels: TrainingKernels,
  task: LogisticTask,
  path: Iterable<number>,
  { tolerance = 1e-4, maxUpdates = 1000, signal }: LogisticOptions = {},
): AsyncGenerator<Logistic> {
  const count = task.labels.length, isWide = task.rows.length > count * count;
  const short = isWide ? await rowSpace(kernels, task.rows, count, signal) : undefined;
  const loss = new Loss(kernels, { ...task, rows: short?.rows ?? task.rows });
  const { size } = loss;
  let at: Point | undefined, limit = 0;
  for (const C of path) {
    loss.penalty = 1 / (C * count);
    at = loss.at(at?.values ?? new Float64Array(size));
    limit ||= tolerance * norm(at.gradient);
    const memory = new Memory();
    let updates = 0;
    while (norm(at.gradient) > limit && updates < maxUpdates) {
      await takeTurn(signal);
      const next = search(loss, at, memory.direction(at.gradient));
      if (next === undefined) break; // As exact as float64 is.
      memory.add(at, next);
      at = next;
      updates++;
    }
    const { weight, bias } = loss.layer(at.values);
    const converged = norm(at.gradient) <= limit;
    yield { C, weight: short?.back(weight) ?? weight, bias, updates, converged };
  }
}

/** A place on the way. */
interface Point {
  readonly values: Float64Array;
  readonly loss: number;
  readonly gradient: Float64Array;
}

/**
 * The mean loss of rows. Its variables are `[D + 1, outputs]`: each input's weights, and at last the biases, which
 * have no penalty. `outputs` are the classes, and a column of zeros if their number is odd.
 */
class Loss {
  /** Of half of the sum of the weights' squares. */
  penalty = 0;
  /** Number of variables. */
  readonly size: number;
  readonly #kernels: TrainingKernels;
  readonly #task: LogisticTask;
  readonly #count: number;
  readonly #inner: number;
  readonly #outputs: number;
  /** `[N, D + 1]`, with a 1 at each end, and the same transposed. */
  readonly #x: Float32Array;
  readonly #transposed: Float32Array;
  /** `[D + 1, outputs]` and `[N, outputs]`. */
  readonly #variables: Float64Array;
  readonly #logits: Float64Array;

  constructor(kernels: TrainingKernels, task: LogisticTask) {
    const { rows, labels, classes } = task;
    const count = labels.length, length = rows.length / count, inner = length + 1;
    this.#kernels = kernels;
    this.#task = task;
    this.#count = count;
    this.#inner = inner;
    this.#outputs = classes + classes % 2;
    this.size = inner * this.#outputs;
    kernels.reset();
    this.#x = kernels.take(count * inner);
    for (let n = 0; n < count; n++) {
      this.#x.set(rows.subarray(n * length, (n + 1) * length), n * inner);
      this.#x[n * inner + length] = 1;
    }
    this.#transposed = kernels.take(count * inner);
    for (let i = 0; i < inner; i++) {
      for (let n = 0; n < count; n++) this.#transposed[i * count + n] = this.#x[n * inner + i]!;
    }
    this.#variables = kernels.take64(this.size);
    this.#logits = kernels.take64(count * this.#outputs);
  }

  /** The loss and its gradient. */
  at(values: Float64Array): Point {
    const count = this.#count, inner = this.#inner, outputs = this.#outputs;
    this.#variables.set(values);
    const forward = {
      x: this.#x,
      w: this.#variables,
      y: this.#logits,
      rows: count,
      inner,
      outputs,
    };
    this.#kernels.run("multiply", forward);
    const sum = this.#residuals();
    this.#kernels.run("multiply", {
      ...{ x: this.#transposed, w: this.#logits, y: this.#variables },
      ...{ rows: inner, inner: count, outputs },
    });
    const weights = values.subarray(0, values.length - outputs), { penalty } = this;
    const gradient = this.#variables.slice();
    for (let i = 0; i < weights.length; i++) gradient[i]! += penalty * weights[i]!;
    return { values, loss: sum + penalty / 2 * dot(weights, weights), gradient };
  }

  /** Turns logits into the loss's derivatives by them, and gives the loss. */
  #residuals(): number {
    const { labels, classes } = this.#task, outputs = this.#outputs, logits = this.#logits;
    const share = 1 / this.#count;
    let loss = 0;
    for (let n = 0; n < this.#count; n++) {
      const first = n * outputs, last = first + classes, own = first + labels[n]!;
      let max = -Infinity, sum = 0;
      for (let i = first; i < last; i++) max = Math.max(max, logits[i]!);
      loss += share * (max - logits[own]!);
      for (let i = first; i < last; i++) sum += logits[i] = Math.exp(logits[i]! - max);
      loss += share * Math.log(sum);
      for (let i = first; i < last; i++) logits[i]! *= share / sum;
      logits[own]! -= share;
    }
    return loss;
  }

  /** Variables as a layer. */
  layer(values: Float64Array): DenseLayer {
    const { classes } = this.#task, outputs = this.#outputs, length = this.#inner - 1;
    const weight = new Float32Array(classes * length);
    for (let i = 0; i < length; i++) {
      for (let c = 0; c < classes; c++) weight[c * length + i] = values[i * outputs + c]!;
    }
    const biases = values.subarray(length * outputs, length * outputs + classes);
    return { weight, bias: Float32Array.from(biases) };
  }
}

/** Changes that the curvature is told from. */
const REMEMBERED = 10;

/** What the last changes say about the curvature. */
class Memory {
  readonly #changes: { values: Float64Array; gradient: Float64Array; product: number }[] = [];

  add(from: Point, to: Point): void {
    const values = difference(to.values, from.values);
    const gradient = difference(to.gradient, from.gradient);
    this.#changes.push({ values, gradient, product: dot(values, gradient) });
    if (this.#changes.length > REMEMBERED) this.#changes.shift();
  }

  /** Where to go down from a point (algorithm 7.4, the two loops). */
  direction(gradient: Float64Array): Float64Array {
    const direction = gradient.map((value) => -value), factors: number[] = [];
    for (const { values, gradient, product } of this.#changes.toReversed()) {
      const factor = dot(values, direction) / product;
      addTimes(direction, -factor, gradient);
      factors.push(factor);
    }
    const last = this.#changes.at(-1);
    const scale = last === undefined
      ? 1 / norm(gradient)
      : last.product / dot(last.gradient, last.gradient);
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
    for (const { values, gradient, product } of this.#changes) {
      addTimes(direction, factors.pop()! - dot(gradient, direction) / product, values);
    }
    return direction;
  }
}

/** How much of the slope a step has to go down, and how much of it may be left (Wolfe's conditions). */
const DESCENT = 1e-4, CURVATURE = 0.9;
const MAX_TRIES = 40;
/** Part of a loss by which rounding may change it. */
const ROUNDING = 1e-14;

/**
 * A point along a direction that meets Wolfe's conditions, by bisection (Lewis and Overton, 2013, "Nonsmooth
 * optimization via quasi-Newton methods", algorithm 4.6); undefined if rounding leaves none.
 */
function search(loss: Loss, from: Point, direction: Float64Array): Point | undefined {
  const slope = dot(from.gradient, direction);
  let low = 0, high = Infinity, step = 1;
  for (let n = 0; n < MAX_TRIES; n++) {
    const values = from.values.slice();
    addTimes(values, step, direction);
    const to = loss.at(values);
    const most = from.loss * (1 + ROUNDING) + DESCENT * step * slope;
    if (!(to.loss <= most)) high = step;
    else if (dot(to.gradient, direction) < CURVATURE * slope) low = step;
    else return to;
    step = high < Infinity ? (low + high) / 2 : 2 * step;
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

const norm = (a: Float64Array): number => Math.sqrt(dot(a, a));

function addTimes(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}
