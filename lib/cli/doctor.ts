/** `doctor`: what this program finds on this machine, and why it runs as it does. */

import { fromFileUrl } from "@std/path";
import { CLASSIFIER_OPTIONS, flag, type Table, type Values } from "../options.ts";
import type { Command } from "./command.ts";
import { examineCache } from "./doctor/cache.ts";
import { describeEnvironment, describeWasm, findGpu, VERSIONS } from "./doctor/machine.ts";
import { openModelInUse, timePicture } from "./doctor/model.ts";
import { permissionsHeld } from "./doctor/permissions.ts";
import { type Findings, findingsText } from "./doctor/text.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { print, printJson } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  json: flag({}, "Print one JSON document"),
  cacheDir: CLASSIFIER_OPTIONS.cacheDir,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const doctorCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]",
  options: OPTIONS,
  examples: [
    { line: "vgg16 doctor" },
    { line: "vgg16 doctor --json --model pets.safetensors" },
  ],
  notes: "It downloads nothing, and asks for no permission: what it may not look at it says.\n\n" +
    "Exit code: 0 if pictures can be classified, 1 if not, 2 for a wrong command line.",

  async run(operands, options, signal) {
    if (operands.length > 0) throw new UsageError("doctor takes no files");
    const findings = await examine(options, signal);
    if (options.json) printJson(findings);
    else print(findingsText(findings));
    return findings.ok ? 0 : 1;
  },
};

/** What threads run; behind https it needs no permission to read. */
const LIB = new URL("../", import.meta.url);

async function examine(
  { cacheDir, model: name, ...others }: Values<typeof OPTIONS>,
  signal: AbortSignal,
): Promise<Findings> {
  const options = { ...others, ...name !== undefined && { model: String(name) } };
  const cache = await examineCache(cacheDir);
  const [model, opened] = await openModelInUse(options, cache.path, signal);
  // Times of kernels are kept where they can be.
  const kept = cache.isWritable === false ? null : cache.path;
  const picture = opened && await timePicture(opened, options, kept, signal);
  const paths = (...used: (string | null)[]) => [...used.filter((path) => path !== null), "."];
  return {
    ok: picture?.problem === null,
    versions: VERSIONS,
    webgpu: await findGpu(options.backend === "webgpu"),
    wasm: describeWasm(),
    cache,
    environment: describeEnvironment(),
    permissions: permissionsHeld({
      read: paths(model.file, LIB.protocol === "file:" ? fromFileUrl(LIB) : null, cache.path),
      write: paths(cache.path),
    }),
    model,
    picture: picture ?? null,
  };
}
