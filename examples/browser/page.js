// The page's only program: a picture in, predictions out, and nothing leaves the device.
import { loadClassifier } from "./vgg16/mod.js";

const at = (id) => document.getElementById(id);
const percent = (score) => `${(100 * score).toFixed(1)} %`;

const loading = loadClassifier({
  model: new URL("vgg16-imagenet200.wasm", import.meta.url),
  onProgress({ done, total }) {
    if (total !== undefined) at("progress").value = done / total;
  },
});
loading.then(
  () => {
    at("progress").hidden = true;
    if (latest === 0) at("status").textContent = "Ready.";
  },
  ({ message }) => {
    at("progress").hidden = true;
    at("status").textContent = `The model could not be loaded: ${message}`;
  },
);

/** Counts pictures: an answer that comes after the next picture is not shown. */
let latest = 0;

/** @param {Blob} picture */
async function show(picture) {
  const mine = ++latest;
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(picture);
  at("picture").alt = "Your picture";
  at("picture").hidden = false;
  for (const id of ["hint", "predictions", "details"]) at(id).hidden = true;
  at("status").textContent = "Looking …";
  try {
    const classifier = await loading;
    const start = performance.now();
    const predictions = await classifier.classify(picture);
    const ms = performance.now() - start;
    if (mine === latest) showPredictions(predictions, ms, classifier.info);
  } catch ({ message }) {
    if (mine === latest) at("status").textContent = message;
  }
}

function showPredictions(predictions, ms, { backend, threads, sureScore }) {
  const [best] = predictions;
  at("status").textContent = best.sure === false
    ? `Not sure. Most likely: ${best.label}`
    : `It looks like: ${best.label}`;
  const worthSaying = predictions.filter(({ score }, place) => place === 0 || score >= 0.001);
  at("predictions").replaceChildren(...worthSaying.map(({ label, score }) => {
    const item = document.createElement("li"), bar = document.createElement("span");
    bar.className = "bar";
    bar.style.width = `${100 * score}%`;
    item.append(bar, text(label), text(percent(score)));
    return item;
  }));
  const where = backend === "webgpu"
    ? "the GPU"
    : threads > 1
    ? `${threads} threads`
    : "one thread";
  const sure = sureScore === undefined ? "" : ` Sure from ${percent(sureScore)} on.`;
  at("details").textContent = `${ms.toFixed(0)} ms on ${where} of this device.${sure}`;
  at("predictions").hidden = at("details").hidden = false;
}

function text(content) {
  const span = document.createElement("span");
  span.textContent = content;
  return span;
}

// What is no picture, or of a format that the browser does not know, though the classifier may.
at("picture").addEventListener("error", () => {
  at("picture").hidden = true;
  at("hint").hidden = false;
});
for (const id of ["file", "photo"]) {
  at(id).addEventListener("change", ({ target }) => {
    if (target.files[0]) show(target.files[0]);
    target.value = ""; // The same file can be chosen again.
  });
}
const fromEvent = (data) => [...data?.files ?? []].forEach((file) => show(file));
addEventListener("paste", ({ clipboardData }) => fromEvent(clipboardData));
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  fromEvent(event.dataTransfer);
});
