/** The interface of the two executors: `webgpu/` and `wasm/`. */

import type { VggError } from "../errors.ts";
import type { ProgressOptions } from "../progress.ts";

/** Which executor. */
export type Backend = "webgpu" | "wasm";

/** `"int8"` is the integer program; `"float"` multiplies the same weights with float activations. */
export type Precision = "int8" | "float";

/** Where a model runs, and how. */
export interface BackendOptions extends ProgressOptions {
  /**
   * `"auto"`, the default, takes WebGPU on a real adapter, and WebAssembly where there is none, only
   * a software one, or one that the model does not fit. While a device is lost, and for good if it
   * does not come back, WebAssembly answers; with `"webgpu"` runs wait.
   */
  readonly backend?: "auto" | Backend | undefined;
  /** `"int8"`, the default, is exact and the same everywhere. */
  readonly precision?: Precision | undefined;
  /**
   * Threads of the WebAssembly engine, 1 to 64. `"auto"`, the default, goes by the machine and the model's
   * size. They start once there is enough to do, and take over when they are ready: the first image of
   * most models is answered sooner without.
   */
  readonly threads?: "auto" | number | undefined;
  /** Whether kernels are chosen by a timed trial. No int8 result depends on it. Default: `"auto"`. */
  readonly tune?: "auto" | "off" | undefined;
  /**
   * Where WebGPU's times of kernels are kept, as `webgpu_tuning.json`. A load tries what is not there
   * yet, for some two seconds; without a folder there is no trial, and the defaults run.
   */
  readonly cacheDir?: string | undefined;
  /** Ends loading early. */
  readonly signal?: AbortSignal | undefined;
}

/** Resized, cropped images as bytes: the input of an engine. */
export interface Batch {
  /** `[count, height, width, channels]`, 0…255. */
  readonly data: Uint8Array;
  /** Number of images, at least 1. */
  readonly count: number;
  /** At least the model's input height. */
  readonly height: number;
  /** At least the model's input width. */
  readonly width: number;
}

/** What a layer gives for a batch. The real value is `data[i] * scale[image]`. */
export interface Activations {
  /** The layer's name. */
  readonly layer: string;
  /**
   * `[N, H, W, C]`; an average and what follows it give `[N, 1, 1, C]`, and so does a dense layer
   * on an image of the training size.
   */
  readonly shape: readonly [number, number, number, number];
  /** int32 with `precision: "int8"`, float32 with `"float"`. After the ReLU, where there is one. */
  readonly data: Int32Array | Float32Array;
  /** `[N]`; all 1 with `precision: "float"`. */
  readonly scale: Float64Array;
}

/** Options of `Engine.runLayers()`. */
export interface RunLayersOptions {
  /** Ends the run early, between layers. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `Engine.run()`. */
export interface RunOptions extends RunLayersOptions {
  /** Last layer to compute: `conv1_1`, `pool1`, `fc7`, …. Default: the network's last. */
  readonly layer?: string | undefined;
}

/** What one layer of a run cost. */
export interface LayerProfile {
  /** The layer's name; a pool counts to the layer before it. */
  readonly layer: string;
  /** What the batch took, in milliseconds. */
  readonly ms: number;
  /** Multiplications and additions of the layer as it is defined, however it is computed. */
  readonly operations: number;
  /** Which of an engine's kernels computed it. */
  readonly candidate: string;
}

/** Executes one Model. */
export interface Engine extends AsyncDisposable {
  /** Which executor this is. */
  readonly backend: Backend;
  /** Which arithmetic it uses. */
  readonly precision: Precision;
  /** Threads that compute, or will once they have started; 1 on a GPU. */
  readonly threads: number;
  /** Bytes that weights and buffers hold now. */
  readonly bytesResident: number;
  /** What it runs on, in words: an adapter's name, or the variant of the kernels. */
  readonly device: string;
  /** Settles once no run can succeed any more; an engine that has none is never lost. */
  readonly lost?: Promise<VggError> | undefined;
  /**
   * Runs the network up to a layer. Calls may overlap: they are executed one after the other.
   *
   * @throws {RangeError} If the batch does not match its sizes, is smaller than the model's input,
   *   or names a layer that the model does not have.
   * @throws {BackendUnavailableError} If the device is lost during the run, which is `retryable`,
   *   or is lost and does not come back.
   */
  run(batch: Batch, options?: RunOptions): Promise<Activations>;
  /**
   * Runs the network once, up to the last of some layers. On WebGPU a convolution that is read before its
   * max-pool, and is not the last, is computed a second time with it.
   *
   * @param layers At least one, in any order.
   * @returns What {@linkcode Engine.run} gives for each of them, bit for bit, in their order.
   * @throws As {@linkcode Engine.run} does, and {@linkcode RangeError} if there is no layer.
   */
  runLayers(
    batch: Batch,
    layers: readonly string[],
    options?: RunLayersOptions,
  ): Promise<Activations[]>;
  /** Runs the whole network once for a batch and times each layer. */
  profile(batch: Batch, options?: RunLayersOptions): Promise<LayerProfile[]>;
}
