/** Multinomial logistic regression with a quadratic penalty, by L-BFGS, in float64. */

import type { DenseLayer } from "./dense_layer.ts";
import type { TrainingKernels } from "./kernels.ts";
import { descend, dot, length, type Objective, type Point } from "./lbfgs.ts";
import { rowSpace } from "./row_space.ts";
import { areLarge, inOneArray, type Rows, RowsInMemory } from "./rows.ts";
import { lossOf } from "./softmax_loss.ts";

/** What is learned from. */
export interface LogisticTask {
  /** `[N, D]`. Large ones are read for each change of the weights, a part of them at a time. */
  readonly rows: Rows;
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
  /** Rows that are computed with at a time. Default: all, but of large ones 32 MiB. */
  readonly together?: number | undefined;
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
  { tolerance = 1e-4, maxUpdates = 1000, together, signal }: LogisticOptions = {},
): AsyncGenerator<Logistic> {
  const { count } = task.rows, isWide = task.rows.length > count && !areLarge(task.rows);
  const wide = isWide ? await inOneArray(task.rows, signal) : undefined;
  const short = wide && await rowSpace(kernels, wide.values, count, signal);
  const rows = short === undefined ? task.rows : new RowsInMemory(short.rows, count);
  const loss = new Loss(kernels, { ...task, rows }, together ?? togetherOf(rows));
  let at: Point | undefined, limit = 0;
  for (const C of path) {
    loss.penalty = 1 / (C * count);
    at = loss.at(at?.values ?? new Float64Array(loss.size));
    limit ||= tolerance * length(loss, at.gradient);
    const { updates, converged, ...end } = await descend(loss, at, { limit, maxUpdates, signal });
    at = end.at;
    const { weight, bias } = loss.layer(at.values);
    yield { C, weight: short?.back(weight) ?? weight, bias, updates, converged };
  }
}

/** Most bytes of rows that are computed with at a time, where all are too many. */
const CHUNK = 2 ** 25;

/** How many rows are computed with at a time. */
function togetherOf(rows: Rows): number {
  return areLarge(rows) ? Math.ceil(CHUNK / (4 * rows.length)) : rows.count;
}

/**
 * The mean loss of rows. Its variables are `[D + 1, outputs]`: each input's weights, and at last the biases, which
 * have no penalty. `outputs` are the classes, and a column of zeros if their number is odd.
 */
class Loss implements Objective {
  /** Of half of the sum of the weights' squares. */
  penalty = 0;
  /** Number of variables. */
  readonly size: number;
  readonly dot = dot;
  readonly #kernels: TrainingKernels;
  readonly #task: LogisticTask;
  readonly #inner: number;
  readonly #outputs: number;
  /** Rows that are computed with at a time; the first of those that are in `#x`, -1 if none. */
  readonly #chunk: number;
  #first = -1;
  /** `[chunk, D + 1]`, with a 1 at each end, and the same transposed. */
  readonly #x: Float32Array;
  readonly #transposed: Float32Array;
  /** `[D + 1, outputs]` and `[chunk, outputs]`. */
  readonly #variables: Float64Array;
  readonly #logits: Float64Array;

  constructor(kernels: TrainingKernels, task: LogisticTask, together: number) {
    const { rows, classes } = task, inner = rows.length + 1;
    this.#kernels = kernels;
    this.#task = task;
    this.#inner = inner;
    this.#outputs = classes + classes % 2;
    this.size = inner * this.#outputs;
    this.#chunk = Math.min(rows.count, together);
    kernels.reset();
    this.#x = kernels.take(this.#chunk * inner);
    this.#transposed = kernels.take(this.#chunk * inner);
    this.#variables = kernels.take64(this.size);
    this.#logits = kernels.take64(this.#chunk * this.#outputs);
  }

  /** The loss and its gradient, summed chunk by chunk. */
  at(values: Float64Array): Point {
    const { rows: { count } } = this.#task, gradient = new Float64Array(this.size);
    let sum = 0;
    for (let first = 0; first < count; first += this.#chunk) {
      sum += this.#addTo(gradient, values, first);
    }
    const weights = values.subarray(0, values.length - this.#outputs), { penalty } = this;
    for (let i = 0; i < weights.length; i++) gradient[i]! += penalty * weights[i]!;
    return { values, loss: sum + penalty / 2 * dot(weights, weights), gradient };
  }

  /** Adds what the rows from `first` on say to the gradient, and gives their loss. */
  #addTo(gradient: Float64Array, values: Float64Array, first: number): number {
    const { rows: all, labels, classes } = this.#task, inner = this.#inner, outputs = this.#outputs;
    const rows = Math.min(this.#chunk, all.count - first);
    this.#fill(first, rows);
    this.#variables.set(values);
    this.#kernels.run("multiply", {
      ...{ x: this.#x, w: this.#variables, y: this.#logits, rows, inner, outputs },
    });
    const own = { labels, first, count: rows, classes, outputs, share: 1 / all.count };
    const loss = lossOf(this.#logits, own);
    this.#kernels.run("multiply", {
      ...{ x: this.#transposed, w: this.#logits, y: this.#variables },
      ...{ rows: inner, inner: rows, outputs },
    });
    for (let i = 0; i < gradient.length; i++) gradient[i]! += this.#variables[i]!;
    return loss;
  }

  /** Reads rows, unless they are the ones that were read last. */
  #fill(first: number, count: number): void {
    if (first === this.#first) return;
    this.#first = first;
    const { rows } = this.#task, { length } = rows, inner = this.#inner;
    for (let n = 0; n < count; n++) {
      rows.read(first + n, this.#x.subarray(n * inner, n * inner + length));
      this.#x[n * inner + length] = 1;
    }
    for (let i = 0; i < inner; i++) {
      for (let n = 0; n < count; n++) this.#transposed[i * count + n] = this.#x[n * inner + i]!;
    }
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
