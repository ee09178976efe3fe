/** The state of a training after an epoch, as text from which a later run goes on. */

import type { Optimizer, Variable } from "@tensorflow/tfjs-core";
import type { EpochMetrics } from "../progress.ts";
import type { Tfjs } from "./tfjs.ts";

/** What training changes. */
export interface Learned {
  readonly variables: readonly Variable[];
  /** Arrays that are written to meanwhile. Default: none. */
  readonly statistics?: readonly Float32Array[] | undefined;
}

/** Where the text is kept. */
export interface StateStore {
  /** What an earlier run kept. */
  load(): Promise<string | undefined>;
  save(text: string): Promise<void>;
}

/** How far a training is; the values of variables in base64. */
export interface State {
  epoch: number;
  bestEpoch: number;
  bestLoss: number;
  history: EpochMetrics[];
  /** Of the best epoch. */
  best: string[];
}

/** With what only a later run needs. */
interface KeptState extends State {
  readonly values: string[];
  readonly optimizer: { readonly name: string; readonly shape: number[]; readonly data: string }[];
}

/** The state that was kept, which variables and optimizer get, or that of a beginning. */
export async function restoreState(
  tf: Tfjs,
  learned: Learned,
  optimizer: Optimizer,
  store: StateStore | undefined,
): Promise<State> {
  const text = await store?.load();
  if (text === undefined) {
    return { epoch: 0, bestEpoch: 0, bestLoss: Infinity, history: [], best: encodeAll(learned) };
  }
  const { values, optimizer: weights, ...state }: KeptState = JSON.parse(text);
  assignAll(tf, learned, values);
  await optimizer.setWeights(weights.map(({ name, shape, data }) => ({
    name,
    tensor: tf.tensor(decode(data), shape),
  })));
  return state;
}

/** The text to keep. */
export async function describeState(
  tf: Tfjs,
  learned: Learned,
  optimizer: Optimizer,
  state: State,
): Promise<string> {
  const weights = await optimizer.getWeights();
  const kept: KeptState = {
    ...state,
    values: encodeAll(learned),
    optimizer: weights.map(({ name, tensor }) => ({
      name,
      shape: tensor.shape,
      data: encode(tensor.dataSync()),
    })),
  };
  tf.dispose(weights[0]!.tensor); // The number of iterations, which was made for this.
  return JSON.stringify(kept);
}

/** The values of all that training changes. */
export function encodeAll({ variables, statistics = [] }: Learned): string[] {
  return [...variables.map((variable) => variable.dataSync()), ...statistics].map(encode);
}

/** Gives it these values. */
export function assignAll(
  tf: Tfjs,
  { variables, statistics = [] }: Learned,
  values: readonly string[],
): void {
  const count = variables.length + statistics.length;
  if (values.length !== count) {
    throw new RangeError(
      `The state of another training: ${values.length} arrays, expected ${count}`,
    );
  }
  variables.forEach((variable, i) =>
    tf.tidy(() => variable.assign(tf.tensor(decode(values[i]!), variable.shape)))
  );
  statistics.forEach((array, i) => array.set(decode(values[variables.length + i]!)));
}

function encode(values: ArrayLike<number>): string {
  return new Uint8Array(Float32Array.from(values).buffer).toBase64();
}

function decode(text: string): Float32Array {
  return new Float32Array(Uint8Array.fromBase64(text).buffer);
}
