/**
 * Runs serve.ts on CIFAR-10's model as a process of its own, with the permissions that the README gives, and that to read
 * the model of a checkout.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { CIFAR10 } from "./cifar10.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const READ = "--allow-read=weights,lib";

/** A running server. */
export interface Server {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Lines of its log so far. */
  readonly lines: Record<string, unknown>[];
  /** Waits for a line of the log with this message. */
  seen(message: string): Promise<void>;
  /** Sends a signal and waits for the exit code. */
  stop(signal?: Deno.Signal): Promise<number>;
}

/** A port that is free now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * Starts `deno run serve.ts --port …` or `deno serve serve.ts`, and waits until it is ready. `alone` is
 * `deno run serve.ts`, whose port of 8000 the runtime replaces by a free one.
 */
export async function startServer(
  mode: "run" | "alone" | "serve" | "parallel",
  { flags = [], permissions = [], env = {}, host = "127.0.0.1", port = freePort() }: {
    flags?: string[];
    /** Beside those of the README. */
    permissions?: string[];
    env?: Record<string, string>;
    /** Where `deno serve` listens. */
    host?: string;
    port?: number;
  } = {},
): Promise<Server> {
  const modes = {
    run: [
      "run",
      "--allow-env",
      READ,
      `--allow-net=127.0.0.1:${port}`,
      "serve.ts",
      "--port",
      `${port}`,
    ],
    alone: ["run", "--allow-env", READ, `--allow-net=127.0.0.1:${port}`, "serve.ts"],
    serve: ["serve", "--allow-env", READ, "--host", host, "--port", `${port}`, "serve.ts"],
    parallel: [
      "serve",
      "--parallel",
      "--allow-env",
      READ,
      "--host",
      host,
      "--port",
      `${port}`,
      "serve.ts",
    ],
  };
  const [command, ...rest] = modes[mode];
  const child = new Deno.Command(Deno.execPath(), {
    args: [command, "--no-prompt", "--no-check", ...permissions, ...rest, ...flags],
    cwd: ROOT,
    env: {
      DENO_JOBS: "2",
      NO_COLOR: "1",
      VGG16_MODEL: CIFAR10,
      ...(mode === "alone" ? { DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}` } : {}),
      ...env,
    },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines: Record<string, unknown>[] = [];
  const reading = readLog(child.stdout, lines);
  const server: Server = {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    lines,
    seen: (message) => until(() => lines.some((line) => line.message === message)),
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      const { code } = await child.status;
      await reading;
      return code;
    },
  };
  await server.seen("ready");
  await until(() => isListening(port));
  return server;
}

async function readLog(
  stdout: ReadableStream<Uint8Array>,
  lines: Record<string, unknown>[],
): Promise<void> {
  const text = stdout.pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
  );
  const logged: ReadableStream<string> = text.pipeThrough(new TextLineStream());
  for await (const line of logged) {
    // Workers of `deno serve --parallel` put their number before each line.
    const json = line.slice(Math.max(0, line.indexOf("{")));
    if (json.startsWith("{")) lines.push(JSON.parse(json));
  }
}

/** Waits until something is so, for at most 20 seconds. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error("It did not happen within 20 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** Runs serve.ts until it ends by itself. */
export async function runToEnd(
  args: string[],
  env: Record<string, string> = {},
  permissions: string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--allow-env", READ, ...permissions],
      ...["serve.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", VGG16_MODEL: CIFAR10, ...env },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
