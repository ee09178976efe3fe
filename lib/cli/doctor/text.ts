/** What `doctor` found, for people: a name and a few words a line. */

import { describeAll } from "../cache_contents.ts";
import { fill } from "../layout.ts";
import type { Cache } from "./cache.ts";
import type { Gpu, VERSIONS, Wasm } from "./machine.ts";
import type { ModelInUse, TimedPicture } from "./model.ts";
import type { Held } from "./permissions.ts";

/** All that was found; as JSON it is the document of `doctor --json`. */
export interface Findings {
  /** Whether a picture could be classified. */
  readonly ok: boolean;
  readonly versions: typeof VERSIONS;
  readonly webgpu: Gpu;
  readonly wasm: Wasm;
  readonly cache: Cache;
  readonly environment: Readonly<Record<string, string | null>>;
  readonly permissions: Readonly<Record<string, Held>>;
  readonly model: ModelInUse;
  readonly picture: TimedPicture | null;
}

/** Columns of a line, and of the names at its beginning. */
const WIDTH = 80, NAMES = 14;

/** The findings as lines. */
export function findingsText(found: Findings): string[] {
  const { versions, model, picture } = found;
  const rows: [name: string, text: string][] = [
    ["vgg16", versions.vgg16],
    ["deno", `${versions.deno}, V8 ${versions.v8}, ${versions.system}`],
    ["webgpu", gpuText(found)],
    ["webassembly", `${found.wasm.simd === "relaxed" ? "relaxed" : "plain"} SIMD`],
    ["threads", threadsText(found)],
    ["cache", cacheText(found.cache)],
    ["environment", environmentText(found)],
    ...Object.entries(found.permissions).map(([name, held]): [string, string] => [
      `--allow-${name}`,
      [held.state, ...held.of.length > 0 ? [held.of.join(" ")] : []].join(": "),
    ]),
    ["model", modelText(model)],
    ...model.sha256 === null ? [] : [["model sha256", model.sha256] as [string, string]],
    ["picture", picture === null ? "not tried, for want of a model" : pictureText(picture)],
  ];
  return [
    ...rows.flatMap(([name, text]) => row(name, text)),
    "",
    found.ok ? "Pictures can be classified." : "Pictures cannot be classified.",
  ];
}

function gpuText({ webgpu: { adapter, isReal, problem }, picture }: Findings): string {
  if (picture?.backend === "webgpu") return `used: ${adapter}`;
  const name = adapter === null ? "" : `: ${adapter}`;
  if (!isReal) return `not used: ${problem}${name}`;
  return `not used${name}. Why, if it was not told to: --backend webgpu`;
}

function threadsText({ wasm: { cores, sharedMemory }, picture }: Findings): string {
  const memory = sharedMemory ? "shared memory" : "no shared memory, so only one";
  const count = picture?.backend === "wasm" ? `${picture.threads} for this model, ` : "";
  return `${count}${cores} core${cores === 1 ? "" : "s"}, ${memory}`;
}

function cacheText({ path, contents, problem }: Cache): string {
  if (path === null) return problem!; // Why it is not known.
  const held = contents.length > 0 ? describeAll(contents) : "empty";
  if (problem === null) return `${path}, ${held}, can be written`;
  return `${path} ${problem}${contents.length > 0 ? `; ${held}` : ""}`;
}

function environmentText({ environment, permissions }: Findings): string {
  const set = Object.entries(environment).map(([name, value]) =>
    value === null ? name : `${name}=${value}`
  );
  const unread = permissions.env!.state === "all" ? "" : ", as far as it may be read";
  return `${set.join(" ") || "nothing that matters here"}${unread}`;
}

function modelText({ id, file, isEmbedded, problem }: ModelInUse): string {
  const name = id ?? "the embedded one";
  if (problem !== null) return `${name}: ${problem}`;
  return `${name}, ${isEmbedded ? "embedded" : file}`;
}

function pictureText(picture: TimedPicture): string {
  const { ms, width, height, backend, precision, device, problem } = picture;
  if (problem !== null) return problem;
  const on = backend === "wasm" ? "" : ` on ${device}`; // WebAssembly has a line of its own.
  return `${ms!.toFixed(1)} ms for ${width}x${height} pixels, ${backend} ${precision}${on}`;
}

/** A row that is broken between words, and goes on below its text. */
function row(name: string, text: string): string[] {
  return fill(text.split(" "), WIDTH - NAMES)
    .map((line, n) => ((n === 0 ? name : "").padEnd(NAMES) + line).trimEnd());
}
