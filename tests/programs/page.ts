/// <reference lib="dom" />
/** The script of a page that labels what is dropped on it, and shows how far the model is. */

import { loadClassifier } from "@edge/vgg16";

const [status, input] = [document.querySelector("p"), document.querySelector("input")];
if (status === null || input === null) throw new Error("The page has a paragraph and an input");

const classifier = loadClassifier({
  backend: "wasm",
  onProgress: ({ stage, done, unit }) => status.textContent = `${stage}: ${done} ${unit}`,
});
input.addEventListener("change", async () => {
  for (const file of input.files ?? []) {
    const [{ label, score }] = await (await classifier).classify(file);
    status.textContent = `${label}, ${(100 * score).toFixed(0)} %`;
  }
});
