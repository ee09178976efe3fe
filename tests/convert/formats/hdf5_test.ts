import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { convert } from "../../../lib/convert/convert.ts";
import { Hdf5File } from "../../../lib/convert/formats/hdf5/hdf5_file.ts";
import type { Box } from "../../../lib/convert/formats/hdf5/hdf5_library.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { type ByteSource, BytesSource } from "../../../lib/io/byte_source.ts";
import { assertThreads, countThreads } from "../../support/count_threads.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);
const OPTIONS = { attributes: ["model_config", "layer_names"] };

async function bytesOf(file: string): Promise<Uint8Array> {
  return await Deno.readFile(new URL(file, FIXTURES));
}

/**
 * A file whose heap of texts is damaged in one byte, the size of its first object: with it the HDF5
 * library goes round in circles.
 */
async function hangingFile(): Promise<Uint8Array> {
  const bytes = await bytesOf("heap_text.h5");
  const heap = new TextDecoder("latin1").decode(bytes).indexOf("GCOL");
  bytes[heap + 24] = 0xff;
  return bytes;
}

Deno.test("an HDF5 file that hangs the library is a named error after the limit, and the next opens", async () => {
  const source = new BytesSource(await hangingFile(), "hanging.h5");
  const threads = await countThreads();
  const error = await assertRejects(
    () => Hdf5File.open(source, { ...OPTIONS, limitMs: 300 }),
    CheckpointFormatError,
    "the HDF5 library came to no end in 0.3 s",
  );
  assertEquals(error.file, "hanging.h5");
  await assertThreads(threads); // The one in circles is gone.

  const sound = await Hdf5File.open(new BytesSource(await bytesOf("heap_text.h5")), OPTIONS);
  const text = '{"class_name": "Sequential", "config": {"layers": []}}';
  assertEquals([...sound.contents.texts], [["/", { model_config: text }]]);
  sound.close();
});

Deno.test("an HDF5 file that hangs the library is refused by a package from the network, too", async () => {
  const root = new URL("../../../", import.meta.url);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await Deno.readFile(new URL(`.${new URL(request.url).pathname}`, root));
      return new Response(body, { headers: { "content-type": "application/typescript" } });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`, host = `${origin}/lib`;
  const script = `
    const { Hdf5File } = await import("${host}/convert/formats/hdf5/hdf5_file.ts");
    const { BytesSource } = await import("${host}/io/byte_source.ts");
    const bytes = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
    const options = { attributes: ["model_config"], limitMs: 300 };
    await Hdf5File.open(new BytesSource(bytes, "hanging.h5"), options);`;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--no-lock",
        "--no-check",
        `--reload=${origin}`, // Another's port may have been this one.
        "--import-map",
        fromFileUrl(new URL("deno.json", root)),
      ],
      ...["--allow-all", `data:text/javascript,${encodeURIComponent(script)}`],
    ],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(await hangingFile());
  await writer.close();
  const { code, stderr } = await process.output();
  assertEquals(code, 1);
  assertStringIncludes(new TextDecoder().decode(stderr), "came to no end in 0.3 s");
});

Deno.test("without a thread the heap that can hang the library is not read", async () => {
  const source = new BytesSource(await hangingFile());
  const file = await Hdf5File.open(source, { ...OPTIONS, ownThread: true });
  assertEquals([...file.contents.texts], []);
  assertEquals(file.contents.skipped, ["model_config"]);
  assertEquals(file.contents.datasets, [
    { path: "/a/kernel", shape: [2, 2], kind: "float", bytes: 4 },
  ]);
  const values = new Float32Array(4);
  await file.read("/a/kernel", [[0, 2], [0, 2]], values);
  assertEquals([...values], [1, 1, 1, 1]);
  file.close();
});

Deno.test("an HDF5 file gives numbers of each kind as floats, the targets of references, and texts of groups", async () => {
  const options = { attributes: ["weight_names"] };
  const file = await Hdf5File.open(new BytesSource(await bytesOf("keras/types.h5")), options);
  const { groups, datasets, texts } = file.contents;
  assertEquals(groups, ["/numbers"]);
  assertEquals(
    datasets.map(({ path, shape, kind, bytes }) => `${path} [${shape}] ${kind} ${bytes}`),
    [
      "/cells [2,1] reference 8",
      "/numbers/bfloat16 [2,3] float 2",
      "/numbers/double [2,3] float 8",
      "/numbers/half [2,3] float 2",
      "/numbers/half_big [2,3] float 2",
      "/numbers/int64 [2,3] integer 8",
      "/numbers/int8 [2,3] integer 1",
      "/numbers/uint16_big [2,3] integer 2",
      "/scalar [] float 4",
      "/text [] other 5",
    ],
  );
  assertEquals([...texts], [
    ["/numbers", { weight_names: ["half", "double"] }],
    ["/numbers/int8", { weight_names0: "a text of any length" }],
  ]);
  for (const { path } of datasets.filter(({ shape }) => shape[1] === 3)) {
    const all = new Float32Array(6), column = new Float32Array(2);
    await file.read(path, [[0, 2], [0, 3]], all);
    await file.read(path, [[0, 2], [1, 2]], column);
    assertEquals([[...all], [...column]], [[0, 1, 2, 3, 4, 5], [1, 4]], path);
  }
  const scalar = new Float32Array(1);
  await file.read("/scalar", [], scalar);
  assertEquals(scalar[0], 2.5);
  assertEquals(await file.targets("/cells"), ["/numbers/half", "/numbers"]);
  file.close();
});

for (const [path, method] of [["/text", "read"], ["/scalar", "targets"], ["/numbers", "read"]]) {
  Deno.test(`an HDF5 file refuses to give the ${method === "read" ? "numbers" : "targets"} of ${path}`, async () => {
    const file = await Hdf5File.open(new BytesSource(await bytesOf("keras/types.h5")), OPTIONS);
    const ask = async () =>
      method === "read" ? await file.read(path, [], new Float32Array(1)) : await file.targets(path);
    await assertRejects(ask, CheckpointFormatError, path);
    file.close();
  });
}

Deno.test("the HDF5 library is refused more memory than its limit", async () => {
  const file = await Hdf5File.open(new BytesSource(await bytesOf("large.h5")), OPTIONS);
  const all: Box = [[0, 160_000_000]];
  await assertRejects(
    () => file.read("/a/kernel", all, new Float32Array(0)),
    CheckpointFormatError,
    "640000000 bytes",
  );
  file.close();
});

Deno.test("a checkpoint that claims more data than its file can hold is refused", async () => {
  await assertRejects(
    async () => await convert(await bytesOf("large.h5")),
    CheckpointFormatError,
    "640000000 bytes",
  );
});

Deno.test("an HDF5 file gives the same with and without a thread, also when read at once", async () => {
  const bytes = await bytesOf("keras3_b.weights.h5");
  const files = await Promise.all(
    [true, false].map((ownThread) =>
      Hdf5File.open(new BytesSource(bytes), { ...OPTIONS, ownThread })
    ),
  );
  const [own, other] = files.map(({ contents }) => contents);
  assertEquals(other, own);
  assert(own.datasets.length > 20);
  const values = await Promise.all(
    files.map((file) =>
      Promise.all(
        own.datasets.filter(({ kind }) => kind === "float").map(async (dataset) => {
          const into = new Float32Array(dataset.shape.reduce((a, b) => a * b, 1));
          await file.read(dataset.path, dataset.shape.map((size) => [0, size]), into);
          return into;
        }),
      )
    ),
  );
  assertEquals(values[1], values[0]);
  for (const file of files) file.close();
});

Deno.test("an error of an HDF5 file's source is given as it is", async () => {
  const bytes = new BytesSource(await bytesOf("keras_d.h5"));
  const gone = new Deno.errors.NotConnected("the disk is gone");
  const source: ByteSource = {
    name: "gone.h5",
    size: bytes.size,
    read: () => Promise.reject(gone),
    close: () => {},
  };
  assertEquals(
    await assertRejects(() => Hdf5File.open(source, OPTIONS)),
    gone,
  );
});

Deno.test("a closed file's thread is the next one's", async () => {
  const bytes = await bytesOf("heap_text.h5");
  // A file that is opened at once may need another: closing takes a moment.
  const added: number[] = [];
  for (let tries = 0; tries < 10 && added.at(-1) !== 0; tries++) {
    const threads = await countThreads();
    (await Hdf5File.open(new BytesSource(bytes), OPTIONS)).close();
    added.push(await countThreads() - threads);
  }
  assertEquals(added.at(-1), 0);
});

Deno.test("a thread that is woken before its bytes are there goes on waiting for them", async () => {
  const { default: h5wasm } = await import("h5wasm");
  const { FS } = await h5wasm.ready;
  const written = new h5wasm.File("windows.h5", "w");
  // Some windows of bytes, so that it asks again and again.
  const data = Float32Array.from({ length: 2 ** 20 }, (_, at) => at);
  written.create_dataset({ name: "values", data, shape: [data.length] });
  written.close();
  const bytes = new BytesSource(FS.readFile("windows.h5"));
  const notify: (words: Int32Array, at: number) => number = Atomics.notify;
  let asleep = 0;
  /** Each call is made again late, while the thread sleeps for its next bytes. */
  const notifyTwice = (words: Int32Array, at: number): number => {
    const woken = notify(words, at), begin = asleep, late = performance.now() + 250;
    // On a busy machine it takes its time to fall asleep; once it has all bytes it does not.
    while (asleep === begin && performance.now() < late) asleep += notify(words, at);
    return woken;
  };
  Object.assign(Atomics, { notify: notifyTwice });
  try {
    const file = await Hdf5File.open(bytes, OPTIONS);
    const values = new Float32Array(data.length);
    await file.read("/values", [[0, data.length]], values);
    file.close();
    assert(values.every((value, at) => value === data[at]));
    assert(asleep > 0, "it slept");
  } finally {
    Object.assign(Atomics, { notify });
  }
});

Deno.test("texts of 16 MiB are read, and no more", async () => {
  const { default: h5wasm } = await import("h5wasm");
  const { FS } = await h5wasm.ready;
  // An attribute has less than 64 KiB.
  const bytesWith = (length: number): Uint8Array => {
    const file = new h5wasm.File("texts.h5", "w"), PART = 2 ** 15;
    for (let n = 0; n < length / PART; n++) {
      const text = "x".repeat(Math.min(PART, length - n * PART));
      file.create_group(`${n}`).create_attribute("layer_names", text, null, `S${text.length}`);
    }
    file.close();
    return FS.readFile("texts.h5");
  };
  const open = async (length: number): Promise<number> => {
    const file = await Hdf5File.open(new BytesSource(bytesWith(length)), OPTIONS);
    file.close();
    return file.contents.texts.size;
  };
  assertEquals(await open(2 ** 24), 2 ** 9);
  await assertRejects(
    () => open(2 ** 24 + 1),
    CheckpointFormatError,
    "its attributes have over 16777216 bytes",
  );
});
