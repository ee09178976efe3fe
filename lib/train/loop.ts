/**
 * Training: batches, an optimizer, validation, early stopping, and a state from which an interrupted run
 * goes on.
 */

import type { Optimizer, Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { adam } from "./adam.ts";
import type { EpochMetrics, ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import { randomFrom, shuffled } from "./random.ts";
import {
  assignAll,
  describeState,
  encodeAll,
  type Learned,
  restoreState,
  type StateStore,
} from "./state.ts";
import { crossEntropy, type Tfjs } from "./tfjs.ts";

/** How to train. */
export interface LoopOptions {
  readonly optimizer: "adam" | "momentum" | "sgd";
  readonly learningRate: number;
  /** At most this many passes over the data. */
  readonly epochs: number;
  /** Epochs without a lower validation loss after which training stops. */
  readonly patience: number;
  readonly batchSize: number;
  /** Part by which weights shrink in an update, relative to the learning rate (decoupled decay). */
  readonly weightDecay: number;
  /** Whether the learning rate rises at first, and then falls to 0 along a cosine over all epochs. */
  readonly oneCycle: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressTeller | undefined;
  /** Keeps the state after each epoch, and gives back what an earlier run kept. */
  readonly state?: StateStore | undefined;
}

/** What is trained, on what. */
export interface Task extends Learned {
  readonly classes: number;
  /** From a batch of inputs to logits `[N, classes]`. */
  readonly forward: (inputs: Tensor, training: boolean) => Tensor2D;
  readonly train: Examples;
  readonly validation: Examples;
  /** Weight of each class in the loss, `[classes]`. */
  readonly classWeights: Float32Array;
}

/** Inputs and their classes. */
export interface Examples {
  readonly labels: ArrayLike<number>;
  /** The inputs at some positions, as a tensor that the loop frees; `augment` in training. */
  readonly batch: (positions: Uint32Array, augment: boolean) => Tensor;
}

/**
 * Trains until the epochs are done or the validation loss no longer falls. The variables end with the
 * values of the best epoch.
 *
 * @throws {RangeError} If a loss is not finite: the learning rate is too high.
 * @throws {DOMException} `AbortError`, if the signal is; the state of the last whole epoch was kept.
 */
export async function trainLoop(
  tf: Tfjs,
  task: Task,
  options: LoopOptions,
): Promise<{ history: EpochMetrics[]; bestEpoch: number }> {
  const optimizer = makeOptimizer(tf, options);
  const state = await restoreState(tf, task, optimizer, options.state);
  try {
    options.progress?.reach(state.epoch, options.epochs);
    while (state.epoch < options.epochs && state.epoch - state.bestEpoch < options.patience) {
      const epoch = ++state.epoch;
      const loss = await trainEpoch(tf, task, optimizer, epoch, options);
      const { loss: validationLoss, accuracy } = await evaluate(tf, task, options);
      checkLoss(validationLoss, epoch, options.learningRate);
      const metrics = { epoch, loss, validationLoss, validationAccuracy: accuracy };
      state.history.push(metrics);
      if (validationLoss < state.bestLoss) {
        state.bestLoss = validationLoss;
        state.bestEpoch = epoch;
        state.best = encodeAll(task);
      }
      await options.state?.save(await describeState(tf, task, optimizer, state));
      options.progress?.reach(epoch, options.epochs, metrics);
    }
    options.progress?.end();
    assignAll(tf, task, state.best);
    return { history: state.history, bestEpoch: state.bestEpoch };
  } finally {
    optimizer.dispose();
  }
}

function makeOptimizer(tf: Tfjs, { optimizer, learningRate }: LoopOptions): Optimizer {
  if (optimizer === "adam") return adam(tf, learningRate);
  if (optimizer === "momentum") return tf.train.momentum(learningRate, 0.9);
  return tf.train.sgd(learningRate);
}

async function trainEpoch(
  tf: Tfjs,
  task: Task,
  optimizer: Optimizer,
  epoch: number,
  options: LoopOptions,
): Promise<number> {
  const { train, variables } = task, count = train.labels.length;
  const order = shuffled(count, randomFrom(options.seed + epoch));
  const updates = Math.ceil(count / options.batchSize);
  let sum = 0;
  for (let update = 0; update < updates; update++) {
    await takeTurn(options.signal);
    const rate = rateAt(options, (epoch - 1 + update / updates) / options.epochs);
    // Optimizers read it in each update; only their declarations say that it is protected.
    (optimizer as unknown as { learningRate: number }).learningRate = rate;
    // Batches as even as they can be: a last one of a single picture would count as much as the
    // others in what batch normalization remembers.
    const positions = order.subarray(
      Math.floor(update * count / updates),
      Math.floor((update + 1) * count / updates),
    );
    const inputs = train.batch(positions, true);
    const cost = optimizer.minimize(
      () => lossOf(tf, task, task.forward(inputs, true), labelsAt(train, positions)),
      true,
      [...variables],
    )!;
    const [loss] = await cost.data();
    tf.dispose([inputs, cost]);
    checkLoss(loss, epoch, rate);
    sum += loss * positions.length;
    decay(variables, rate * options.weightDecay);
  }
  return sum / count;
}

function checkLoss(loss: number, epoch: number, rate: number): void {
  if (Number.isFinite(loss)) return;
  throw new RangeError(
    `The loss is ${loss} in epoch ${epoch}, at a learning rate of ${rate}: lower learningRate`,
  );
}

/** Part of a training in which the learning rate rises (Smith and Topin, 2018, "Super-Convergence"). */
const WARM_UP = 0.15;

export function rateAt(
  { learningRate, oneCycle }: Pick<LoopOptions, "learningRate" | "oneCycle">,
  part: number,
): number {
  if (!oneCycle) return learningRate;
  if (part < WARM_UP) return learningRate * Math.max(0.02, part / WARM_UP);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * (part - WARM_UP) / (1 - WARM_UP)));
}

/** Shrinks filters, not biases, in place: on the CPU backend these are the variables' memory. */
function decay(variables: readonly Variable[], part: number): void {
  if (part === 0) return;
  for (const variable of variables) {
    if (variable.rank < 2) continue;
    const values = variable.dataSync();
    for (let i = 0; i < values.length; i++) values[i] *= 1 - part;
  }
}

function labelsAt({ labels }: Examples, positions: Uint32Array): Int32Array {
  return Int32Array.from(positions, (position) => labels[position]);
}

function lossOf(
  tf: Tfjs,
  { classes, classWeights }: Task,
  logits: Tensor2D,
  labels: Int32Array,
): ReturnType<typeof crossEntropy> {
  const oneHot = tf.oneHot(tf.tensor1d(labels, "int32"), classes) as Tensor2D;
  const weights = tf.tensor1d(Float32Array.from(labels, (label) => classWeights[label]));
  return crossEntropy(tf, logits, oneHot, weights as Tensor1D);
}

/** Loss and accuracy on the validation examples. */
async function evaluate(
  tf: Tfjs,
  task: Task,
  { batchSize, signal }: LoopOptions,
): Promise<{ loss: number; accuracy: number }> {
  const { validation, forward } = task, count = validation.labels.length;
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  let sum = 0, right = 0;
  for (let first = 0; first < count; first += batchSize) {
    await takeTurn(signal);
    const positions = all.subarray(first, first + batchSize);
    const labels = labelsAt(validation, positions);
    const inputs = validation.batch(positions, false);
    const [loss, best] = tf.tidy(() => {
      const logits = forward(inputs, false);
      return [lossOf(tf, task, logits, labels), tf.argMax(logits, 1)];
    });
    sum += (await loss.data())[0] * positions.length;
    const predicted = await best.data();
    right += labels.filter((label, n) => predicted[n] === label).length;
    tf.dispose([inputs, loss, best]);
  }
  return { loss: sum / count, accuracy: right / count };
}
