/** What the tests run in a browser: the library, bundled with what asks it. */

import { type ClassifierOptions, loadClassifier } from "../../mod.ts";
import { startThreads } from "../../lib/threads/thread.ts";
import { type Hashed, hashLogits } from "../support/logits_hash.ts";

/** Workers that were started and not ended. */
let workers = 0;
globalThis.Worker = class extends Worker {
  constructor(...given: ConstructorParameters<typeof Worker>) {
    super(...given);
    workers++;
  }
  override terminate(): void {
    super.terminate();
    workers--;
  }
};

const read = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer());

/** Loads a classifier, and hashes what it says. */
export async function hash(
  options: ClassifierOptions,
): Promise<
  Hashed & { readonly backend: string; readonly threads?: number; readonly workers: number }
> {
  await using classifier = await loadClassifier(options);
  const { backend, threads } = classifier.info;
  return { ...await hashLogits(classifier, read), backend, threads, workers };
}

/** The first label of a picture that is decoded on another thread, if that can be. */
export async function classifyBehind(
  path: string,
): Promise<{ readonly label: string; readonly workers: number }> {
  await using classifier = await loadClassifier({ backend: "wasm" });
  const [{ label }] = await classifier.classify(await read(path), { background: true });
  return { label, workers };
}

/** What a confined thread finds of these globals. */
export async function reach(names: readonly string[]): Promise<readonly string[]> {
  const [thread] = await startThreads(
    `port.listen((names) => port.send(names.filter((name) => {
      const parts = name.split(".");
      return parts.reduce((value, part) => value?.[part], globalThis) !== undefined;
    })));
    port.send("ready");`,
    [undefined],
  );
  try {
    return await thread!.ask<string[]>(names);
  } finally {
    await thread!.end();
  }
}

/** What who asks learns of a thread that fails: at once, or once it has waited for something. */
export async function failures(): Promise<readonly string[]> {
  const learned: string[] = [];
  for (
    const fail of ["() => { throw new Error('lost') }", "async () => { throw new Error('lost') }"]
  ) {
    const [thread] = await startThreads(`port.listen(${fail}); port.send("ready");`, [undefined]);
    await thread!.ask("anything", { limitMs: 10_000 })
      .catch(({ message, cause }) => learned.push(`${message}: ${cause?.message}`));
    await thread!.end();
  }
  return learned;
}

/** Milliseconds of loading, and the least of some classifications of one picture. */
export async function time(
  options: ClassifierOptions,
): Promise<{ readonly load: number; readonly classify: number; readonly device: string }> {
  const start = performance.now();
  await using classifier = await loadClassifier(options);
  const load = performance.now() - start, picture = await read("tests/data/photos/cat.png");
  let classify = Infinity;
  for (let run = 0; run < 8; run++) {
    const start = performance.now();
    await classifier.classify(picture);
    classify = Math.min(classify, performance.now() - start);
  }
  return { load, classify, device: classifier.info.device };
}
