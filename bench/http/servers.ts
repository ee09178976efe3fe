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
  /** Processor time spent so far, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Resident memory in MB. */
  residentMb(): Promise<number>;
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
/** What all serve: a small one, so that what is around the network shows. */
export const MODEL = "vgg16-cifar10";
const READ = "--allow-read=weights,lib";
/** Unit of the times in /proc: sysconf(_SC_CLK_TCK) is 100 on Linux. */
const MS_PER_TICK = 10;

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function start(
  command: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>>,
  core?: number,
): Promise<Server> {
  const line = core === undefined ? [command, ...args] : pinned(core, command, args);
  const child = new Deno.Command(line[0], {
    args: line.slice(1),
    cwd: ROOT,
    env: { DENO_JOBS: "2", VGG16_MODEL: MODEL, ...env },
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
    cpuMs: async () => {
      const stat = await Deno.readTextFile(`/proc/${child.pid}/stat`);
      const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14);
      return (Number(user) + Number(system)) * MS_PER_TICK;
    },
    residentMb: async () => {
      const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

function pinned(core: number, command: string, args: readonly string[]): string[] {
  return ["taskset", "-c", `${core}`, command, ...args];
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

/** Starts serve.ts, on one core if it is given. */
export function startOurs(
  mode: "run" | "parallel",
  env: Readonly<Record<string, string>>,
  core?: number,
): Promise<Server> {
  const port = freePort();
  const common = ["--no-prompt", "--no-check", "--allow-env", READ];
  const args = mode === "run"
    ? ["run", ...common, `--allow-net=127.0.0.1:${port}`, "serve.ts", "--port", `${port}`]
    : ["serve", "--parallel", ...common, "--host", "127.0.0.1", "--port", `${port}`, "serve.ts"];
  return start(Deno.execPath(), args, port, env, core);
}

/** Starts a server that refuses everything and does nothing else: what refusing costs in Deno itself. */
export function startRefusing(core: number): Promise<Server> {
  const port = freePort();
  const args = ["run", "--no-check", "--allow-net", "bench/http/refuse.ts", `${port}`];
  return start(Deno.execPath(), args, port, {}, core);
}

const PEER = `${ROOT}.cache/bench/http/peer`;

/** Installs Express with sharp and onnxruntime-node. */
export async function installPeer(): Promise<void> {
  const install = `mkdir -p ${PEER} && cp bench/http/peer/* ${PEER} && cd ${PEER} && ` +
    `{ [ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund; }`;
  await run("sh", ["-c", install]);
}

/** Writes a photo of 12 megapixels as JPEG, by the peer's encoder. */
export async function makeLarge(from: string, to: string): Promise<void> {
  const script = `require("sharp")(process.argv[1]).resize(4000, 3000, { fit: "fill" })` +
    `.jpeg({ quality: 90 }).toFile(process.argv[2])`;
  const env = `NODE_PATH=${PEER}/node_modules`;
  await run("env", [env, "node", "-e", script, `${ROOT}${from}`, `${ROOT}${to}`]);
}

/** Starts the peer, on the same model as ONNX. */
export async function startPeer(): Promise<Server> {
  const model = `${ROOT}.cache/bench/http/cifar10.onnx`;
  await run(Deno.execPath(), ["run", "--allow-all", "--no-check", "bench/http/onnx.ts", model]);
  const port = freePort();
  return await start("node", [`${PEER}/server.mjs`, model, `${port}`], port, {});
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
  core?: number,
): Promise<Load> {
  const options = ["-t1", `-c${connections}`, `-d${seconds}`, "--timeout", "20"];
  const args = [...options, "-s", "bench/http/post.lua", `${url}/classify`, "--", file];
  const [command, ...rest] = core === undefined ? ["wrk", ...args] : pinned(core, "wrk", args);
  const text = await run(command, rest);
  return JSON.parse(text.trim().split("\n").at(-1)!);
}
