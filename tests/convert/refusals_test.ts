import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../lib/convert/convert.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { openModel } from "../../lib/model/file.ts";
import { IMAGENET_CLASSES } from "../../lib/model/labels.ts";
import type { Progress } from "../../lib/progress.ts";
import { FUZZED, fuzzFile } from "../fuzz/checkpoints.ts";
import { FAILED_CHECKPOINTS } from "../fuzz/failed_seeds.ts";
import { checkpointOf, type Shapes } from "../support/checkpoint_bytes.ts";

const FIXTURES = new URL("../fixtures/checkpoints/", import.meta.url);

/** Configuration A with four channels everywhere, for 64x64 pixels and three classes. */
function configurationA(): Shapes {
  const shapes: Shapes = {};
  let inputs = 3;
  for (const index of [0, 3, 6, 8, 11, 13, 16, 18]) {
    shapes[`features.${index}.weight`] = [4, inputs, 3, 3];
    shapes[`features.${index}.bias`] = [4];
    inputs = 4;
  }
  shapes["classifier.0.weight"] = [6, 16];
  shapes["classifier.3.weight"] = [6, 6];
  shapes["classifier.6.weight"] = [3, 6];
  return shapes;
}

async function assertRefused(shapes: Shapes, ...messages: string[]): Promise<void> {
  const error = await assertRejects(() => convert(checkpointOf(shapes)), CheckpointFormatError);
  for (const message of messages) {
    assert(error.message.includes(message), `"${message}" is not in: ${error.message}`);
  }
}

Deno.test("a pickle that would run a command is refused by name, and nothing runs", async () => {
  const trace = "/tmp/vgg16-was-executed";
  const error = await assertRejects(
    () => convert(new URL("malicious.pth", FIXTURES)),
    CheckpointFormatError,
  );
  assert(error.message.includes("posix.system"), error.message);
  await assertRejects(() => Deno.stat(trace), Deno.errors.NotFound);
});

Deno.test("convert() tells the architecture from the shapes", async () => {
  const { architecture } = await convert(checkpointOf(configurationA()));
  assertEquals(architecture, {
    configuration: "A",
    input: { height: 64, width: 64, channels: 3 },
    convolutions: [4, 4, 4, 4, 4, 4, 4, 4],
    dense: [6, 6, 3],
  });
});

Deno.test("a checkpoint that is no VGG is refused with the tensor that differs", async () => {
  const wrong = (change: Shapes): Shapes => ({ ...configurationA(), ...change });
  await assertRefused(
    wrong({ "features.8.weight": [4, 5, 3, 3] }),
    "features.8.weight",
    "must take 4 channels",
    "[4,5,3,3]",
  );
  await assertRefused(
    wrong({ "features.8.weight": [4, 4, 5, 5] }),
    "features.8",
    "5x5 filter",
    "expected 3x3",
  );
  await assertRefused(
    wrong({ "features.8.bias": [5] }),
    "features.8.bias",
    "must have 4 numbers",
    "[5]",
  );
  await assertRefused(wrong({ "features.0.weight": [4, 2, 3, 3] }), "1 or 3 channels", "[4,2,3,3]");
  await assertRefused(wrong({ "classifier.0.weight": [6, 20] }), "classifier.0.weight", "[6,20]");
  await assertRefused(
    wrong({ "classifier.3.weight": [6, 7] }),
    "classifier.3.weight",
    "must take 6 channels",
    "[6,7]",
  );

  // 92 x 92 x 4 inputs, more than can be summed exactly.
  await assertRefused(
    wrong({ "classifier.0.weight": [6, 33_856] }),
    "fc6",
    "33856",
    "at most 33286",
  );

  const fewer = configurationA();
  delete fewer["features.18.weight"];
  delete fewer["features.18.bias"];
  await assertRefused(fewer, "8, 10, 13 or 16 convolutions", "found 7");

  const elsewhere = configurationA();
  elsewhere["features.7.weight"] = elsewhere["features.6.weight"];
  delete elsewhere["features.6.weight"];
  delete elsewhere["features.6.bias"];
  await assertRefused(elsewhere, "features.7.weight", "features.6", "pools");
});

Deno.test("a checkpoint with a number that is not finite is refused with its channel", async () => {
  const file = checkpointOf(configurationA());
  const floats = new Float32Array(file.buffer, file.length % 4, Math.floor(file.length / 4));
  floats[floats.length - 2] = NaN;
  await assertRejects(() => convert(file), CheckpointFormatError, "output channel 2 is not");
});

Deno.test("convert() gives labels, and refuses another number than there are classes", async () => {
  const file = checkpointOf(configurationA());
  const { bytes } = await convert(file, { labels: ["a", "b", "c"] });
  const model = await openModel(bytes);
  assertEquals([model.labels, model.ids], [["a", "b", "c"], undefined]);
  await assertRejects(() => convert(file, { labels: ["a"] }), RangeError, "Expected 3 labels");
});

Deno.test("convert() keeps the classes' ids, all different, one per class", async () => {
  const file = checkpointOf(configurationA()), ids = ["n1", "n2", "n3"];
  const { bytes } = await convert(file, { ids });
  assertEquals((await openModel(bytes)).ids, ids);
  await assertRejects(() => convert(file, { ids: ["n1"] }), RangeError, "Expected 3 ids");
  await assertRejects(() => convert(file, { ids: ["n1", "n1", "n2"] }), RangeError, "twice");
});

Deno.test("convert() gives ImageNet's classes their ids", async () => {
  const labels = IMAGENET_CLASSES.map(({ label }) => label);
  const shapes = { ...configurationA(), "classifier.6.weight": [1000, 6] };
  const { bytes } = await convert(checkpointOf(shapes), { labels });
  assertEquals((await openModel(bytes)).ids, IMAGENET_CLASSES.map(({ id }) => id));
});

Deno.test("convert() leaves no file behind when it fails", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const out = `${folder}/model.safetensors`;
    await assertRejects(() => convert(new URL("malicious.pth", FIXTURES), { out }));
    const shapes = { ...configurationA(), "features.8.bias": [5] };
    await assertRejects(() => convert(checkpointOf(shapes), { out }));
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);

    await Deno.writeTextFile(out, "what was there before");
    await assertRejects(() => convert(checkpointOf(shapes), { out }));
    assertEquals(await Deno.readTextFile(out), "what was there before");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("convert() reads a stream, and reports how far it is", async () => {
  const bytes = await Deno.readFile(new URL("zip_d.pth", FIXTURES));
  const progress: number[] = [];
  let weights = 0;
  const onProgress = ({ stage, done, total = 0, unit, file }: Progress) => {
    assertEquals([stage, unit, file], ["convert", "weights", "stream"]);
    progress.push(done);
    weights = total;
  };
  const fromStream = await convert(new Blob([bytes]).stream(), {
    id: "x",
    provenance: { source: "s" },
    onProgress,
  });
  const fromBytes = await convert(bytes, { id: "x", provenance: { source: "s" } });
  assertEquals(fromStream.bytes, fromBytes.bytes);
  assertEquals(progress.length, 16);
  assert(progress.every((n, i) => i === 0 || n > progress[i - 1]));
  assertEquals(progress.at(-1), weights);
});

Deno.test("a checkpoint whose files beside it are missing is refused with the file's name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (
      const [file, beside] of [
        ["c_external.onnx", "c_external.data"],
        ["tfjs_float32/model.json", "group1-shard1of3.bin"],
      ]
    ) {
      const copy = `${folder}/${file.replace("/", "_")}`;
      await Deno.copyFile(new URL(file, FIXTURES), copy);
      const error = await assertRejects(() => convert(copy), CheckpointFormatError, beside);
      assertEquals(error.file, copy);
      // Bytes have nothing beside them.
      const bytes = await Deno.readFile(copy);
      await assertRejects(() => convert(bytes), TypeError, `${beside} beside it`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Mutations of each file that no run before has tried; one that fails names its seed. */
const FRESH = 5;

for (const file of FUZZED) {
  Deno.test(`mutations of ${file} give models or named errors`, async () => {
    // Each damaged HDF5 file costs a thread, whose library takes a third of a second to load.
    const count = /\.h5$|_v73\.mat$/.test(file) ? 15 : 40;
    const { converted, refused } = await fuzzFile(file, count, 1);
    assertEquals(converted + refused, count);
    assert(refused > count / 4, `only ${refused} of ${count} mutations were refused`);
    for (const seed of FAILED_CHECKPOINTS[file] ?? []) await fuzzFile(file, 1, seed);
    await fuzzFile(file, FRESH, Math.floor(Math.random() * 2 ** 31));
  });
}

/** A zip archive of one file, compressed, which its directory lists so many times. */
async function zipOf(
  name: string,
  contents: Uint8Array<ArrayBuffer>,
  times = 1,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([contents]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const data = await new Response(stream).bytes(), text = new TextEncoder().encode(name);
  const words = (...values: number[]): number[] => values.flatMap((v) => [v & 255, v >> 8 & 255]);
  const long = (value: number): number[] => words(value & 0xffff, value >>> 16);
  const sizes = [...long(data.length), ...long(contents.length), ...words(text.length, 0)];
  const local = [...long(0x04034b50), ...words(20, 0, 8, 0, 0, 0, 0), ...sizes, ...text];
  const entry = [
    ...[...long(0x02014b50), ...words(20, 20, 0, 8, 0, 0, 0, 0), ...sizes],
    ...[...words(0, 0, 0, 0, 0), ...long(0), ...text],
  ];
  const directory = Array(times).fill(entry).flat();
  const end = [
    ...[...long(0x06054b50), ...words(0, 0, times, times), ...long(directory.length)],
    ...[...long(local.length + data.length), ...words(0)],
  ];
  return Uint8Array.from([...local, ...data, ...directory, ...end]);
}

Deno.test("an archive whose entries share their bytes is refused before it is unpacked", async () => {
  const archive = await zipOf("a.npy", new Uint8Array(1 << 20), 2);
  await assertRejects(() => convert(archive), CheckpointFormatError, "a.npy overlaps a.npy");
  const twelve = await zipOf("a.npy", new Uint8Array(1 << 20), 12);
  await assertRejects(() => convert(twelve), CheckpointFormatError, "overlaps");
});

Deno.test("an archive that says that it unpacks to more than deflate can is refused", async () => {
  const archive = await zipOf("a.npy", new Uint8Array(1000));
  const directory = archive.length - 22 - 46 - "a.npy".length;
  new DataView(archive.buffer).setUint32(directory + 24, 1 << 29, true);
  const error = await assertRejects(() => convert(archive), CheckpointFormatError);
  assertEquals(error.code, "budget");
  assertEquals(error.message.includes(`cannot be ${1 << 29}`), true, error.message);
});

const HOSTILE: Readonly<Record<string, string>> = {
  "shared_dictionaries.pth": "found none",
  "shared_modules.pth": "it takes more than",
  "cycle.pth": "found none",
  "expanded.pth": "has 884736 elements",
  "overlapping.npz": "a.npy overlaps b.npy",
  "inflated.npz": "compressed bytes cannot be",
};

for (const [file, message] of Object.entries(HOSTILE)) {
  Deno.test(`${file}, made to keep a reader busy or to fill a disk, is refused and leaves nothing`, async () => {
    const folder = await Deno.makeTempDir();
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", folder);
    try {
      const out = `${folder}/model.safetensors`;
      const input = new URL(`hostile/${file}`, FIXTURES);
      await assertRejects(() => convert(input, { out }), CheckpointFormatError, message);
      assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test({
  name: "a refused PyTorch archive leaves no temporary file open",
  ignore: Deno.build.os !== "linux", // Elsewhere nothing lists a process's open files.
  fn: async () => {
    const pickle = new Uint8Array(17 << 20); // So large that it is decompressed to the disk.
    pickle.set(new TextEncoder().encode("cos\nsystem\n."));
    const archive = await zipOf("archive/data.pkl", pickle);
    const openFiles = () => Array.from(Deno.readDirSync("/proc/self/fd")).length;
    const before = openFiles();
    await assertRejects(() => convert(archive), CheckpointFormatError, "refers to os.system");
    assertEquals(openFiles(), before);
  },
});
