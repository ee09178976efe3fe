/** A model on a device, and how both come back after the device was lost. */

import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import { BackendUnavailableError, DisposedError } from "../../errors.ts";
import { currentGpu, type Gpu } from "./device/device.ts";
import type { ResidentModel } from "./resident/resident_model.ts";

/** How long is waited before each request for another device: a driver needs a moment to restart. */
export const RECOVERY_DELAYS_MS: readonly number[] = [100, 1000, 5000, 30_000, 60_000];

/** A device, and the model on it. */
export interface Placement {
  readonly gpu: Gpu;
  readonly resident: ResidentModel;
}

/** Brings the model onto a device. */
export type Load = (gpu: Gpu, signal?: AbortSignal) => Promise<ResidentModel>;

/** Holds a model on a device. Once that is lost, it looks for another, and gives up in the end. */
export class Recovery {
  readonly #load: Load;
  readonly #delaysMs: readonly number[];
  readonly #ended = new AbortController();
  /** Of the last device; of the first one whether it was a software adapter. */
  #description = "";
  readonly #software: boolean;
  #placement: Placement | undefined;
  #returning: Promise<Placement> | undefined;
  #ignoreLoss: () => void = () => {};
  readonly #lost = Promise.withResolvers<BackendUnavailableError>();

  /** Takes over a share of the device that was acquired, which stays with the caller. */
  constructor(placement: Placement, load: Load, delaysMs: readonly number[]) {
    this.#load = load;
    this.#delaysMs = delaysMs;
    this.#software = placement.gpu.isFallback;
    this.#settle(placement);
  }

  /** Undefined while the device is away, and after it was lost for good. */
  get placement(): Placement | undefined {
    return this.#placement;
  }

  /** Settles once the device is lost for good. */
  get lost(): Promise<BackendUnavailableError> {
    return this.#lost.promise;
  }

  /** The name of the last adapter. */
  get description(): string {
    return this.#description;
  }

  /**
   * Waits until the device is there.
   *
   * @throws {BackendUnavailableError} If it was lost for good.
   * @throws {DisposedError} If {@linkcode Recovery.end} is called meanwhile.
   */
  async wait(signal?: AbortSignal): Promise<Placement> {
    if (this.#placement !== undefined) return this.#placement;
    const returning = this.#returning!;
    const alive = setInterval(() => {}, 2 ** 30); // A program ends if nobody waits for the device.
    try {
      return await (signal === undefined ? returning : abortable(returning, signal));
    } finally {
      clearInterval(alive);
    }
  }

  /** Looks for no device any more. The one that is there stays. */
  end(): void {
    this.#ended.abort(new DisposedError("engine"));
  }

  /** Frees the model. */
  async free(): Promise<void> {
    this.end();
    await this.#returning?.catch(() => {});
    this.#ignoreLoss();
    this.#placement?.resident[Symbol.dispose]();
    this.#placement = undefined;
  }

  #settle(placement: Placement): Placement {
    const { gpu } = placement;
    this.#placement = placement;
    this.#description = gpu.description;
    this.#ignoreLoss = gpu.onLoss(() => {
      this.#placement = undefined;
      this.#returning = this.#recover(gpu);
      // Who waits for it hears of it.
      this.#returning.catch(() => {});
    });
    return placement;
  }

  async #recover(lost: Gpu): Promise<Placement> {
    const { signal } = this.#ended;
    let cause: unknown;
    for (const delayMs of this.#delaysMs) {
      await delay(delayMs, { signal, persistent: false });
      try {
        return this.#settle(await this.#place(signal));
      } catch (error) {
        signal.throwIfAborted();
        cause = error;
      }
    }
    const { reason, message } = lost.lost()!;
    const error = new BackendUnavailableError(
      "backend-lost",
      "webgpu",
      `the device was lost (${reason}: ${message}) and did not come back. Load the model again`,
      { cause, retryable: false },
    );
    this.#lost.resolve(error);
    throw error;
  }

  /** Both or nothing. */
  async #place(signal: AbortSignal): Promise<Placement> {
    const gpu = await currentGpu(this.#software);
    const resident = await this.#load(gpu, signal);
    if (gpu.lost() === undefined && !signal.aborted) return { gpu, resident };
    resident[Symbol.dispose]();
    signal.throwIfAborted();
    throw new Error(`The device was lost again: ${gpu.lost()!.message}`);
  }
}
