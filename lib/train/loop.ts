/**
 * Training: batches, an optimizer, validation, early stopping, and a state from which an interrupted run
 * goes on.
 */

import type { Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import type { EpochMetrics, ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import { Judge, type Judged, WeightedMean } from "./judge.ts";
import { Optimizer, type OptimizerName } from "./optimizer.ts";
import { mixed, randomFrom, shuffled } from "./random.ts";
import { rateAt, type Rates } from "./schedule.ts";
import { beginning, checkLoss, endEpoch, type State, type StateStore } from "./state.ts";
import { crossEntropy, floats, type Tfjs } from "./tfjs.ts";

/** How to train. */
export interface LoopOptions extends Rates {
  readonly optimizer: OptimizerName;
  /** At most this many passes over the data. */
  readonly epochs: number;
  /**
   * Epochs of which none is better, after which training stops. Default: it does not. It does not with `oneCycle`
   * either: what the fall of the rate gives comes in the last epochs.
   */
  readonly patience?: number | undefined;
  readonly batchSize: number;
  /** Part by which weights shrink in an update, relative to the learning rate (decoupled decay). */
  readonly weightDecay: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressTeller | undefined;
  /** Keeps the state after each epoch, and gives back what an earlier run kept. */
  readonly state?: StateStore | undefined;
}

/** What is trained, on what. */
export interface Task {
  readonly variables: readonly Variable[];
  /** Arrays that `forward` writes to in training. Default: none. */
  readonly statistics?: readonly Float32Array[] | undefined;
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
  /**
   * The inputs at some positions, as a tensor that the loop frees.
   *
   * @param epoch In training, for what differs by the epoch; undefined in validation.
   */
  readonly batch: (positions: Uint32Array, epoch: number | undefined) => Tensor;
}

/** What goes on from one update to the next. */
interface Training {
  readonly state: State;
  readonly optimizer: Optimizer;
}

/**
 * Trains until the epochs are done or `patience` is over. The variables end with the values of the epoch that judges
 * the validation examples best: by balanced accuracy, in whole pictures, and of equal ones by the least loss.
 *
 * @throws {RangeError} If a loss is not finite: the learning rate is too high.
 * @throws {DOMException} `AbortError`, if the signal is; the state of the last whole epoch was kept.
 */
export async function trainLoop(
  tf: Tfjs,
  task: Task,
  options: LoopOptions,
): Promise<{ history: readonly EpochMetrics[]; bestEpoch: number }> {
  const { epochs, oneCycle, progress, learningRate } = options;
  const patience = oneCycle ? Infinity : options.patience ?? Infinity;
  // On the CPU backend these are the variables' memory, which all of training happens in.
  const variables = task.variables.map(floats), values = [...variables, ...task.statistics ?? []];
  const best = values.map((value) => value.slice());
  const optimizer = new Optimizer(options.optimizer, variables);
  const arrays = Object.fromEntries([
    ...values.map((value, n) => [`value.${n}`, value] as const),
    ...best.map((value, n) => [`best.${n}`, value] as const),
    ...optimizer.memory.flatMap((own, n) =>
      own.map((value, i) => [`memory.${n}.${i}`, value] as const)
    ),
  ]);
  const state = await options.state?.load(arrays) ?? beginning();
  progress?.reach(state.epoch, epochs);
  while (state.epoch < epochs && state.epoch - state.bestEpoch < patience) {
    const loss = await trainEpoch(tf, task, { state, optimizer }, options);
    const judged = await evaluate(tf, task, task.validation, options);
    checkLoss(judged.crossEntropy, state.epoch + 1, learningRate);
    const { metrics, isBest } = endEpoch(state, loss, judged);
    if (isBest) best.forEach((own, n) => own.set(values[n]!));
    await options.state?.save(state, arrays);
    progress?.reach(state.epoch, epochs, metrics);
  }
  progress?.end();
  values.forEach((value, n) => value.set(best[n]!));
  return { history: state.history, bestEpoch: state.bestEpoch };
}

async function trainEpoch(
  tf: Tfjs,
  task: Task,
  { state, optimizer }: Training,
  options: LoopOptions,
): Promise<number> {
  const { train, variables } = task, count = train.labels.length, epoch = state.epoch + 1;
  const order = shuffled(count, randomFrom(mixed(options.seed, epoch)));
  const updates = Math.ceil(count / options.batchSize), mean = new WeightedMean();
  for (let update = 0; update < updates; update++) {
    await takeTurn(options.signal);
    const rate = rateAt(options, (epoch - 1 + update / updates) / options.epochs);
    // Batches as even as they can be: a last one of a single picture would count as much as the
    // others in what batch normalization remembers.
    const positions = order.subarray(
      Math.floor(update * count / updates),
      Math.floor((update + 1) * count / updates),
    );
    const weights = weightsAt(task, positions), inputs = train.batch(positions, epoch);
    const { value, grads } = tf.variableGrads(
      () => lossOf(tf, task, task.forward(inputs, true), positions, weights),
      [...variables],
    );
    const [loss] = floats(value);
    optimizer.step(variables.map(({ name }) => floats(grads[name])), rate, ++state.updates);
    tf.dispose([inputs, value]);
    tf.dispose(grads);
    checkLoss(loss, epoch, rate);
    const sum = weights.reduce((a, b) => a + b, 0);
    mean.add(loss * positions.length / sum, sum);
    decay(variables, rate * options.weightDecay);
  }
  return mean.value;
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

function weightsAt({ train, classWeights }: Task, positions: Uint32Array): Float32Array {
  return Float32Array.from(positions, (position) => classWeights[train.labels[position]]);
}

/**
 * The loss whose slopes training follows. It is not divided by the weights of a batch, whose mean over all pictures
 * is 1: that would let a class count less in the batches in which it is met.
 */
function lossOf(
  tf: Tfjs,
  { classes, train }: Task,
  logits: Tensor2D,
  positions: Uint32Array,
  weights: Float32Array,
): ReturnType<typeof crossEntropy> {
  const labels = Int32Array.from(positions, (position) => train.labels[position]);
  const oneHot = tf.oneHot(tf.tensor1d(labels, "int32"), classes) as Tensor2D;
  return crossEntropy(tf, logits, oneHot, tf.tensor1d(weights) as Tensor1D);
}

/** What the network is worth on examples. */
export async function evaluate(
  tf: Tfjs,
  { forward, classes, classWeights }: Task,
  examples: Examples,
  { batchSize, signal }: LoopOptions,
): Promise<Judged> {
  const labels = Int32Array.from(examples.labels),
    judge = new Judge({ labels, classes, classWeights });
  const all = Uint32Array.from(labels, (_, n) => n);
  for (let first = 0; first < all.length; first += batchSize) {
    await takeTurn(signal);
    const positions = all.subarray(first, first + batchSize);
    const inputs = examples.batch(positions, undefined);
    const logits = tf.tidy(() => forward(inputs, false));
    const values = Float64Array.from(floats(logits));
    positions.forEach((n, i) => judge.add(n, values.subarray(i * classes, (i + 1) * classes)));
    tf.dispose([inputs, logits]);
  }
  return judge.result();
}
