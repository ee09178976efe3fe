/**
 * `noUncheckedIndexedAccess` where it helps: `deno task check:indexed` type-checks with the option on,
 * and fails on an error outside the loops over numbers named below. There an index is the loop's own,
 * and a check of each read would say nothing and hide the arithmetic. The option is the script's, as
 * a compiler has it for all folders or for none.
 *
 * @module
 */

import { fromFileUrl, relative, toFileUrl } from "@std/path";
import { modulesBelow } from "./imports.ts";

/** Loops over pixels, weights and activations: files, and folders of nothing else. */
const NUMERIC = [
  "lib/convert/formats/tensors.ts",
  "lib/convert/quantize/",
  "lib/engine/wasm/choose.ts",
  "lib/engine/wasm/engine.ts",
  "lib/engine/wasm/weights.ts",
  "lib/engine/webgpu/resident/pack.ts",
  "lib/explain/draw.ts",
  "lib/explain/grad_cam.ts",
  "lib/explain/gradients.ts",
  "lib/image/codecs/",
  "lib/image/image.ts",
  "lib/image/resize.ts",
  "lib/input/prepare.ts",
  "lib/input/whiten.ts",
  "lib/output/embedding.ts",
  "lib/output/predictions.ts",
  "lib/report/canvas.ts",
  "lib/report/color_map.ts",
  "lib/train/batch_normalization.ts",
  "lib/train/convolution.ts",
  "lib/train/head.ts",
  "lib/train/loop.ts",
  "lib/train/network.ts",
  "lib/train/pixels.ts",
  "lib/train/random.ts",
  "lib/train/statistics.ts",
  "lib/train/tfjs.ts",
];

/** What the compiler says, and where. */
export interface TypeFault {
  /** Relative to the root of the project. */
  readonly path: string;
  readonly line: string;
  readonly message: string;
}

/** A read that may give `undefined`, where the compiler says so. */
export interface UncheckedRead extends TypeFault {
  readonly isNumeric: boolean;
}

/** Type-checks a project's `lib/` and what lies beside it with the option on. */
export async function uncheckedReads(
  root: URL,
  beside: readonly string[] = [],
): Promise<UncheckedRead[]> {
  const modules = [...modulesBelow(new URL("lib/", root))].map((url): string => fromFileUrl(url));
  const options = { noUncheckedIndexedAccess: true };
  const faults = await typeFaults(root, [...beside, ...modules], options);
  return faults.map((fault) => {
    const isNumeric = NUMERIC.some((start) => fault.path.startsWith(start));
    return { ...fault, isNumeric };
  });
}

/** Type-checks modules of a project with more of the compiler's options than the project has. */
export async function typeFaults(
  root: URL,
  modules: readonly string[],
  more: Readonly<Record<string, boolean>>,
): Promise<TypeFault[]> {
  const { name, exports = {}, imports, ...config } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  // The file lies elsewhere, so that the project's own name has to be said.
  const own = Object.entries<string>(exports)
    .map(([entry, path]) => [name + entry.slice(1), new URL(path, root).href]);
  const compilerOptions = { ...config.compilerOptions, ...more };
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(
      file,
      JSON.stringify({
        ...config,
        imports: { ...imports, ...Object.fromEntries(own) },
        compilerOptions,
      }),
    );
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-lock", "--config", file, ...modules],
      cwd: root,
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stderr);
    const faults = [...text.matchAll(/^(TS\d+ .*)$[^]*?at (file:\S+?):(\d+):\d+/gm)].map(
      ([, message = "", module = "", line = ""]) => {
        return { path: relative(fromFileUrl(root), fromFileUrl(module)), line, message };
      },
    );
    if (!success && faults.length === 0) throw new Error(text);
    return faults;
  } finally {
    await Deno.remove(file);
  }
}

if (import.meta.main) {
  const reads = await uncheckedReads(toFileUrl(Deno.cwd() + "/"), ["mod.ts", "serve.ts", "cli.ts"]);
  const elsewhere = reads.filter(({ isNumeric }) => !isNumeric);
  for (const { path, line, message } of elsewhere) console.error(`${path}:${line} ${message}`);
  const count = reads.length - elsewhere.length;
  console.log(`${count} unchecked reads in loops over numbers, ${elsewhere.length} elsewhere`);
  Deno.exitCode = elsewhere.length === 0 ? 0 : 1;
}
