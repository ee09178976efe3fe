/** A job over the objects of a store: each is opened when its turn comes, and none is kept. */

import { loadClassifier, type NamedImage } from "@edge/vgg16";

export interface Store {
  list(): AsyncIterable<string>;
  get(key: string): Promise<Blob>;
}

export async function label(store: Store, signal: AbortSignal): Promise<Map<string, string>> {
  await using classifier = await loadClassifier({ backend: "wasm" });
  async function* objects(): AsyncGenerator<NamedImage<() => Promise<Blob>>> {
    for await (const key of store.list()) yield { name: key, image: () => store.get(key) };
  }
  const labels = new Map<string, string>();
  const items = classifier.stream(objects(), { topK: 1, background: true, signal });
  for await (const { index, name = String(index), predictions, error } of items) {
    labels.set(name, error === undefined ? predictions[0].label : error.message);
  }
  return labels;
}
