/**
 * Converts a VGG16 of full size (553 MB) from each format: seconds, MB/s against the disk's own speed,
 * and peak memory against its limit. `pull` downloads the safetensors from this machine.
 *
 * `deno task bench:convert [FORMAT …]`. Writes to the folder for temporary files, and needs Linux and
 * the Python packages of `make_full_size.py`, by default those of `/usr/bin/python3`, else of the
 * interpreter that the variable PYTHON names.
 *
 * @module
 */

import process from "node:process";

/** Peak resident memory in MB that a conversion may take, by format. */
const LIMITS: Readonly<Record<string, number>> = {
  safetensors: 350,
  pull: 350,
  pytorch: 700,
  legacy: 700,
  keras: 700,
  npz: 700,
  npy: 700,
  caffe: 700,
  onnx: 700,
  mat: 700,
  checkpoint: 350,
  savedmodel: 350,
  frozen: 350,
};

/** Where the tensors are, of what is more than one file. */
const TENSORS: Readonly<Record<string, string>> = {
  checkpoint: ".data-00000-of-00001",
  savedmodel: "/variables/variables.data-00000-of-00001",
};

const PYTHON = Deno.env.get("PYTHON") ?? "/usr/bin/python3";

/** What a conversion in a process of its own took. */
interface Figures {
  readonly seconds: number;
  /** CPU time, which other work on the machine does not change. */
  readonly cpu: number;
  /** Peak resident memory in MB. */
  readonly peak: number;
}

const COLUMNS = [
  ["format", 11],
  ["MB", 5],
  ["seconds", 8],
  ["CPU s", 6],
  ["MB/s", 6],
  ["disk MB/s", 10],
  ["of the disk", 12],
  ["peak MB", 8],
  ["limit MB", 9],
  ["", 9],
] as const;

if (Deno.args[0] === "--one") {
  await convertOne(Deno.args[1], Deno.args[2]);
} else {
  await benchAll(Deno.args.length > 0 ? Deno.args : Object.keys(LIMITS));
}

async function convertOne(source: string, out: string): Promise<void> {
  const start = performance.now();
  if (source.startsWith("http:")) await pullOne(source, out);
  else {
    const { convert } = await import("../lib/convert/convert.ts");
    await convert(source, { out });
  }
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage();
  const cpu = (user + system) / 1e6;
  const peak = Number(/VmHWM:\s*(\d+)/.exec(await Deno.readTextFile("/proc/self/status"))![1]);
  console.log(JSON.stringify({ seconds, cpu, peak: peak * 1024 / 1e6 } satisfies Figures));
}

/** As `pull` does it: a download, which is verified, then converted. */
async function pullOne(url: string, cacheDir: string): Promise<void> {
  const { pullModel } = await import("../lib/convert/pull/pull.ts");
  const entry = {
    id: "pulled",
    title: "",
    url,
    format: "safetensors",
    sha256Prefix: "",
    preprocessing: "torch",
    labels: null,
    license: "MIT",
  } as const;
  await pullModel("pulled", { entry, cacheDir });
}

async function benchAll(formats: readonly string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-bench-" });
  try {
    printRow(COLUMNS.map(([name]) => name));
    for (const format of formats) {
      const file = `${folder}/${format}`;
      const written = format === "pull" ? "safetensors" : format;
      await run(PYTHON, [pathOf("make_full_size.py"), written, file]);
      const tensors = file + (TENSORS[format] ?? "");
      const megabytes = (await Deno.stat(tensors)).size / 1e6;
      const disk = megabytes / copySeconds(tensors, `${folder}/copy`);
      const figures = format === "pull"
        ? await pulled(file, `${folder}/cache`)
        : await measured(file, `${folder}/out`);
      printRow(columnsOf(format, megabytes, disk, figures));
      await Deno.remove(format === "checkpoint" ? tensors : file, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function columnsOf(
  format: string,
  megabytes: number,
  disk: number,
  { seconds, cpu, peak }: Figures,
): string[] {
  const rate = megabytes / seconds;
  const limit = LIMITS[format];
  return [
    format,
    megabytes.toFixed(0),
    seconds.toFixed(2),
    cpu.toFixed(2),
    rate.toFixed(0),
    disk.toFixed(0),
    `${(100 * rate / disk).toFixed(0)} %`,
    peak.toFixed(0),
    String(limit),
    peak <= limit ? "within" : "TOO MUCH",
  ];
}

function printRow(cells: readonly string[]): void {
  const padded = cells.map((cell, i) => {
    const width = COLUMNS[i][1];
    return i === 0 ? cell.padEnd(width) : cell.padStart(width);
  });
  console.log(padded.join(" ").trimEnd());
}

async function measured(source: string, out: string): Promise<Figures> {
  const args = ["run", "-A", pathOf("convert.ts"), "--one", source, out];
  return JSON.parse(await run(Deno.execPath(), args));
}

/** Serves the file on loopback. The server's work is not in the figures but in the way. */
async function pulled(file: string, cacheDir: string): Promise<Figures> {
  const { size } = await Deno.stat(file);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async () => {
    const { readable } = await Deno.open(file);
    return new Response(readable, { headers: { "content-length": `${size}`, etag: '"1"' } });
  });
  try {
    return await measured(`http://127.0.0.1:${server.addr.port}/model.safetensors`, cacheDir);
  } finally {
    await server.shutdown();
  }
}

/** What the disk does: reads all of the file, and writes a quarter of it, as much as a model file has. */
function copySeconds(from: string, to: string): number {
  const start = performance.now();
  using source = Deno.openSync(from);
  using target = Deno.openSync(to, { write: true, create: true, truncate: true });
  const buffer = new Uint8Array(1 << 20);
  for (let i = 0;; i++) {
    const count = source.readSync(buffer);
    if (count === null) break;
    if (i % 4 === 0) target.writeSync(buffer.subarray(0, count));
  }
  target.syncDataSync();
  return (performance.now() - start) / 1000;
}

function pathOf(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(program, {
    args,
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}
