/**
 * The most memory that a process takes which fits a head on 1,000 and on 10,000 pictures, and its seconds: on averages
 * of pool4 and pool5, and on all of pool5, 7x7x512, with what layers say in a directory.
 *
 *     deno run --allow-all bench/fit_memory.ts [PICTURES FEATURES HEAD]
 *
 * Pictures of ten classes are made as they are read. The layers have random weights, and few channels but for those
 * that are read, so that ten thousand pictures take minutes; what is learned from has its full size.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { fit, type FitOptions } from "../lib/train/fit.ts";
import { randomVgg16 } from "./vgg16.ts";

const CLASSES = 10, SIDE = 32, CELLS = 8;

const FEATURES: Record<string, FitOptions> = {
  average: {},
  whole: { layer: "pool5", pooling: "none" },
};
const HEADS: Record<string, FitOptions> = {
  linear: { head: "linear" },
  nearest: { head: "nearest" },
  hidden: { hidden: 32, epochs: 5 },
};
const CASES = [
  ["1000", "average", "linear"],
  ["10000", "average", "linear"],
  ["1000", "whole", "linear"],
  ["10000", "whole", "linear"],
  ["10000", "average", "hidden"],
  ["10000", "whole", "hidden"],
  ["10000", "average", "nearest"],
] as const;

/** A number of 32 bits that others hardly tell (splitmix32). */
function mixed(n: number): number {
  let z = Math.imul(n + 1, 0x9e3779b9);
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** Squares of colors, of which a third is that of the class. */
function pictureOf(n: number) {
  const data = new Uint8Array(SIDE * SIDE * 3), size = SIDE / CELLS;
  for (let at = 0; at < data.length; at++) {
    const pixel = Math.floor(at / 3), y = Math.floor(pixel / SIDE), x = pixel % SIDE;
    const cell = (Math.floor(y / size) * CELLS + Math.floor(x / size)) * 3 + at % 3;
    const own = mixed(1000 + 192 * n + cell) & 255, shared = mixed(n % CLASSES * 192 + cell) & 255;
    data[at] = (2 * own + shared) / 3;
  }
  return { data, width: SIDE, height: SIDE };
}

/** Fits in this process, and says what it took. */
async function measure(pictures: number, features: string, head: string): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "vgg16-bench-" });
  let learning = 0;
  const begin = performance.now();
  try {
    const { assessment } = await fit({
      labels: Array.from({ length: CLASSES }, (_, c) => `class ${c}`),
      samples: Array.from({ length: pictures }, (_, n) => ({
        ...{ file: `${n}`, label: n % CLASSES, image: () => Promise.resolve(pictureOf(n)) },
      })),
    }, {
      model: randomVgg16({
        configuration: "A",
        input: { height: 224, width: 224, channels: 3 },
        convolutions: [8, 8, 16, 16, 16, 512, 16, 512],
        dense: [],
      }),
      ...{ backend: "wasm", sides: [224], directory, out: undefined },
      ...FEATURES[features],
      ...HEADS[head],
      onProgress: ({ stage, done, total }) => {
        if (stage === "features" && done === total) learning = performance.now();
      },
    });
    const { user, system } = cpuUsage();
    const status = await Deno.readTextFile("/proc/self/status");
    console.log(JSON.stringify({
      peakMb: Number(/VmHWM:\s*(\d+) kB/.exec(status)![1]) / 1024,
      looking: (learning - begin) / 1000,
      learning: (performance.now() - learning) / 1000,
      cpu: (user + system) / 1e6,
      right: assessment.balancedAccuracy,
    }));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const [pictures, features, head] = Deno.args;
if (pictures !== undefined) {
  await measure(Number(pictures), features!, head!);
} else {
  console.log(
    "| pictures | features | head | looking, s | learning, s | CPU, s | peak, MB | right |",
  );
  console.log("|---|---|---|---|---|---|---|---|");
  for (const own of CASES) {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", import.meta.filename!, ...own],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error(`${own.join(" ")} failed`);
    const { peakMb, looking, learning, cpu, right } = JSON.parse(new TextDecoder().decode(stdout));
    console.log(
      `| ${own.join(" | ")} | ${looking.toFixed(0)} | ${learning.toFixed(0)} | ${
        cpu.toFixed(0)
      } | ${peakMb.toFixed(0)} | ${(100 * right).toFixed(1)} % |`,
    );
  }
}
