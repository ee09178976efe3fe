/**
 * What a program does with the packages, on whatever runtime: `runtime_program.ts ROOT THREAD` prints a line of JSON. ROOT is the
 * path of a checkout, which has the pictures, and THREAD the URL of the package's `lib/threads/thread`. Node and Bun run
 * it as it is, beside `logits_hash.ts` and with the packages installed.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { createHandler, loadClassifier } from "@edge/vgg16";
import { model as small } from "@edge/vgg16-small";
import { EXPECTED, hashLogits, PICTURES } from "./logits_hash.ts";

const [root, thread] = process.argv.slice(-2) as [string, string];
const read = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(`${root}/${path}`));
const PHOTO = "tests/data/photos/cat.png";

/** What a classifier says, and how it ran. */
async function classifying(threads: number): Promise<Record<string, unknown>> {
  const classifier = await loadClassifier({ backend: "wasm", threads });
  try {
    const { hash, labels } = await hashLogits(classifier, read);
    const [byPath] = await classifier.classify(`${root}/${PHOTO}`);
    return { hash, labels, byPath: byPath!.label, threads: classifier.info.threads };
  } finally {
    await classifier.close();
  }
}

/** The label by the model of another package. */
async function bySmall(): Promise<string> {
  const classifier = await loadClassifier({ model: small, backend: "wasm", threads: 1 });
  try {
    return (await classifier.classify(await read("tests/data/photos/coffee.png")))[0]!.label;
  } finally {
    await classifier.close();
  }
}

/** What the service answers. */
async function serving(): Promise<unknown[]> {
  const handler = createHandler({ logLevel: "off" });
  const body = await read(PHOTO) as Uint8Array<ArrayBuffer>;
  const url = "http://localhost/", headers = { accept: "text/html" };
  const classified = await handler(new Request(`${url}classify`, { method: "POST", body }));
  const page = await handler(new Request(url, { headers }));
  return [(await classified.json())[0].label, page.status, (await page.text()).includes("<title>")];
}

/** What pictures of all formats show, decoded on a thread. */
async function behind(): Promise<string[]> {
  const classifier = await loadClassifier({ backend: "wasm" });
  try {
    const pictures = await Promise.all(PICTURES.map(read));
    const rows = await classifier.classify(pictures, { background: true });
    return rows.map(([best]) => best!.label);
  } finally {
    await classifier.close();
  }
}

/** Whether that thread can be started, which nobody would see else: the module that starts one is the package's own. */
async function decodingThread(): Promise<boolean> {
  const beside = (name: string): URL => new URL(`${name}${thread.slice(-3)}`, thread);
  const { startThreads } = await import(thread);
  const script = beside("../image/background_thread");
  const [started] = await startThreads(script, [undefined]);
  await started.end();
  return true;
}

/** The same bits on the GPU, where there is one. */
async function onGpu(): Promise<string> {
  if (!("gpu" in navigator)) return "none";
  try {
    const classifier = await loadClassifier({ backend: "webgpu", tune: "off" });
    const { hash } = await hashLogits(classifier, read);
    await classifier.close();
    return hash === EXPECTED["vgg16-imagenet200"]!.hash ? "same" : "other";
  } catch (error) {
    return String(error);
  }
}

console.log(JSON.stringify({
  ...await classifying(2),
  small: await bySmall(),
  served: await serving(),
  decodes: [await decodingThread(), await behind()],
  webgpu: process.env.WITH_WEBGPU ? await onGpu() : "not asked",
}));
process.exit(0);
