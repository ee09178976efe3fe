/** `vgg16 worker` on CIFAR-10's model as another process. */

import { concat } from "@std/bytes/concat";
import { fromFileUrl } from "@std/path";
import { CIFAR10 } from "./cifar10.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Words of a command line that start a worker. */
export const WORKER: readonly string[] = [
  ...["run", "--quiet", "--no-prompt", "--no-check", "--allow-all", `${ROOT}/cli.ts`],
  ...["worker", "--model", CIFAR10, "--backend", "wasm"],
];

/** Variables that a worker does not get from whoever runs the tests. */
export const WORKER_ENV: Readonly<Record<string, string>> = {
  ...{ NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", VK_DRIVER_FILES: "/dev/null" },
};

/** How a process has ended. */
export interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** A worker that runs. */
export class WorkerProcess implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stderr: Promise<string>;
  #waiting: Uint8Array = new Uint8Array(0);

  constructor(args: readonly string[] = []) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: [...WORKER, ...args],
      env: WORKER_ENV,
      ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    this.#input = this.child.stdin.getWriter();
    this.#output = this.child.stdout.getReader();
    this.#stderr = new Response(this.child.stderr).text();
  }

  /** Sends bytes. Resolves once the worker's pipe has them. */
  async write(bytes: Uint8Array | string): Promise<void> {
    await this.#input.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  }

  /** Ends the input. A worker that has left it is none the wiser. */
  async closeInput(): Promise<void> {
    await this.#input.close().catch(() => {});
  }

  /** Reads a line of answers as JSON; `undefined` at the end. */
  async line(): Promise<Record<string, unknown> | undefined> {
    let at = this.#waiting.indexOf(10);
    while (at === -1 && await this.#more()) at = this.#waiting.indexOf(10);
    if (at === -1) return undefined;
    return JSON.parse(new TextDecoder().decode(await this.bytes(at + 1)));
  }

  /** Reads so many bytes. */
  async bytes(count: number): Promise<Uint8Array> {
    while (this.#waiting.length < count && await this.#more());
    const bytes = this.#waiting.subarray(0, count);
    this.#waiting = this.#waiting.subarray(count);
    return bytes;
  }

  /** Reads all that is left. */
  async rest(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [this.#waiting];
    while (await this.#more(false)) parts.push(this.#waiting);
    this.#waiting = new Uint8Array(0);
    return concat(parts);
  }

  /** Leaves standard output, as a program does that dies. */
  async leave(): Promise<void> {
    await this.#output.cancel();
  }

  /** Waits for the end. */
  async ended(): Promise<Ended> {
    const { code } = await this.child.status;
    await this.closeInput();
    return { code, stderr: await this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#output.cancel().catch(() => {});
    await this.ended();
  }

  async #more(isAdded = true): Promise<boolean> {
    const { done, value } = await this.#output.read();
    if (done) return false;
    this.#waiting = isAdded ? concat([this.#waiting, value]) : value;
    return true;
  }
}

/** What a worker answers to these parts of its input, and how it ends. */
export async function answersTo(
  parts: readonly (Uint8Array | string)[],
  args: readonly string[] = [],
): Promise<Ended & { readonly stdout: Uint8Array }> {
  await using worker = new WorkerProcess(args);
  const writing = (async () => {
    for (const part of parts) await worker.write(part);
  })().catch(() => {}).then(() => worker.closeInput());
  const stdout = await worker.rest();
  await writing;
  return { stdout, ...await worker.ended() };
}
