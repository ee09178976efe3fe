/**
 * Servers under load: ours and the peer, each a process of its own.
 *
 * @module
 */

/** A running server. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** How many images went through the network together, in words. */
  batches(): Promise<string>;
  /** How long refusals took, in words. */
  refusals(): Promise<string>;
}

/** What wrk measured. Times in milliseconds. */
export interface Load {
  readonly seconds: number;
  readonly ok: number;
  readonly busy: number;
  readonly other: number;
  readonly broken: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const ROOT = new URL("../..", import.meta.url).pathname;
const READ = "--allow-read=weights,lib";

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function start(
  command: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { DENO_JOBS: "2", ...env },
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const metrics = async (): Promise<string> => await (await fetch(`${url}/metrics`)).text();
  await untilReady(url);
  return {
    url,
    pid: child.pid,
    batches: async () => {
      const value = sampleIn(await metrics());
      const mean = value("vgg16_batch_images_sum") / value("vgg16_batch_images_count");
      return `${mean.toFixed(1)} images a batch on average`;
    },
    refusals: async () => {
      const value = sampleIn(await metrics());
      const name = "vgg16_refusal_seconds";
      const mean = value(`${name}_sum`) / value(`${name}_count`);
      return `${value(`${name}_count`)} refusals, ${(mean * 1000).toFixed(2)} ms each on average`;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

function sampleIn(text: string): (name: string) => number {
  return (name) =>
    Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? NaN);
}

async function untilReady(url: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      const response = await fetch(`${url}/readyz`);
      await response.body?.cancel();
      if (response.status !== 503) return; // The peer answers 404.
    } catch {
      // It does not listen yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`The server at ${url} did not start`);
}

/** Starts serve.ts. */
export function startOurs(
  mode: "run" | "parallel",
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  const port = freePort();
  const common = ["--no-prompt", "--no-check", "--allow-env", READ];
  const args = mode === "run"
    ? ["run", ...common, `--allow-net=127.0.0.1:${port}`, "serve.ts", "--port", `${port}`]
    : ["serve", "--parallel", ...common, "--host", "127.0.0.1", "--port", `${port}`, "serve.ts"];
  return start(Deno.execPath(), args, port, env);
}

/** Installs and starts Express with sharp and onnxruntime-node, on the embedded model as ONNX. */
export async function startPeer(): Promise<Server> {
  const folder = `${ROOT}.cache/bench/http/peer`, model = `${ROOT}.cache/bench/http/cifar10.onnx`;
  const install = `mkdir -p ${folder} && cp bench/http/peer/* ${folder} && cd ${folder} && ` +
    `{ [ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund; }`;
  await run("sh", ["-c", install]);
  await run(Deno.execPath(), ["run", "--allow-all", "bench/http/onnx.ts", model]);
  const port = freePort();
  return await start("node", [`${folder}/server.mjs`, model, `${port}`], port, {});
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decode(stderr)}`);
  return decode(stdout);
}

/** Posts a file to /classify from some connections for some seconds. */
export async function wrk(
  { url }: Server,
  connections: number,
  seconds: number,
  file: string,
): Promise<Load> {
  const options = ["-t1", `-c${connections}`, `-d${seconds}`, "--timeout", "20"];
  const text = await run("wrk", [
    ...options,
    "-s",
    "bench/http/post.lua",
    `${url}/classify`,
    "--",
    file,
  ]);
  return JSON.parse(text.trim().split("\n").at(-1)!);
}

/** Resident memory of a server in MB. */
export async function residentMb({ pid }: Server): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}
