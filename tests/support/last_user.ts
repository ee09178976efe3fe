/**
 * Classifies with decoding on other threads, and prints how many there are then, after the first of two
 * classifiers was closed, after the second, and after a third that comes and goes. A process of its own.
 *
 * @module
 */

import { loadClassifier } from "../../lib/classifier.ts";
import { countThreads } from "./count_threads.ts";
import { CIFAR10 } from "./cifar10.ts";

const options = { model: CIFAR10, backend: "wasm", threads: 1 } as const;
const images = Array(3).fill(new URL("../data/photos/boats.jpg", import.meta.url));
const counts: number[] = [];
const count = async (): Promise<void> => void counts.push(await countThreads());

const [a, b] = [await loadClassifier(options), await loadClassifier(options)];
await Promise.all(images.map((image) => a.classify(image, { background: true })));
await count();
await a.close();
await count();
await b.close();
await count();
const c = await loadClassifier(options);
await c.classify(images[0], { background: true });
await count();
await c.close();
await count();
console.log(JSON.stringify(counts.map((count) => count > 0)));
