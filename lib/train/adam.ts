/** Adam as an optimizer of tfjs. */

import type { Optimizer, Tensor, Variable } from "@tensorflow/tfjs-core";
import { floats, type Tfjs } from "./tfjs.ts";

const BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-7;

/** What an update changes, and what it remembers of those before; arrays of one length. */
export interface AdamState {
  readonly value: Float32Array;
  /** Means of slopes. */
  readonly first: Float32Array;
  /** Means of their squares. */
  readonly second: Float32Array;
}

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

/**
 * What `tf.train.adam()` is (Kingma and Ba, 2015), in one pass over the memory: tfjs's own visits
 * every value a dozen times, which took a quarter of a small network's training.
 */
export function adam(tf: Tfjs, learningRate: number): Optimizer {
  /** The names of the parent's methods and its state are tfjs's. */
  class Adam extends tf.Optimizer {
    learningRate = learningRate;
    #moments: { name: string; first: Variable; second: Variable }[] = [];

    /** @param gradients In the same order each time, as `minimize()` gives them. */
    applyGradients(gradients: { name: string; tensor: Tensor }[]): void {
      const variables = tf.engine().registeredVariables;
      if (this.#moments.length === 0) {
        this.#moments = tf.tidy(() =>
          gradients.map(({ name }) => ({
            name,
            first: tf.variable(tf.zerosLike(variables[name]), false),
            second: tf.variable(tf.zerosLike(variables[name]), false),
          }))
        );
      }
      this.incrementIterations();
      gradients.forEach(({ name, tensor: slope }, i) => {
        const { first, second } = this.#moments[i];
        const value = floats(variables[name]);
        const state = { value, first: floats(first), second: floats(second) };
        // On the CPU backend these are the variables' memory.
        adamUpdate(state, floats(slope), this.learningRate, this.iterations);
      });
    }

    override dispose(): void {
      tf.dispose(this.#moments.flatMap(({ first, second }) => [first, second]));
      super.dispose();
    }

    override async getWeights(): ReturnType<Optimizer["getWeights"]> {
      const iterations = await this.saveIterations();
      return [
        iterations,
        ...this.#moments.map(({ name, first }) => ({ name: `${name}/m`, tensor: first })),
        ...this.#moments.map(({ name, second }) => ({ name: `${name}/v`, tensor: second })),
      ];
    }

    override async setWeights(values: Parameters<Optimizer["setWeights"]>[0]): Promise<void> {
      const kept = await this.extractIterations(values), count = kept.length / 2;
      this.#moments = kept.slice(0, count).map(({ name, tensor }, i) => ({
        name,
        first: tf.variable(tensor, false),
        second: tf.variable(kept[count + i].tensor, false),
      }));
    }

    override getConfig(): Record<string, number> {
      return { learningRate: this.learningRate };
    }
  }
  return new Adam();
}
