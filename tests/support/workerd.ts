/**
 * What runs Cloudflare's Workers, on loopback.
 *
 * @module
 */

/** A Worker that runs. */
export interface RunningWorker extends AsyncDisposable {
  readonly post: (path: string, body: BodyInit, signal?: AbortSignal) => Promise<Response>;
  /** The process. */
  readonly pid: number;
  /** What it printed so far. */
  readonly printed: () => string;
}

/**
 * Runs a folder's `worker.js`, with the compiled modules beside it.
 *
 * @param workerd The program, as npm's package `workerd` has it.
 * @param flags Compatibility flags, each in quotes.
 */
export async function startWorkerd(
  workerd: string,
  folder: string,
  flags: string,
): Promise<RunningWorker> {
  const compiled = [...Deno.readDirSync(folder)].flatMap(({ name }) =>
    name.endsWith(".wasm") ? [`(name = "${name}", wasm = embed "${name}")`] : []
  );
  await Deno.writeTextFile(
    `${folder}/config.capnp`,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), ${compiled}],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = [${flags}],
);
`,
  );
  const child = new Deno.Command(workerd, {
    args: ["serve", "config.capnp", "--control-fd=1"],
    cwd: folder,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const ended = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (printed += text) }),
  );
  const end = async (): Promise<void> => {
    child.kill();
    await Promise.all([child.status, ended, ready.cancel()]);
  };
  const ready = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await ready.read();
  const port = /"listen".*"port":(\d+)/.exec(value)?.[1];
  if (port === undefined) {
    await end();
    throw new Error(`workerd did not start: ${value}${printed}`);
  }
  return {
    post: (path, body, signal) =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body, signal }),
    pid: child.pid,
    printed: () => printed,
    [Symbol.asyncDispose]: end,
  };
}
