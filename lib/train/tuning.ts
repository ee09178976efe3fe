/** Trains the last block of a network and a linear head behind it, on maps of what comes before. */

import type { EpochMetrics, ProgressTeller } from "../progress.ts";
import { takeTurn } from "../threads/turn.ts";
import type { DenseLayer } from "./dense_layer.ts";
import { Judge, type Judged, WeightedMean } from "./judge.ts";
import type { TrainingKernels } from "./kernels.ts";
import type { BlockLayer } from "./last_block.ts";
import { rateAt } from "./schedule.ts";
import type { Window } from "./maps.ts";
import { type AdamState, adamUpdate } from "./optimizer.ts";
import { mixed, randomFrom, shuffled } from "./random.ts";
import { beginning, checkLoss, endEpoch, type State, type StateStore } from "./state.ts";
import { TunedNetwork, type TuningTask } from "./tuned_network.ts";

/** How it is trained. */
export interface TuningOptions {
  readonly epochs: number;
  readonly learningRate: number;
  readonly batchSize: number;
  /** Part by which weights shrink in an update, relative to the learning rate. */
  readonly weightDecay: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressTeller | undefined;
  readonly state?: StateStore | undefined;
}

/** What was trained. */
export interface Tuned {
  readonly block: readonly BlockLayer[];
  readonly head: DenseLayer;
  readonly history: readonly EpochMetrics[];
  /** The epoch whose weights these are; 0 if none was better than those that it began with. */
  readonly bestEpoch: number;
}

/** How much faster the head learns than the layers below it, which are good at once. */
const HEAD_RATE = 20;
/** The least side of a window, as a part of a map's. */
const LEAST_WINDOW = 0.75;

/**
 * Trains for a number of epochs, and keeps the one that judges the held pictures best: by balanced accuracy, and of
 * equal ones by the least cross-entropy. The arrays of `kernels` are overwritten.
 *
 * In each update pictures are mirrored or not, and all of them lose the same part of their maps' margins.
 *
 * @throws {RangeError} If a loss is not finite: the learning rate is too high.
 * @throws {DOMException} `AbortError`, if the signal is; the state of the last whole epoch was kept.
 */
export async function tune(
  kernels: TrainingKernels,
  task: TuningTask,
  options: TuningOptions,
): Promise<Tuned> {
  const { progress, epochs, learningRate } = options;
  const network = new TunedNetwork(kernels, task), { values: value } = network;
  const first = new Float32Array(value.length), second = new Float32Array(value.length);
  const arrays = { value, best: value.slice(), first, second };
  const state = await options.state?.load(arrays) ??
    beginning(await judge(network, task, options));
  progress?.reach(state.epoch, epochs);
  while (state.epoch < epochs) {
    const loss = await trainEpoch(network, task, { state, adam: arrays }, options);
    const judged = await judge(network, task, options);
    checkLoss(judged.crossEntropy, state.epoch + 1, learningRate);
    const { metrics, isBest } = endEpoch(state, loss, judged);
    if (isBest) arrays.best.set(value);
    await options.state?.save(state, arrays);
    progress?.reach(state.epoch, epochs, metrics);
  }
  progress?.end();
  value.set(arrays.best);
  return { ...network.layers(), history: state.history, bestEpoch: state.bestEpoch };
}

/** What goes on from one update to the next. */
interface Training {
  readonly state: State;
  /** Of all values. */
  readonly adam: AdamState;
}

async function trainEpoch(
  network: TunedNetwork,
  task: TuningTask,
  { state, adam }: Training,
  options: TuningOptions,
): Promise<number> {
  const { seed, batchSize } = options, epoch = state.epoch + 1;
  const { train } = task, next = randomFrom(mixed(seed, epoch)), mean = new WeightedMean();
  const order = shuffled(train.length, next), updates = Math.ceil(train.length / batchSize);
  for (let update = 0; update < updates; update++) {
    await takeTurn(options.signal);
    const rate = rateAt(
      { ...options, oneCycle: true },
      (epoch - 1 + update / updates) / options.epochs,
    );
    const positions = order.subarray(
      Math.floor(update * train.length / updates),
      Math.floor((update + 1) * train.length / updates),
    ).map((n) => train[n]!);
    const window = windowOf(task.maps.shape, next);
    const pictures = [...positions].map((n) => ({
      n,
      isMirrored: randomFrom(mixed(seed, epoch, n))() < 0.5,
    }));
    const { loss, slopes } = network.slopes(pictures, window, mean);
    checkLoss(loss, epoch, rate);
    updateParts(network, adam, slopes, rate, ++state.updates, options);
  }
  return mean.value;
}

/** Makes an update of all layers, of the head a larger one. */
function updateParts(
  { parts }: TunedNetwork,
  { value, first, second }: AdamState,
  slopes: Float32Array,
  rate: number,
  iteration: number,
  { weightDecay }: TuningOptions,
): void {
  for (const { at, length, isHead, isWeight } of parts) {
    const [own, ownFirst, ownSecond, slope] = [value, first, second, slopes]
      .map((array) => array.subarray(at, at + length)) as [
        ...[Float32Array, Float32Array, Float32Array, Float32Array],
      ];
    const ownRate = isHead ? HEAD_RATE * rate : rate;
    adamUpdate({ value: own, first: ownFirst, second: ownSecond }, slope, ownRate, iteration);
    if (!isWeight) continue;
    for (let i = 0; i < length; i++) own[i]! *= 1 - ownRate * weightDecay;
  }
}

/** A square part of a map, or all of it. */
function windowOf({ height, width }: Pick<Window, "height" | "width">, next: () => number): Window {
  const side = Math.min(height, width), least = Math.max(2, Math.ceil(LEAST_WINDOW * side));
  const up = (most: number): number => Math.floor(next() * (most + 1));
  const own = least + up(side - least);
  return { top: up(height - own), left: up(width - own), height: own, width: own };
}

/** What the network is worth on the held pictures. */
async function judge(
  network: TunedNetwork,
  task: TuningTask,
  { batchSize, signal }: TuningOptions,
): Promise<Judged> {
  const { held } = task, judge = new Judge(task);
  for (let first = 0; first < held.length; first += batchSize) {
    await takeTurn(signal);
    const pictures = held.subarray(first, first + batchSize);
    network.logits(pictures).forEach((logits, i) => judge.add(pictures[i]!, logits));
  }
  return judge.result();
}
