/** Optimizers: how weights change by their slopes, and what is remembered of the updates before. */

/** Which of them. */
export type OptimizerName = "adam" | "momentum" | "sgd";

/** Changes arrays of one length in place, in the `iteration`th update from 1 on. */
type Update = (
  value: Float32Array,
  memory: readonly Float32Array[],
  slope: ArrayLike<number>,
  learningRate: number,
  iteration: number,
) => void;

/** What an update changes, and what Adam remembers of those before; arrays of one length. */
export interface AdamState {
  readonly value: Float32Array;
  /** Means of slopes. */
  readonly first: Float32Array;
  /** Means of their squares. */
  readonly second: Float32Array;
}

const BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-7;

/** Changes values in place, in the `iteration`th update from 1 on (Kingma and Ba, 2015, algorithm 1). */
export function adamUpdate(
  { value, first: m, second: v }: AdamState,
  slope: ArrayLike<number>,
  learningRate: number,
  iteration: number,
): void {
  const rate = learningRate / (1 - BETA1 ** iteration);
  const correction = 1 / (1 - BETA2 ** iteration);
  for (let k = 0; k < value.length; k++) {
    const g = slope[k]!;
    m[k]! += (1 - BETA1) * (g - m[k]!);
    v[k]! += (1 - BETA2) * (g * g - v[k]!);
    value[k]! -= rate * m[k]! / (Math.sqrt(v[k]! * correction) + EPSILON);
  }
}

/** Part of the last step that is made once more. */
const MOMENTUM = 0.9;

/** Of each optimizer: how many arrays it remembers of an array, and its update. */
const OPTIMIZERS: Readonly<Record<OptimizerName, { arrays: number; update: Update }>> = {
  adam: {
    arrays: 2,
    update: (value, [first, second], slope, learningRate, iteration) =>
      adamUpdate({ value, first: first!, second: second! }, slope, learningRate, iteration),
  },
  momentum: {
    arrays: 1,
    // Polyak, 1964; the rate is no part of what is remembered, as in Sutskever and others, 2013.
    update: (value, [step], slope, learningRate) => {
      for (let k = 0; k < value.length; k++) {
        step![k]! = MOMENTUM * step![k]! + slope[k]!;
        value[k]! -= learningRate * step![k]!;
      }
    },
  },
  sgd: {
    arrays: 0,
    update: (value, _, slope, learningRate) => {
      for (let k = 0; k < value.length; k++) value[k]! -= learningRate * slope[k]!;
    },
  },
};

/** An optimizer of some arrays. */
export class Optimizer {
  /** What it remembers, of each of the arrays. */
  readonly memory: readonly (readonly Float32Array[])[];
  readonly #values: readonly Float32Array[];
  readonly #update: Update;

  /** @param values What it changes in place. */
  constructor(name: OptimizerName, values: readonly Float32Array[]) {
    const { arrays, update } = OPTIMIZERS[name];
    this.#values = values;
    this.#update = update;
    this.memory = values.map(({ length }) =>
      Array.from({ length: arrays }, () => new Float32Array(length))
    );
  }

  /**
   * Makes an update.
   *
   * @param slopes Of each of the arrays.
   * @param iteration From 1 on.
   */
  step(slopes: readonly ArrayLike<number>[], learningRate: number, iteration: number): void {
    this.#values.forEach((value, i) =>
      this.#update(value, this.memory[i]!, slopes[i]!, learningRate, iteration)
    );
  }
}
