/** Errors of the library in the words of somebody who typed a command. Loaded once something has failed. */

import { CheckpointFormatError, isVggError, ModelNotFoundError } from "../errors.ts";
import { FileSource } from "../io/byte_source.ts";
import { kindOf, listFolder } from "../platform.ts";
import { beginsAsUrl } from "../urls.ts";
import { WRITES } from "./permissions.ts";
import { programName, quoted } from "./program_name.ts";
import { UsageError } from "./usage_error.ts";

/** Bytes in which a model file has its hash and begins its description. */
const HEAD_BYTES = 512;

/** An error as it is told: one of a wrong command line, where that was its cause. */
export async function inWords(error: unknown): Promise<unknown> {
  try {
    if (error instanceof ModelNotFoundError) {
      return new UsageError(error.message, { cause: error });
    }
    if (!(error instanceof CheckpointFormatError) || beginsAsUrl(error.file)) return error;
    const message = isVggError(error, "model-format")
      ? await aboutNoModel(error.file)
      : await aboutNoCheckpoint(error.file);
    return message === undefined ? error : new UsageError(message, { cause: error });
  } catch {
    // The file cannot be looked at a second time: it was standard input, or there is no permission.
    return error;
  }
}

/** What a file is that was given as a model; `undefined` if it is one, and damaged. */
async function aboutNoModel(file: string): Promise<string | undefined> {
  const kind = kindOf(file);
  if (kind === "folder") return await aboutFolder(file);
  if (kind !== "file" || await isModelFile(file)) return undefined;
  const { tellFormat } = await import("../convert/formats/tell_format.ts");
  using source = opened(file);
  const found = await tellFormat(source);
  if (found?.isRead) {
    return `${file} is ${found.what}, not a model file: convert it: ${conversion(file)}`;
  }
  const what = found === undefined ? "of no format that is known" : found.what;
  return `${file} is ${what}, not a model file: these are what convert and fit write`;
}

async function aboutFolder(folder: string): Promise<string> {
  const models: string[] = [];
  for await (const { name, isFile } of listFolder(folder)) {
    if (isFile && name.endsWith(".safetensors")) {
      models.push(`${folder.replace(/\/$/, "")}/${name}`);
    }
  }
  const [first, ...more] = models.sort();
  const meant = first === undefined
    ? `if it is a checkpoint, convert it: ${conversion(folder)}`
    : `did you mean ${first}${more.length > 0 ? `, or one of ${more.length} others in it` : ""}?`;
  return `${folder} is a folder, not a model file: ${meant}`;
}

/** What to say of a file that was given as a checkpoint; `undefined` if the error says it. */
async function aboutNoCheckpoint(file: string): Promise<string | undefined> {
  if (kindOf(file) !== "file" || !await isModelFile(file)) return undefined;
  return `${file} is a model file already: there is nothing to convert. To use it: --model ${
    quoted(file)
  }`;
}

/** Whether a file begins as a model file does, also if it is damaged further on. */
async function isModelFile(file: string): Promise<boolean> {
  using source = opened(file);
  const head = new Uint8Array(Math.min(HEAD_BYTES, source.size));
  await source.read(0, head);
  return /^[^]{8}\{"__metadata__":\{[^}]*"model":"\{/.test(new TextDecoder("latin1").decode(head));
}

function opened(file: string): FileSource & Disposable {
  const source = new FileSource(file);
  return Object.assign(source, { [Symbol.dispose]: () => source.close() });
}

/** The command that makes a model file of a checkpoint, beside it. */
function conversion(file: string): string {
  const stem = file.replace(/\/$/, "").replace(/\.[^./\\]+$/, "");
  const out = file.endsWith(".safetensors") ? `${stem}-int8.safetensors` : `${stem}.safetensors`;
  return `${programName(WRITES)} convert ${quoted(file)} --out ${quoted(out)}`;
}
