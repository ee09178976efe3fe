import { assert, assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { convert } from "../../../lib/convert/convert.ts";
import type { Checkpoint } from "../../../lib/convert/formats/checkpoint.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { seededRandom } from "../../fuzz/checkpoints.ts";
import { checkpointLogits, CHECKPOINTS } from "../../support/checkpoint_logits.ts";
import { element, matFile, type MatInput, matrix } from "../../support/mat_file.ts";

const FOLDER = new URL("matconvnet/", CHECKPOINTS);
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FOLDER)),
);
/** Both sides compute in float64; a standard deviation in the file is a rounded float32. */
const TOLERANCE = 1e-6;

for (const [file, expected] of Object.entries(EXPECTED)) {
  Deno.test(`${file} gives the logits of MatConvNet's network`, async () => {
    const { logits, chosen, labels, network } = await checkpointLogits(new URL(file, FOLDER));
    for (const [i, logit] of logits.entries()) {
      assert(
        Math.abs(logit - expected[i]!) < TOLERANCE,
        `logit ${i}: ${logit}, not ${expected[i]}`,
      );
    }
    assertEquals(network.architecture.input, { height: 64, width: 64, channels: 3 });
    assertEquals(network.assumptions, []);
    assertEquals([chosen.from, chosen.isBgr], ["read", false]);
    assertEquals(chosen.preprocessing.mean.map(Math.round), [124, 117, 104]);
    assertEquals(labels?.[4], "kind 4, of five");
  });
}

const CONV: MatInput = {
  fields: {
    type: "conv",
    weights: { cells: [{ sizes: [3, 3, 3, 2], floats: new Float32Array(54) }, [0, 0]] },
    pad: [1],
  },
};

const layersOf = (...layers: Record<string, MatInput>[]): Uint8Array =>
  matrix({ cells: [CONV, ...layers.map((fields) => ({ fields }))] }, "layers");

const REFUSED: readonly (readonly [what: string, layer: Record<string, MatInput>, said: string])[] =
  [
    ["a leak", { type: "relu", leak: [0.1] }, "its leak is 0.1"],
    ["a local normalization", { type: "normalize", param: [5, 1, 0.0001, 0.75] }, "normalize"],
    ["a layer of one's own", { type: "custom", name: "mine" }, "custom mine"],
    ["another pool", { type: "pool", method: "sum", pool: [2, 2] }, "its method is sum"],
    ["a convolution without a filter", { type: "conv", weights: { cells: [] } }, "no filter"],
  ];

for (const [what, layer, said] of REFUSED) {
  Deno.test(`a network of MatConvNet with ${what} is refused by name`, async () => {
    const file = matFile(layersOf(layer));
    const error = await assertRejects(() => convert(file), CheckpointFormatError, said);
    assertEquals(error.code, "checkpoint-unsupported");
  });
}

Deno.test("layers may be an array of structures", async () => {
  const layers = ["relu", "mine"].map((type) => ({ type, name: `${type}1` }));
  const file = matFile(matrix({ structures: layers }, "layers"));
  await assertRejects(() => convert(file), CheckpointFormatError, "The mine mine1");
});

Deno.test("meta.normalization tells how pictures become as large as the input", async () => {
  const resizeOf = async (more: Record<string, MatInput>) => {
    const normalization = { fields: { imageSize: [64, 64, 3], averageImage: [1, 2, 3], ...more } };
    const meta = matrix({ fields: { normalization } }, "meta");
    const source = await openConversionSource(matFile(layersOf(), meta), {});
    const { images } = await openCheckpoint(source.bytes, source) as Checkpoint;
    source.bytes.close();
    return images?.resize;
  };
  assertEquals(
    await resizeOf({ border: [9.2, 9.2], interpolation: "bicubic" }),
    { resize: "shorter-side", size: 73, filter: "bicubic" },
  );
  assertEquals(await resizeOf({ border: [0, 0], keepAspect: [0] }), { resize: "direct" });
  assertEquals(await resizeOf({ border: [9, 9], keepAspect: [0] }), undefined);
  assertEquals(await resizeOf({ interpolation: "bilinear" }), { filter: "bilinear" });
});

Deno.test("a .mat file without a network is refused with its variables", async () => {
  const file = matFile(matrix([1, 2], "x"), matrix("text", "y"));
  await assertRejects(() => convert(file), CheckpointFormatError, "found x, y");
});

Deno.test("an object of MATLAB's own toolbox is refused with what to do", async () => {
  const text = (value: string) => element(1, new TextEncoder().encode(value));
  const flags = element(6, new Uint8Array(Uint32Array.of(17, 0).buffer));
  const parts = [flags, text("net"), text("MCOS"), text("SeriesNetwork"), matrix([1])];
  const file = matFile(element(14, concat(parts)));
  const error = await assertRejects(() => convert(file), CheckpointFormatError, "found net.");
  assert(error.message.includes("exportONNXNetwork"), error.message);
});

Deno.test("a mean of more than one color is a problem that whoever converts has to answer", async () => {
  const meta: MatInput = {
    fields: {
      normalization: {
        fields: {
          imageSize: [1, 2, 3],
          averageImage: { sizes: [1, 2, 3], floats: Float32Array.of(100, 140, 5, 5, 6, 6) },
        },
      },
    },
  };
  const source = await openConversionSource(matFile(layersOf(), matrix(meta, "meta")), {});
  const { images } = await openCheckpoint(source.bytes, source) as Checkpoint;
  assertEquals(
    images?.problem,
    "it is an image, up to 20.0 off its mean color 120.000, 5.000, 6.000",
  );
  source.bytes.close();
});

/** Compresses a variable as MATLAB does. */
async function compressed(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream();
  const packed = await new Response(stream.pipeThrough(new CompressionStream("deflate"))).bytes();
  const tag = new Uint8Array(Uint32Array.of(15, packed.length).buffer);
  return concat([tag, packed]);
}

Deno.test("damaged and hostile .mat files are refused with what is wrong", async () => {
  const layers = layersOf(), nested: MatInput[] = ["leaf"];
  for (let i = 0; i < 40; i++) nested.push({ cells: [nested.at(-1)!] });
  const larger = layers.slice();
  new DataView(larger.buffer).setUint32(4, 3 << 30, true);
  const shorter = matrix({ sizes: [3, 4, 3, 2], floats: new Float32Array(54) }, "layers");
  const cases: [File, string][] = [
    [matFile(layers.subarray(0, 300)), "net.mat"],
    [matFile(matrix(nested.at(-1)!, "layers")), "nested more than 32 deep"],
    [matFile(shorter), "a matrix [3,4,3,2] of F32 has 216 bytes"],
    [matFile(await compressed(larger)), "out of proportion"],
    [matFile(await compressed(concat([layers, layers]))), "must have"],
    [
      matFile(concat([new Uint8Array(Uint32Array.of(15, 8).buffer), new Uint8Array(8)])),
      "decompress",
    ],
  ];
  for (const [file, said] of cases) {
    await assertRejects(() => convert(file), CheckpointFormatError, said);
  }
});

Deno.test("variables that no network needs are not unpacked", async () => {
  const numbers = Array.from({ length: 100_000 }, seededRandom(1));
  const other = await compressed(matrix(numbers, "state"));
  other.fill(0, other.length >> 1); // Nothing could be made of that.
  const layers = await compressed(layersOf({ type: "custom", name: "mine" }));
  await assertRejects(() => convert(matFile(other, layers)), CheckpointFormatError, "custom mine");
});
