/**
 * Puts each model file into a WebAssembly module, which a program's module graph can hold: `deno task
 * build:models`. With `--check` it writes nothing, and exits with 1 if a committed module differs.
 *
 * The module has the file as a passive data segment, a memory that is a window, and two functions
 * (`lib/io/wrapped_file.ts`).
 *
 * @module
 */

import { concat } from "@std/bytes/concat";

const WEIGHTS = new URL("../weights/", import.meta.url);
const MODELS = ["vgg16-imagenet200", "small/vgg16-tiny-imagenet", "cifar10/vgg16-cifar10"];

/** Pages of 64 KiB that the window has: a chunk of a model file. */
const PAGES = 16;

/** A number in LEB128. Bit 6 of the last byte is its sign in {@linkcode signed}. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return [...bytes, value];
}

/** The same of a number that is not negative where a signed one is expected. */
function signed(value: number): number[] {
  const bytes = unsigned(value), last = bytes.at(-1)!;
  return last < 64 ? bytes : [...bytes.slice(0, -1), last + 128, 0];
}

/** A section of a module: its id, and its bytes. */
function section(id: number, bytes: readonly number[]): number[] {
  return [id, ...unsigned(bytes.length), ...bytes];
}

function text(word: string): number[] {
  return [word.length, ...new TextEncoder().encode(word)];
}

function body(code: readonly number[]): number[] {
  const bytes = [0, ...code, 0x0b];
  return [...unsigned(bytes.length), ...bytes];
}

/** A module around a file. */
export function wrap(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f, FUNCTION = 0, MEMORY = 2;
  // (func (result i32)), and (func (param i32 i32))
  const types = [2, 0x60, 0, 1, I32, 0x60, 2, I32, I32, 0];
  const size = body([0x41, ...signed(file.length)]); // i32.const
  // memory.init 0, to address 0, from the first parameter on, as many as the second says
  const read = body([0x41, 0, 0x20, 0, 0x20, 1, 0xfc, 8, 0, 0]);
  const head = [
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...section(1, types),
    ...section(3, [2, 0, 1]),
    ...section(5, [1, 1, ...unsigned(PAGES), ...unsigned(PAGES)]),
    ...section(7, [
      ...[3, ...text("memory"), MEMORY, 0],
      ...[...text("size"), FUNCTION, 0],
      ...[...text("read"), FUNCTION, 1],
    ]),
    ...section(12, [1]), // How many segments there will be.
    ...section(10, [2, ...size, ...read]),
  ];
  const segment = [1, 1, ...unsigned(file.length)]; // One, passive.
  const data = [11, ...unsigned(segment.length + file.length), ...segment];
  return concat([new Uint8Array([...head, ...data]), file]);
}

if (import.meta.main) {
  for (const name of MODELS) {
    const target = new URL(`${name}.wasm`, WEIGHTS);
    const module = wrap(await Deno.readFile(new URL(`${name}.safetensors`, WEIGHTS)));
    console.log(`${name}.wasm: ${module.length} bytes`);
    if (!Deno.args.includes("--check")) {
      await Deno.writeFile(target, module);
      continue;
    }
    const committed = await Deno.readFile(target).catch(() => new Uint8Array());
    if (committed.length === module.length && committed.every((byte, n) => byte === module[n])) {
      continue;
    }
    console.error(`weights/${name}.wasm is not what holds its model: deno task build:models`);
    Deno.exitCode = 1;
  }
}
