/**
 * A GPU that can be lost on purpose, whatever engine holds it: in tests and in the benchmark of faults.
 *
 * @module
 */

import type { Classifier, ImageClassifier } from "../../lib/classifier.ts";
import type { Images, PreparedImage } from "../../lib/input/prepared_image.ts";

/** Keeps hold of the devices that are requested until it is disposed of. */
export interface BreakableGpu extends Disposable {
  /** Loses the last device. */
  lose(): void;
  /** How often the next requests find no adapter. */
  away: number;
  /** What adapters say of themselves, if not the truth. Where it is false, `/dev` holds a GPU. */
  isFallback: boolean | undefined;
  /** How often an adapter was requested. */
  readonly requests: number;
  /** A classifier whose every n-th batch loses its device after it was sent to it. */
  breakEvery(
    n: number,
    classifier: Classifier,
  ): { readonly flaky: ImageClassifier; losses(): number; batches(): number };
}

/** Starts to keep hold of devices. */
export function breakable(): BreakableGpu {
  const { requestDevice } = GPUAdapter.prototype;
  const { requestAdapter } = GPU.prototype;
  const { statSync } = Deno;
  const fallback = Object.getOwnPropertyDescriptor(GPUAdapterInfo.prototype, "isFallbackAdapter")!;
  let device: GPUDevice | undefined;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    return device = await requestDevice.call(this, descriptor);
  };
  let requests = 0;
  GPU.prototype.requestAdapter = async function (options) {
    requests++;
    return gpu.away-- > 0 ? null : await requestAdapter.call(this, options);
  };
  Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", {
    ...fallback,
    get() {
      return gpu.isFallback ?? fallback.get!.call(this);
    },
  });
  Deno.statSync = (path) =>
    statSync(gpu.isFallback === false && path === "/dev/dri" ? "/dev" : path);
  const gpu: BreakableGpu = {
    away: 0,
    isFallback: undefined,
    get requests() {
      return requests;
    },
    lose: () => device!.destroy(),
    breakEvery: (n, classifier) => {
      let batches = 0, losses = 0;
      const scores = async (images: Images<PreparedImage>, options?: { signal?: AbortSignal }) => {
        const running = classifier.scores(images, options);
        if (++batches % n === 0) {
          // The commands are on their way: preparing takes no more than some microtasks.
          await new Promise((resolve) => setTimeout(resolve, 0));
          device?.destroy();
          losses++;
        }
        return await running;
      };
      const flaky = new Proxy(classifier, {
        get: (target, name) => {
          if (name === "scores") return scores;
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      return { flaky, losses: () => losses, batches: () => batches };
    },
    [Symbol.dispose]: () => {
      GPUAdapter.prototype.requestDevice = requestDevice;
      GPU.prototype.requestAdapter = requestAdapter;
      Deno.statSync = statSync;
      Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", fallback);
    },
  };
  return gpu;
}
