import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { classifierOn } from "../../lib/classifier.ts";
import { createEngine } from "../../lib/engine/create.ts";
import { readImage } from "../../lib/image/read.ts";
import { resizeImage } from "../../lib/image/resize.ts";
import { resultsOf } from "../../lib/input/each_image.ts";
import { resolveModel } from "../../lib/open_model.ts";
import { similarity } from "../../lib/output/embedding.ts";
import { type Described, describing, vectorLengths } from "../../lib/search/describe.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url);
const BOATS = new URL("boats.jpg", PHOTOS);

const model = await resolveModel(CIFAR10);

async function describe(image: Parameters<typeof readImage>[0], of = model): Promise<Described> {
  await using engine = await createEngine(of, { backend: "wasm", threads: 1 });
  const work = describing(() => Promise.resolve(engine), of, {});
  return await resultsOf(image, work, {}) as Described;
}

Deno.test("a picture looks as the largest values of pool5 say, and means what its scores say", async () => {
  await using engine = await createEngine(model, { backend: "wasm", threads: 1 });
  await using classifier = classifierOn(model, engine);
  for (const name of ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"]) {
    const url = new URL(name, PHOTOS);
    const { look, content, meaning, certainty } = await describe(url);
    const { data } = await classifier.embed(url, { layer: "pool5", pooling: "max" });
    const scores = await classifier.scores(url);
    assertEquals([look.length, meaning.length], [data.length, scores.length]);
    // A byte is wrong by half a step of 127 at most.
    assertGreater(similarity(look, data), 0.9995);
    assertGreater(similarity(meaning, scores), 0.9995);
    assertAlmostEquals(certainty, Math.hypot(...scores), 1e-12);
    assertAlmostEquals(content, Math.hypot(...data), 1e-9 * content);
  }
});

Deno.test("a model without scores of its own layers gives looks alone", async () => {
  const { architecture } = model;
  const bare = { ...model, architecture: { ...architecture, dense: [] }, labels: [] };
  assertEquals(vectorLengths(bare).meaning, 0);
  // Its head sees features, which are no layer's.
  const features = {
    sizes: [[32, 32]] as const,
    blocks: [{ layer: "pool5", pooling: "avg" }] as const,
    mirrored: false,
  };
  const read = { ...model, readout: { features, head: { kind: "dense", layers: [] } as const } };
  assertEquals(vectorLengths(read).meaning, 0);
  const { look, meaning, certainty } = await describe(BOATS, read);
  assertEquals([look, meaning.length, certainty], [(await describe(BOATS)).look, 0, 0]);
});

Deno.test("a picture is described as large as its file says, turned as it is shown", async () => {
  const { width, height } = await readImage(BOATS);
  const found = await describe(BOATS);
  const { size } = await Deno.stat(BOATS);
  assertEquals([found.width, found.height, found.bytes], [width, height, size]);
  const turned = new URL("../fixtures/images/files/orientation6.jpg", import.meta.url);
  const upright = await readImage(turned), rotated = await describe(turned);
  assertEquals([rotated.width, rotated.height], [upright.width, upright.height]);
  const pixels = resizeImage(upright, { width: 30, height: 20 });
  const { width: w, height: h, bytes } = await describe(pixels);
  assertEquals([w, h, bytes], [30, 20, 1800]);
});

Deno.test("a smaller copy looks more alike than another picture", async () => {
  const boats = await describe(BOATS);
  const small = await describe(resizeImage(await readImage(BOATS), { width: 200 }));
  const cat = await describe(new URL("cat.png", PHOTOS));
  assertLess(similarity(boats.look, cat.look), similarity(boats.look, small.look));
});
