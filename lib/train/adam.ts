/** Adam as an optimizer of tfjs. */

import type { Optimizer, Tensor, Variable } from "@tensorflow/tfjs-core";
import { floats, type Tfjs } from "./tfjs.ts";

const BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-7;

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
        this.#update(floats(variables[name]), floats(slope), floats(first), floats(second));
      });
    }

    /** Changes the values of variables in place: on the CPU backend, these are their memory. */
    #update(value: Float32Array, slope: Float32Array, m: Float32Array, v: Float32Array): void {
      const rate = this.learningRate / (1 - BETA1 ** this.iterations);
      const correction = 1 / (1 - BETA2 ** this.iterations);
      for (let k = 0; k < value.length; k++) {
        const g = slope[k];
        m[k] += (1 - BETA1) * (g - m[k]);
        v[k] += (1 - BETA2) * (g * g - v[k]);
        value[k] -= rate * m[k] / (Math.sqrt(v[k] * correction) + EPSILON);
      }
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
