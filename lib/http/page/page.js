// The page's only script: a picture in, predictions and a heat map out.

const at = (id) => document.getElementById(id);
const [picture, video] = [at("picture"), at("video")];

/** The picture that is shown: its bytes, its address, and its heat maps by class. */
let shown = { blob: undefined, url: "", heat: new Map() };
/** The prediction whose heat map is shown. */
let chosen;
let key = "";

at("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) classify(target.files[0]);
  target.value = ""; // The same file can be chosen again.
});
addEventListener("paste", ({ clipboardData }) => takeFrom(clipboardData));
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  takeFrom(event.dataTransfer);
});
at("heat").addEventListener("change", showHeat);
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("key").value;
  classify(shown.blob);
});

function takeFrom(data) {
  const file = [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  if (file) classify(file);
}

/** Shows a picture and asks for its predictions. */
async function classify(blob) {
  stopCamera();
  URL.revokeObjectURL(shown.url);
  for (const url of shown.heat.values()) URL.revokeObjectURL(url);
  const mine = shown = { blob, url: URL.createObjectURL(blob), heat: new Map() };
  picture.src = mine.url;
  picture.alt = "Your picture";
  show({ hint: false, stage: true, picture: true, error: false, predictions: false });
  show({ timing: false, "heat-row": false, "key-form": false, "each-label": false });
  at("status").textContent = "Looking …";
  const started = performance.now();
  try {
    const response = await post("classify", blob);
    const predictions = await response.json();
    if (mine !== shown) return; // Another picture has come meanwhile.
    showPredictions(predictions, response.headers.has("x-multi-label"));
    showTiming(response.headers.get("server-timing") ?? "", performance.now() - started);
    at("heat").checked = true;
    await showHeat();
  } catch (error) {
    if (mine === shown) fail(error);
  }
}

/** Posts bytes; a response that is no success is an error with the problem's words. */
async function post(path, blob, headers = {}) {
  if (key !== "") headers.authorization = `Bearer ${key}`;
  // Beside this script, whatever the page's own address ends with.
  const response = await fetch(new URL(path, import.meta.url), {
    method: "POST",
    body: blob,
    headers,
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `The server says ${response.status}.`), {
    status: response.status,
  });
}

function fail({ message, status }) {
  at("status").textContent = "";
  at("error").textContent = message;
  show({ error: true, "key-form": status === 401 });
  if (status === 401) at("key").focus();
}

/** @param isMultiLabel Whether each label has a score of its own: the bars are no parts of a whole. */
function showPredictions(predictions, isMultiLabel) {
  const percent = (score) => `${(score * 100).toFixed(1)} %`;
  chosen = predictions[0];
  const isUnsure = chosen.sure === false && chosen.label.trim().toLowerCase() !== "none of these";
  const what = isUnsure || isMultiLabel ? "Most likely" : "It looks like";
  const said = `${what}: ${chosen.label}, ${percent(chosen.score)}`;
  const notSure = document.createElement("strong");
  notSure.textContent = "Not sure. ";
  at("status").replaceChildren(...isUnsure ? [notSure] : [], said);
  at("predictions").classList.toggle("unsure", isUnsure);
  at("predictions").replaceChildren(...predictions.map((prediction) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.width = percent(prediction.score).replace(" ", "");
    button.type = "button";
    button.dataset.index = prediction.index;
    button.title = `Show where it looked for ${prediction.label}`;
    button.append(bar, text(prediction.label), text(percent(prediction.score)));
    button.addEventListener("click", () => {
      chosen = prediction;
      at("heat").checked = true;
      showHeat();
    });
    item.append(button);
    return item;
  }));
  show({ predictions: true, "heat-row": true, "each-label": isMultiLabel });
}

function text(content) {
  const span = document.createElement("span");
  span.textContent = content;
  return span;
}

/** Shows the picture with the heat map of the chosen class over it, or the picture alone. */
async function showHeat() {
  const mine = shown, wanted = chosen;
  const isOn = at("heat").checked;
  for (const button of at("predictions").querySelectorAll("button")) {
    button.setAttribute(
      "aria-pressed",
      String(isOn && Number(button.dataset.index) === wanted.index),
    );
  }
  if (isOn && !mine.heat.has(wanted.index)) {
    try {
      // Two classes may have one label.
      const path = `explain?label=${encodeURIComponent(wanted.id ?? wanted.label)}`;
      const response = await post(path, mine.blob, { accept: "image/png" });
      mine.heat.set(wanted.index, URL.createObjectURL(await response.blob()));
    } catch (error) {
      if (mine !== shown) return;
      if (error.status === 501) leaveOutHeat();
      else fail(error);
      return;
    }
  }
  if (mine !== shown || wanted !== chosen) return;
  const isHot = at("heat").checked;
  picture.src = isHot ? mine.heat.get(wanted.index) ?? mine.url : mine.url;
  picture.alt = isHot ? `Your picture, bright where it looked for ${wanted.label}` : "Your picture";
}

/** For a model that only classifies. */
function leaveOutHeat() {
  show({ "heat-row": false });
  for (const button of at("predictions").querySelectorAll("button")) {
    button.disabled = true;
    button.removeAttribute("aria-pressed");
    button.removeAttribute("title");
  }
}

/**
 * `decode;dur=8.1, queue;dur=0.1, inference;dur=9.8;desc="wasm"` in words. A service that keeps results
 * tells no times.
 */
function showTiming(timing, totalMs) {
  const ms = (name) => Number(new RegExp(`${name};dur=([\\d.]+)`).exec(timing)?.[1]).toFixed(1);
  const backend = /desc="([^"]*)"/.exec(timing)?.[1] ?? "the server";
  const parts = timing.includes("dur=")
    ? `: decoding ${ms("decode")} ms, network ${ms("inference")} ms`
    : "";
  at("timing").textContent = `${totalMs.toFixed(0)} ms in all${parts} on ${backend}.`;
  show({ timing: true });
}

function show(visible) {
  for (const [id, isVisible] of Object.entries(visible)) at(id).hidden = !isVisible;
}

// The camera.

show({ camera: navigator.mediaDevices?.getUserMedia !== undefined });
at("camera").addEventListener("click", async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" },
    });
    await video.play();
    show({ hint: false, stage: true, video: true, picture: false, camera: false, shoot: true });
    at("shoot").focus();
  } catch (error) {
    fail({ message: `The camera cannot be used: ${error.message}` });
  }
});
at("shoot").addEventListener("click", () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(classify, "image/jpeg", 0.95);
});

function stopCamera() {
  if (!video.srcObject) return;
  for (const track of video.srcObject.getTracks()) track.stop();
  video.srcObject = null;
  show({ video: false, camera: true, shoot: false });
}
