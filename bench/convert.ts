/**
 * Converts a VGG16 of full size (553 MB) from each format: seconds, MB/s against the disk's own speed,
 * and peak memory.
 *
 * `deno task bench:convert [FORMAT …]`. Writes to the folder for temporary files, and needs Linux and
 * the Python packages of `make_full_size.py`.
 *
 * @module
 */

import process from "node:process";

const FORMATS = ["safetensors", "pytorch", "legacy", "keras", "npz", "npy", "caffe", "onnx"];

/** What a conversion in a process of its own took. */
interface Figures {
  readonly seconds: number;
  /** CPU time, which other work on the machine does not change. */
  readonly cpu: number;
  /** Peak resident memory in MB. */
  readonly peak: number;
}

if (Deno.args[0] === "--one") {
  const { convert } = await import("../lib/convert/convert.ts");
  const start = performance.now();
  await convert(Deno.args[1], { out: Deno.args[2] });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage();
  const cpu = (user + system) / 1e6;
  const peak = Number(/VmHWM:\s*(\d+)/.exec(await Deno.readTextFile("/proc/self/status"))![1]);
  console.log(JSON.stringify({ seconds, cpu, peak: peak * 1024 / 1e6 } satisfies Figures));
} else {
  await benchAll(Deno.args.length > 0 ? Deno.args : FORMATS);
}

async function benchAll(formats: readonly string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-bench-" });
  try {
    console.log("format       MB   copy s   convert s    CPU s     MB/s  of copy   peak MB");
    for (const format of formats) {
      const file = `${folder}/${format}`;
      await run("/usr/bin/python3", [pathOf("make_full_size.py"), format, file]);
      const megabytes = (await Deno.stat(file)).size / 1e6;
      const copy = copySeconds(file, `${folder}/copy`);
      const { seconds, cpu, peak }: Figures = JSON.parse(
        await run(Deno.execPath(), [
          "run",
          "-A",
          pathOf("convert.ts"),
          "--one",
          file,
          `${folder}/out`,
        ]),
      );
      const columns = [
        format.padEnd(11),
        megabytes.toFixed(0).padStart(4),
        copy.toFixed(2).padStart(8),
        seconds.toFixed(2).padStart(11),
        cpu.toFixed(2).padStart(8),
        (megabytes / seconds).toFixed(0).padStart(8),
        `${(100 * copy / seconds).toFixed(0)} %`.padStart(8),
        peak.toFixed(0).padStart(9),
      ];
      console.log(columns.join(" "));
      await Deno.remove(file);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
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
