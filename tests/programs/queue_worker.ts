/** A queue's worker: knows which job to try again, and which never. */

import { classify, isVggError } from "@edge/vgg16";

interface Job {
  readonly image: string;
  finish(outcome: { label: string } | "again" | "never"): void;
}

export async function work(jobs: AsyncIterable<Job>, signal: AbortSignal): Promise<void> {
  for await (const { image, finish } of jobs) {
    try {
      const [{ label }] = await classify(image, { sources: ["http"], signal });
      finish({ label });
    } catch (error) {
      if (signal.aborted || !isVggError(error)) throw error;
      finish(error.retryable ? "again" : "never");
    }
  }
}
