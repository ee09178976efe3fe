/**
 * The package in workerd, which is what runs Cloudflare's Workers: no WebAssembly is compiled from bytes there,
 * nothing happens before the first request, and what one request began does not outlive it.
 */

import { assert, assertEquals } from "@std/assert";
import { loadClassifier } from "@edge/vgg16";
import { model } from "@edge/vgg16-small";
import { buildWorker } from "../tools/build_worker.ts";
import { devTest } from "./support/dev_packages.ts";

const ROOT = new URL("../", import.meta.url);
/** Ten pictures, among them one of each format. */
const PICTURES = [
  ...["cat.png", "coffee.png", "boats.jpg"].map((name) => `tests/data/photos/${name}`),
  ...["420.jpg", "type2-16bit.png", "interlaced.gif", "lossless-alpha.webp"]
    .concat("420.avif", "lzw-predictor.tif", "24bit.bmp")
    .map((name) => `tests/fixtures/images/files/${name}`),
];

const read = (path: string): Promise<Uint8Array<ArrayBuffer>> => Deno.readFile(new URL(path, ROOT));

/** A Worker that runs. */
interface Running extends AsyncDisposable {
  readonly post: (path: string, body: BodyInit) => Promise<Response>;
  /** What it printed so far. */
  readonly printed: () => string;
}

/** Runs a folder's `worker.js`, with the compiled modules beside it. */
async function start(workerd: string, folder: string, flags: string): Promise<Running> {
  const compiled = [...Deno.readDirSync(folder)].flatMap(({ name }) =>
    name.endsWith(".wasm") ? [`(name = "${name}", wasm = embed "${name}")`] : []
  );
  await Deno.writeTextFile(
    `${folder}/config.capnp`,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), ${compiled}],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = [${flags}],
);
`,
  );
  const child = new Deno.Command(workerd, {
    args: ["serve", "config.capnp", "--control-fd=1"],
    cwd: folder,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const ended = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (printed += text) }),
  );
  const end = async (): Promise<void> => {
    child.kill();
    await Promise.all([child.status, ended, ready.cancel()]);
  };
  const ready = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await ready.read();
  const port = /"listen".*"port":(\d+)/.exec(value)?.[1];
  if (port === undefined) {
    await end();
    throw new Error(`workerd did not start: ${value}${printed}`);
  }
  return {
    post: (path, body) => fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body }),
    printed: () => printed,
    [Symbol.asyncDispose]: end,
  };
}

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
        await using worker = await start(path, folder, flags);
        const { logits, predictions } = await given();
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
