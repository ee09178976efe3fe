/**
 * The package in workerd, which is what runs Cloudflare's Workers: no WebAssembly is compiled from bytes there,
 * nothing happens before the first request, and what one request began does not outlive it.
 */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { loadClassifier } from "@edge/vgg16";
import { model } from "@edge/vgg16-small";
import { buildWorker } from "../tools/build_worker.ts";
import { devTest } from "./support/dev_packages.ts";
import { startWorkerd } from "./support/workerd.ts";

const ROOT = new URL("../", import.meta.url);
/** Ten pictures, among them one of each format. */
const PICTURES = [
  ...["cat.png", "coffee.png", "boats.jpg"].map((name) => `tests/data/photos/${name}`),
  ...["420.jpg", "type2-16bit.png", "interlaced.gif", "lossless-alpha.webp"]
    .concat("420.avif", "lzw-predictor.tif", "24bit.bmp")
    .map((name) => `tests/fixtures/images/files/${name}`),
];

const read = (path: string): Promise<Uint8Array<ArrayBuffer>> => Deno.readFile(new URL(path, ROOT));

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What each picture gives here: of `fc8`, its classes' values; and the predictions. */
async function given(): Promise<{ logits: number[][]; predictions: unknown[] }> {
  await using classifier = await loadClassifier({ model, backend: "wasm", threads: 1 });
  const pictures = await Promise.all(PICTURES.map(read));
  const embeddings = await classifier.embed(pictures, { layer: "fc8" });
  const predictions = await classifier.classify(pictures);
  return {
    logits: embeddings.map(({ data }) => [...data]),
    predictions: JSON.parse(JSON.stringify(predictions)),
  };
}

for (const [name, flags] of [["", ""], [" with Node's modules", '"nodejs_compat"']] as const) {
  devTest(
    `in workerd${name} each format gives the same bits as here, one after the other and at once`,
    { file: import.meta.filename!, packages: ["workerd"] },
    async ({ workerd }) => {
      const { default: { default: path } } = workerd as { default: { default: string } };
      await inFolder(async (folder) => {
        await buildWorker(folder);
        await using worker = await startWorkerd(path, folder, flags);
        const { logits, predictions } = await given();
        // Who goes away while the model is opened takes nothing along.
        const leaving = new AbortController();
        const left = worker.post("/label", await read(PICTURES[0]!), leaving.signal);
        await delay(30);
        leaving.abort();
        await left.then((response) => response.body?.cancel(), () => {});
        for (const [n, picture] of PICTURES.entries()) {
          const response = await worker.post("/classify", await read(picture));
          assertEquals(await response.json(), predictions[n], picture);
        }
        const found = await Promise.all(PICTURES.map(async (picture) => {
          const response = await worker.post("/embed?layer=fc8", await read(picture));
          return (await response.json()).data;
        }));
        assertEquals(found, logits);
        const labels = await Promise.all(PICTURES.map(async (picture) => {
          const response = await worker.post("/label", await read(picture));
          return (await response.json());
        }));
        assertEquals(labels, predictions.map((all) => (all as unknown[])[0]));
        const refused = await worker.post("/label", "no picture");
        assertEquals(refused.status, 415);
        await refused.body?.cancel();
        assert(!/cross-request|different request|"level":"error"/.test(worker.printed()));
      });
    },
  );
}
