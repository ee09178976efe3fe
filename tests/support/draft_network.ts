/**
 * Networks that tests draw and change: graphs with random weights.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Layout, Operator } from "../../lib/convert/formats/graph.ts";
import {
  type CheckpointTensor,
  OUTPUTS_FIRST,
  OUTPUTS_LAST,
} from "../../lib/convert/formats/tensor.ts";
import { CONFIGURATIONS } from "../../lib/model/architecture.ts";
import { seededRandom } from "../fuzz/checkpoints.ts";

/** An operator with its name. */
export type Step = { readonly name: string; readonly operator: Operator };

/** Random tensors and the operators of a small VGG11, which tests change. */
export class Draft {
  readonly random: () => number;
  constructor(readonly layout: Layout, readonly size: number, seed = 1) {
    this.random = seededRandom(seed);
  }

  tensor(name: string, shape: readonly number[], from = -1, to = 1): CheckpointTensor {
    const length = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length }, () => from + (to - from) * this.random());
    const layout = this.layout === "NCHW" ? OUTPUTS_FIRST : OUTPUTS_LAST;
    return {
      name,
      shape,
      layout,
      read({ start, length, stride, count }, into) {
        for (let run = 0; run < count; run++) {
          const begin = start + run * stride;
          into.set(values.subarray(begin, begin + length), run * length);
        }
      },
    };
  }

  conv(name: string, inputs: number, outputs: number, size = 3): Step {
    const shape = this.layout === "NCHW"
      ? [outputs, inputs, size, size]
      : [size, size, inputs, outputs];
    const bound = 2 / Math.sqrt(inputs * size * size);
    return step(name, {
      kind: "conv",
      weight: this.tensor(`${name}.weight`, shape, -bound, bound),
      bias: this.tensor(`${name}.bias`, [outputs], -0.5, 0.5),
      stride: [1, 1],
      padding: size === 3 ? [1, 1, 1, 1] : "valid",
      dilation: [1, 1],
      groups: 1,
      layout: this.layout,
    });
  }

  dense(name: string, inputs: number, outputs: number): Step {
    const shape = this.layout === "NCHW" ? [outputs, inputs] : [inputs, outputs];
    const bound = 2 / Math.sqrt(inputs);
    return step(name, {
      kind: "dense",
      weight: this.tensor(`${name}.weight`, shape, -bound, bound),
      bias: this.tensor(`${name}.bias`, [outputs]),
    });
  }

  norm(name: string, channels: number): Step {
    return step(name, {
      kind: "batchNorm",
      gamma: this.tensor(`${name}.gamma`, [channels], -1, 2),
      beta: this.tensor(`${name}.beta`, [channels]),
      mean: this.tensor(`${name}.mean`, [channels]),
      variance: this.tensor(`${name}.variance`, [channels], 0.5, 2),
      epsilon: 1e-3,
    });
  }

  /** Constants for each channel, as they are broadcast over a map of the layout. */
  perChannel(name: string, channels: number, from: number, to: number): CheckpointTensor {
    const shape = this.layout === "NCHW" ? [channels, 1, 1] : [channels];
    return this.tensor(name, shape, from, to);
  }

  pool(name: string): Step {
    return step(name, {
      kind: "maxPool",
      window: [2, 2],
      stride: [2, 2],
      padding: "valid",
      roundsUp: false,
      layout: this.layout,
    });
  }

  input(size: number | undefined = this.size): Step {
    const { layout } = this;
    return step("image", { kind: "input", layout, height: size, width: size, channels: 3 });
  }

  /** Input, convolutions with their ReLUs, and pools. */
  features(): Step[] {
    const steps = [this.input()];
    let channels = 3;
    CONFIGURATIONS.A.forEach((filters, block) => {
      filters.forEach((_, index) => {
        const name = `conv${block + 1}_${index + 1}`;
        steps.push(this.conv(name, channels, 4), relu(`relu${block + 1}_${index + 1}`));
        channels = 4;
      });
      steps.push(this.pool(`pool${block + 1}`));
    });
    return steps;
  }

  /** Features, and two dense layers behind what is flattened. */
  whole(positions = (this.size >> 5) ** 2): Step[] {
    return [
      ...this.features(),
      step("flatten", { kind: "flatten" }),
      this.dense("fc7", 4 * positions, 6),
      relu("relu7"),
      this.dense("fc8", 6, 5),
    ];
  }
}

/** Names an operator. */
export function step(name: string, operator: Operator): Step {
  return { name, operator };
}

/** A ReLU. */
export function relu(name: string): Step {
  return step(name, { kind: "relu" });
}

/** Puts steps before or after the one with a name, or in its place. */
export function change(
  steps: readonly Step[],
  name: string,
  make: (found: Step) => readonly Step[],
): Step[] {
  assert(steps.some((step) => step.name === name), `no ${name}`);
  return steps.flatMap((step) => step.name === name ? make(step) : [step]);
}

/** Changes an operator in its place. */
export function withOperator(steps: readonly Step[], name: string, changes: object): Step[] {
  return change(
    steps,
    name,
    ({ operator }) => [step(name, { ...operator, ...changes } as Operator)],
  );
}
