/**
 * Makes fixtures again and compares them with what is committed: `deno task fixtures [FOLDER...]`.
 *
 * Those whose tools install in minutes: each script runs in a copy of its folder, with the packages and versions that
 * stand at its top, in an environment of its own. Needs Python 3.11 with pip. Exits with 1 if one differs.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { ROOT } from "./mutated_copy.ts";

const FIXTURES = join(ROOT, "tests/fixtures");

/** Scripts that run here; the others need tools of many gigabytes, or of another year. */
const SCRIPTS = [
  "addresses/make.py",
  "checkpoints/caffe/make.py",
  "checkpoints/darknet/make.py",
  "checkpoints/keras/make_types.py",
  "checkpoints/matconvnet/make.py",
  "checkpoints/trained/pictures.py",
  "embeddings/make.py",
  "histogram/make.py",
  "hostile/make.py",
  "images/make_resize.py",
  "logistic/make.py",
  "metrics/make.py",
  "whitening/make.py",
];
/** Relative: sums in float64 in another order, and solvers that end where such sums say. */
const TOLERANCE = 1e-9;

/** What a script says at its top of itself. */
export interface Recipe {
  /** With their versions. */
  readonly packages: readonly string[];
  /** The file that its output is, if it prints it. */
  readonly prints: string | undefined;
}

/** Reads a script's `pip install` and `python3 make.py > FILE`. */
export function recipeOf(source: string): Recipe {
  const packages = /^ +pip install (.*)$/m.exec(source)?.[1]?.trim().split(/ +/) ?? [];
  return { packages, prints: /^ +python3 \S+ > (\S+)$/m.exec(source)?.[1] };
}

async function run(command: string, args: readonly string[], cwd: string): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd })
    .output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return stdout;
}

async function unpacked(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Whether two files say the same: numbers up to {@linkcode TOLERANCE}, archives without their date. */
export async function areSame(
  name: string,
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (name.endsWith(".gz")) return areEqual(await unpacked(a), await unpacked(b));
  // The first 116 bytes of a file of MATLAB are a text with the date.
  if (name.endsWith(".mat")) return areEqual(a.subarray(116), b.subarray(116));
  if (!name.endsWith(".json")) return areEqual(a, b);
  const [left, right] = [a, b].map((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  return areClose(left, right);
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function areClose(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") {
    return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) =>
      Object.hasOwn(b, name) && areClose(Reflect.get(a, name), Reflect.get(b, name))
    );
}

/** @returns The files that differ from what is committed, or are not there any more. */
async function remake(script: string, folder: string): Promise<string[]> {
  const { packages, prints } = recipeOf(await Deno.readTextFile(join(FIXTURES, script)));
  const python = join(folder, "environment/bin/python");
  await run("python3", ["-m", "venv", join(folder, "environment")], folder);
  if (packages.length > 0) await run(python, ["-m", "pip", "install", "-q", ...packages], folder);
  // With the folders around it, of which some read.
  await run("cp", ["-r", join(ROOT, "tests"), folder], folder);
  const copy = join(folder, "tests/fixtures", dirname(script));
  const output = await run(python, [script.split("/").at(-1)!], copy);
  if (prints !== undefined) await Deno.writeFile(join(copy, prints), output);
  const different: string[] = [];
  for await (const { name, isFile } of Deno.readDir(copy)) {
    if (!isFile || name.endsWith(".py")) continue;
    const made = await Deno.readFile(join(copy, name));
    const committed = await Deno.readFile(join(FIXTURES, dirname(script), name)).catch(() =>
      undefined
    );
    if (committed === undefined || !await areSame(name, committed, made)) different.push(name);
  }
  return different;
}

if (import.meta.main) {
  const wanted = SCRIPTS.filter((script) =>
    Deno.args.length === 0 || Deno.args.some((begin) => script.startsWith(begin))
  );
  for (const script of wanted) {
    const folder = await Deno.makeTempDir({ prefix: "fixtures-" });
    try {
      const different = await remake(script, folder);
      console.log(`${script}: ${different.length === 0 ? "the same" : `${different} differ`}`);
      if (different.length > 0) Deno.exitCode = 1;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}
