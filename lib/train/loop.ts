/**
 * Training: batches, an optimizer, validation, early stopping, and a state from which an interrupted run
 * goes on.
 *
 * @module
 */

import type { Optimizer, Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { adam } from "./adam.ts";
import { randomFrom, shuffled } from "./random.ts";
import { crossEntropy, type Tfjs } from "./tfjs.ts";

/** What one epoch gave. Losses are mean cross-entropies in nats, accuracies parts of 1. */
export interface EpochMetrics {
  /** From 1 on. */
  readonly epoch: number;
  /** Over the epoch's batches, while it was learning from them. */
  readonly loss: number;
  /** On the validation pictures, after the epoch. */
  readonly validationLoss: number;
  /** On the validation pictures, after the epoch. */
  readonly validationAccuracy: number;
}

/** How to train. */
export interface LoopOptions {
  readonly optimizer: "adam" | "momentum" | "sgd";
  readonly learningRate: number;
  /** At most this many passes over the data. */
  readonly epochs: number;
  /** Epochs without a lower validation loss after which training stops. */
  readonly patience: number;
  readonly batchSize: number;
  /** Part by which weights shrink in a step, relative to the learning rate (decoupled decay). */
  readonly weightDecay: number;
  /** Whether the learning rate rises at first, and then falls to 0 along a cosine over all epochs. */
  readonly oneCycle: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onEpoch?: (metrics: EpochMetrics) => void;
  /** Called within an epoch, with the part of it that is done. */
  readonly onStep?: (epoch: number, part: number) => void;
  /** Keeps the state after each epoch, and gives back what an earlier run kept. */
  readonly state?: { load(): Promise<string | undefined>; save(text: string): Promise<void> };
}

/** What is trained, on what. */
export interface Task {
  readonly variables: readonly Variable[];
  /** What else training changes: arrays that `forward` writes to. Default: none. */
  readonly statistics?: readonly Float32Array[];
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

interface State {
  epoch: number;
  bestEpoch: number;
  bestLoss: number;
  history: EpochMetrics[];
  values: string[];
  best: string[];
  optimizer: { name: string; shape: number[]; data: string }[];
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
  const state = await restore(tf, task, optimizer, options);
  try {
    while (state.epoch < options.epochs && state.epoch - state.bestEpoch < options.patience) {
      const epoch = ++state.epoch;
      const loss = await trainEpoch(tf, task, optimizer, epoch, options);
      const { loss: validationLoss, accuracy } = await evaluateTask(tf, task, options.batchSize);
      checkLoss(validationLoss, epoch, options.learningRate);
      const metrics = { epoch, loss, validationLoss, validationAccuracy: accuracy };
      state.history.push(metrics);
      if (validationLoss < state.bestLoss) {
        state.bestLoss = validationLoss;
        state.bestEpoch = epoch;
        state.best = encodeAll(task);
      }
      if (options.state !== undefined) {
        state.values = encodeAll(task);
        const weights = await optimizer.getWeights();
        state.optimizer = weights.map(({ name, tensor }) => ({
          name,
          shape: tensor.shape,
          data: encode(tensor.dataSync()),
        }));
        tf.dispose(weights[0].tensor); // The number of iterations, which was made for this.
        await options.state.save(JSON.stringify(state));
      }
      options.onEpoch?.(metrics);
    }
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

async function restore(
  tf: Tfjs,
  task: Task,
  optimizer: Optimizer,
  { state }: LoopOptions,
): Promise<State> {
  const text = await state?.load();
  if (text === undefined) {
    const values = encodeAll(task);
    const best = values;
    return { epoch: 0, bestEpoch: 0, bestLoss: Infinity, history: [], values, best, optimizer: [] };
  }
  const kept: State = JSON.parse(text);
  assignAll(tf, task, kept.values);
  await optimizer.setWeights(kept.optimizer.map(({ name, shape, data }) => ({
    name,
    tensor: tf.tensor(decode(data), shape),
  })));
  return kept;
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
  const steps = Math.ceil(count / options.batchSize);
  let sum = 0;
  for (let step = 0; step < steps; step++) {
    options.signal?.throwIfAborted();
    const rate = rateAt(options, (epoch - 1 + step / steps) / options.epochs);
    // Optimizers read it in each step; only their declarations say that it is protected.
    (optimizer as unknown as { learningRate: number }).learningRate = rate;
    // Batches as even as they can be: a last one of a single picture would count as much as the
    // others in what batch normalisation remembers.
    const positions = order.subarray(
      Math.floor(step * count / steps),
      Math.floor((step + 1) * count / steps),
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
    options.onStep?.(epoch, (step + 1) / steps);
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

function rateAt({ learningRate, oneCycle }: LoopOptions, part: number): number {
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
export async function evaluateTask(
  tf: Tfjs,
  task: Task,
  batchSize: number,
): Promise<{ loss: number; accuracy: number }> {
  const { validation, forward } = task, count = validation.labels.length;
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  let sum = 0, right = 0;
  for (let first = 0; first < count; first += batchSize) {
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

function encode(values: ArrayLike<number>): string {
  return new Uint8Array(Float32Array.from(values).buffer).toBase64();
}

function decode(text: string): Float32Array {
  return new Float32Array(Uint8Array.fromBase64(text).buffer);
}

function encodeAll({ variables, statistics = [] }: Task): string[] {
  return [...variables.map((variable) => variable.dataSync()), ...statistics].map(encode);
}

function assignAll(
  tf: Tfjs,
  { variables, statistics = [] }: Task,
  values: readonly string[],
): void {
  variables.forEach((variable, i) =>
    tf.tidy(() => variable.assign(tf.tensor(decode(values[i]), variable.shape)))
  );
  statistics.forEach((array, i) => array.set(decode(values[variables.length + i])));
}
