/**
 * Multinomial logistic regression that knows rows by their inner products alone: the best weights are sums of rows
 * (the representer theorem; Kimeldorf and Wahba, 1971), and L-BFGS asks for nothing but inner products.
 */

import type { Gram } from "./gram.ts";
import { descend, length, type Objective, type Point } from "./lbfgs.ts";
import { lossOf } from "./softmax_loss.ts";

/** What is learned from. */
export interface GramTask {
  /** Of all rows, N. */
  readonly gram: Gram;
  /** The class of each row, `[N]`; below 0 for one that is not learned from. */
  readonly labels: ArrayLike<number>;
  /** Number of classes, K. */
  readonly classes: number;
}

/** What was learned. */
export interface GramLogistic {
  /** How much of each row is in the weights of each class, `[N, outputs]`; see `outputs` of {@linkcode GramLoss}. */
  readonly coefficients: Float64Array;
  /** What is said of row `n`: `logits(n)[c]`, its class's bias included. */
  readonly logits: (n: number) => Float64Array;
  /** `[K]`. */
  readonly bias: Float32Array;
  /** Whether the gradient is as short as was asked for. */
  readonly converged: boolean;
}

/** Most bytes of what the curvature is told from, and least and most changes. */
const MEMORY = 2 ** 27, FEWEST = 3, MOST = 10;

/** Minimizes what `logisticPath()` does, for one strength after the other. */
export async function* gramPath(
  task: GramTask,
  path: Iterable<number>,
  { tolerance = 1e-4, maxUpdates = 1000, signal }: {
    readonly tolerance?: number | undefined;
    readonly maxUpdates?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): AsyncGenerator<GramLogistic> {
  const { gram: { count }, classes } = task, loss = new GramLoss(task), { outputs } = loss;
  const remembered = Math.max(FEWEST, Math.min(MOST, Math.floor(MEMORY / (16 * loss.size))));
  let at: Point | undefined, limit = 0;
  for (const C of path) {
    loss.penalty = 1 / (C * loss.learned);
    at = loss.at(at?.values ?? new Float64Array(loss.size));
    limit ||= tolerance * length(loss, at.gradient);
    const end = await descend(loss, at, { limit, maxUpdates, remembered, signal });
    at = end.at;
    const { values } = at, size = count * outputs, bias = values.subarray(2 * size);
    yield {
      coefficients: values.subarray(0, size),
      logits: (n) => {
        const first = size + n * outputs;
        return values.slice(first, first + classes).map((value, c) => value + bias[c]!);
      },
      bias: Float32Array.from(bias.subarray(0, classes)),
      converged: end.converged,
    };
  }
}

/**
 * The mean loss of rows. Its variables, and its gradient, are how much of each row is in weights, what weights then say
 * of each row, both `[N, outputs]`, and the biases. `outputs` are the classes, and a column of zeros if their number is
 * odd.
 */
class GramLoss implements Objective {
  /** Of half of the sum of the weights' squares. */
  penalty = 0;
  /** Number of variables. */
  readonly size: number;
  /** Rows that are learned from. */
  readonly learned: number;
  readonly outputs: number;
  readonly #task: GramTask;
  readonly #rows: number;

  constructor(task: GramTask) {
    const { gram: { count }, classes, labels } = task;
    this.#task = task;
    this.outputs = classes + classes % 2;
    this.#rows = count * this.outputs;
    this.size = 2 * this.#rows + this.outputs;
    this.learned = Array.from(labels).filter((label) => label >= 0).length;
  }

  /** The inner product of weights, and of biases. */
  dot = (a: Float64Array, b: Float64Array): number => {
    const rows = this.#rows;
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += a[i]! * b[rows + i]!;
    for (let i = 2 * rows; i < this.size; i++) sum += a[i]! * b[i]!;
    return sum;
  };

  at(values: Float64Array): Point {
    const { outputs, penalty, size } = this, rows = this.#rows, { gram } = this.#task;
    const gradient = new Float64Array(size), residuals = gradient.subarray(0, rows);
    for (let i = 0; i < rows; i++) {
      residuals[i] = values[rows + i]! + values[2 * rows + i % outputs]!;
    }
    const share = 1 / this.learned;
    let loss = lossOf(residuals, { ...this.#task, first: 0, count: gram.count, outputs, share });
    for (let i = 0; i < rows; i++) gradient[2 * rows + i % outputs]! += residuals[i]!;
    gradient.set(gram.times(residuals, outputs), rows);
    for (let i = 0; i < 2 * rows; i++) gradient[i]! += penalty * values[i]!;
    for (let i = 0; i < rows; i++) loss += penalty / 2 * values[i]! * values[rows + i]!;
    return { values, loss, gradient };
  }
}
