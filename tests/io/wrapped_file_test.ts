/** Files in modules of WebAssembly: as an import gives them, as bytes on a disk, and what is none. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { type ByteSource, BytesSource } from "../../lib/io/byte_source.ts";
import { openSource } from "../../lib/io/open_source.ts";
import {
  ModuleSource,
  openModule,
  type PackagedFile,
  unwrapped,
  type WrappedFile,
} from "../../lib/io/wrapped_file.ts";
import { openModel } from "../../lib/model/file.ts";
import { wrap } from "../../tools/wrap_models.ts";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { resolveModel } from "../../lib/open_model.ts";

/** More than the module's window holds, and no multiple of it. */
const FILE = Uint8Array.from({ length: (1 << 20) + 12_345 }, (_, n) => n * 7 >> 3);
const MODULE = wrap(FILE);

async function instance(): Promise<WrappedFile> {
  const { instance } = await WebAssembly.instantiate(MODULE);
  return instance.exports as unknown as WrappedFile;
}

Deno.test("a module gives the bytes of its file, any of them", async () => {
  const source = new ModuleSource(await instance(), "a.wasm");
  assertEquals([source.size, source.name], [FILE.length, "a.wasm"]);
  for (const [offset, length] of [[0, FILE.length], [17, 1 << 20], [FILE.length, 0], [5, 3]]) {
    const into = new Uint8Array(length!);
    source.read(offset!, into);
    assertEquals(into, FILE.subarray(offset, offset! + length!));
  }
  assertThrows(() => source.read(FILE.length - 1, new Uint8Array(2)), CheckpointFormatError);
});

Deno.test("a module on a disk or in memory is its file, and other bytes are themselves", async () => {
  const file = await unwrapped(new BytesSource(MODULE)), bytes = new Uint8Array(file.size!);
  await file.read(0, bytes);
  assertEquals(bytes, FILE);
  await assertRejects(async () => await file.read(FILE.length, new Uint8Array(1)));
  for (const plain of [FILE, new Uint8Array(), new Uint8Array([0, 97, 115, 109])]) {
    const source = new BytesSource(plain);
    assertEquals(await unwrapped(source), source);
  }
});

Deno.test("a module that holds no file, or is cut short, is refused by name", async () => {
  const other = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  for (const bytes of [other, MODULE.subarray(0, -1), MODULE.subarray(0, 100)]) {
    await assertRejects(
      () => unwrapped(new BytesSource(bytes, "model.wasm")),
      CheckpointFormatError,
      "model.wasm",
    );
  }
  const module = () => new WebAssembly.Module(other);
  await assertRejects(
    () => openModule({ name: "other.wasm", module }),
    CheckpointFormatError,
    "a module around a file in other.wasm",
  );
});

Deno.test("a compiled module, an imported one and a URL open as the same model", async () => {
  const bytes = wrap(await Deno.readFile(CIFAR10_FILE));
  const { sha256 } = await openModel(CIFAR10_FILE);
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/model.wasm`;
    await Deno.writeFile(path, bytes);
    const compiled: PackagedFile = { name: "a", module: () => new WebAssembly.Module(bytes) };
    const url = new URL(`file://${path}`);
    // What was bundled finds no module to import, and the file where the code says that it is.
    const bundled = { name: "b", url, module: () => Promise.reject(new TypeError("no module")) };
    for (const model of [compiled, bundled, path, url]) {
      assertEquals((await resolveModel(model)).sha256, sha256);
    }
    // No file that could be read is there.
    const away = new URL("https://host.example/model.wasm");
    const module = () => Promise.reject(new RangeError("no memory"));
    const failing = { name: "c", url: away, module };
    await assertRejects(() => resolveModel(failing), RangeError, "no memory");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a file that is not there is said to be missing where its package says that it is", async () => {
  const url = new URL("file:///nowhere/model.wasm");
  const missing = { name: "d", url, module: () => Promise.reject(new TypeError("no module")) };
  await assertRejects(() => openSource(missing), Error, "/nowhere/model.wasm");
});

const WRAPPED = new URL("./vgg16-cifar10.wasm", CIFAR10_FILE);

Deno.test("a file in a module has its bytes, however they are read", async () => {
  const plain = await Deno.readFile(CIFAR10_FILE), module = await Deno.readFile(WRAPPED);
  const reads: number[] = [];
  const whole: ByteSource = new BytesSource(module), read = whole.read.bind(whole);
  whole.read = (offset, into) => (reads.push(offset), read(offset, into));
  const part = await unwrapped(whole);
  assertEquals(part.size, plain.length);
  for (const [offset, length] of [[0, 8], [0, 1000], [100, 400], [200, 0], [3000, 5]] as const) {
    const into = new Uint8Array(length);
    await part.read(offset, into);
    assertEquals(into, plain.slice(offset, offset + length), `${offset}, ${length}`);
  }
  // What was read is not read again: servers are read from front to back.
  assertEquals(reads.slice(1).filter((offset) => offset < 256), []);
});

Deno.test("a model in a module is asked for once where it is opened, and once for its weights", async () => {
  const body = await Deno.readFile(WRAPPED);
  let requests = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    requests++;
    return new Response(body);
  });
  const model = await openModel(`http://127.0.0.1:${server.addr.port}/model.wasm`);
  assertEquals(requests, 1);
  let bytes = 0;
  for await (const { data } of model.weights()) bytes += data.length;
  assertEquals([bytes, requests], [model.weightBytes, 2]);
});
