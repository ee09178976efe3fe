/** A job over the objects of a store: each is opened when its turn comes, and none is kept. */

import { type LazyImage, loadClassifier } from "@edge/vgg16";

export interface Store {
  list(): AsyncIterable<string>;
  get(key: string): Promise<Blob>;
}

export async function label(store: Store): Promise<Map<string, string>> {
  await using classifier = await loadClassifier({ backend: "wasm" });
  const keys: string[] = [];
  async function* objects(): AsyncGenerator<LazyImage> {
    for await (const key of store.list()) {
      keys.push(key);
      yield () => store.get(key);
    }
  }
  const results = await classifier.classify(objects(), { topK: 1, background: true });
  return new Map(results.map(([best], n) => [keys[n] ?? "", best.label]));
}
