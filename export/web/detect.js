/** A .tflite file of this project, MediaPipe's object detector, a canvas; the result is `window.detections`. */

const LIBRARY = new URL("node_modules/@mediapipe/tasks-vision/", import.meta.url).href;
const FINEST = 2; // times the input's size: MediaPipe does not average the pixels that it skips beyond that
const TEXT_PIXELS = 13; // on the screen, whatever the picture's size
const COLORS = ["#f25f6b", "#3d9bee", "#4cba1e", "#ffb703", "#b983ea", "#00bbbb", "#fb7a3c", "#f280bb", "#a3be28"];

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const threshold = byId("threshold");
const library = loadLibrary();

let model = null; // {name, detector, width and height of its input, colors}
let picture = null; // {path, null of the camera, source, width, height}
let found = []; // all detections in the picture, best first
let camera = null; // MediaStream
let queue = Promise.resolve();

window.detections = null; // until there are some; then what `Detections.to_json` writes, a new object each time

// -- model

async function loadLibrary() {
  try {
    const { FilesetResolver, ObjectDetector } = await import(`${LIBRARY}vision_bundle.mjs`);
    return { ObjectDetector, files: await FilesetResolver.forVisionTasks(`${LIBRARY}wasm`) };
  } catch {
    throw new Error("MediaPipe is missing: run npm install in the page's folder and load the page again.");
  }
}

async function loadModel(name, bytes) {
  say(`Loading ${name}…`);
  const { ObjectDetector, files } = await library;
  const options = { baseOptions: { modelAssetBuffer: bytes } };
  let size, detector;
  try {
    size = readInputSize(bytes);
    detector = await ObjectDetector.createFromOptions(files, options);
  } catch (error) {
    throw new Error(`${name}: expected a .tflite detector with its decoding and labels (${error.message}).`);
  }
  model?.detector.close();
  model = { name, detector, ...size, colors: new Map() };
  refresh();
}

/** Returns {width, height} of a TFLite file's input; `field` takes the numbers of the fields in the format's schema. */
function readInputSize(bytes) {
  const view = new DataView(bytes.buffer);
  const follow = (place) => place + view.getUint32(place, true);
  const field = (table, number) => {
    const fields = table - view.getInt32(table, true);
    return follow(table + view.getUint16(fields + 4 + 2 * number, true));
  };
  const item = (vector, index) => vector + 4 + 4 * index;
  const graph = follow(item(field(follow(0), 2), 0));
  const input = view.getInt32(item(field(graph, 1), 0), true);
  const shape = field(follow(item(field(graph, 0), input)), 0);
  return { height: view.getInt32(item(shape, 1), true), width: view.getInt32(item(shape, 2), true) };
}

// -- pictures

async function loadPicture(name, blob) {
  let source;
  try {
    source = await createImageBitmap(blob); // upright, as its EXIF says
  } catch {
    throw new Error(`${name}: expected a picture that this browser can show.`);
  }
  stopCamera();
  setPicture(name, source);
}

function setPicture(path, source) {
  picture?.source.close();
  picture = { path, source, width: source.width, height: source.height };
  byId("hint").hidden = true;
  canvas.hidden = false;
  Object.assign(canvas, { width: source.width, height: source.height });
  canvas.getContext("2d").drawImage(source, 0, 0);
  refresh();
}

async function startCamera() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    throw new Error(`Camera: expected one that this page may use (${error.message}).`);
  }
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  setCamera(stream);
  const detectFrame = async () => camera === stream && setPicture(null, await createImageBitmap(video));
  const next = () => camera === stream && video.requestVideoFrameCallback(() => enqueue(detectFrame).then(next));
  next();
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  setCamera(null);
}

function setCamera(stream) {
  camera = stream;
  byId("camera").ariaPressed = String(Boolean(stream));
  byId("count").ariaLive = stream ? "off" : "polite"; // a screen reader would read every frame
}

// -- detection

/** Detects and shows, or says what is missing. */
function refresh() {
  if (!model) return say("Open a .tflite model.");
  say(`${model.name}: input ${model.width} × ${model.height}.${picture ? "" : " Open a picture."}`);
  if (!picture) return;
  const start = performance.now();
  found = detect(picture);
  byId("time").textContent = `${Math.round(performance.now() - start)} ms`;
  show();
}

/** Returns all detections in a picture, boxes in its pixels, best first. */
function detect(shown) {
  const { box, scale, left, top } = letterbox(shown, model);
  const rows = model.detector.detect(box).detections.flatMap(({ boundingBox, categories }) => {
    const { originX, originY, width, height } = boundingBox;
    // MediaPipe cuts all four to whole pixels: what was cut from two of them makes one pixel on average.
    const [x1, x2] = [originX, originX + width + 1].map((x) => clip((x - left) / scale, shown.width));
    const [y1, y2] = [originY, originY + height + 1].map((y) => clip((y - top) / scale, shown.height));
    if (x2 <= x1 || y2 <= y1) return [];
    // Detections that share a box come as one with several categories.
    return categories.map(({ score, categoryName }) => ({
      box_xyxy: [x1, y1, x2, y2],
      score,
      class_name: categoryName,
    }));
  });
  return rows.sort((a, b) => b.score - a.score);
}

/**
 * Returns {box, scale, left, top}: the picture on a black canvas of the input's shape, to which MediaPipe by itself
 * would stretch it, and where the picture lies there.
 */
function letterbox({ source, width, height }, input) {
  const fit = Math.min(input.width / width, input.height / height);
  const finer = Math.min(Math.max(1 / fit, 1), FINEST);
  const box = new OffscreenCanvas(Math.round(input.width * finer), Math.round(input.height * finer));
  const scale = fit * finer;
  const [left, top] = [box.width - width * scale, box.height - height * scale].map((rest) => Math.round(rest / 2));
  const context = box.getContext("2d", { alpha: false });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, left, top, width * scale, height * scale);
  return { box, scale, left, top };
}

function clip(value, end) {
  return Math.min(Math.max(value, 0), end);
}

// -- result

/** Draws and lists the detections from the slider's score on. */
function show() {
  byId("lowest").value = Number(threshold.value).toFixed(2);
  if (!model || !picture) return;
  const kept = found.filter(({ score }) => score >= threshold.value);
  const context = canvas.getContext("2d");
  context.drawImage(picture.source, 0, 0);
  [...kept].reverse().forEach((detection) => draw(context, detection)); // the best on top
  byId("rows").replaceChildren(...kept.map(toRow));
  const objects = `${kept.length || "No"} object${kept.length === 1 ? "" : "s"}`;
  byId("count").textContent = canvas.ariaLabel = `${objects} in ${picture.path ?? "the camera's picture"}`;
  const image_size = { width: picture.width, height: picture.height };
  window.detections = { path: picture.path, image_size, detections: kept };
}

function draw(context, { box_xyxy: [x1, y1, x2, y2], score, class_name }) {
  const unit = canvas.width / (canvas.clientWidth || canvas.width); // one pixel of the screen
  const text = `${class_name} ${score.toFixed(2)}`;
  Object.assign(context, { font: `${TEXT_PIXELS * unit}px system-ui, sans-serif`, textBaseline: "middle" });
  context.lineWidth = 2 * unit;
  context.strokeStyle = context.fillStyle = colorOf(class_name);
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  const [width, height] = [context.measureText(text).width + 8 * unit, 1.4 * TEXT_PIXELS * unit];
  const [left, top] = [clip(x1 - unit, Math.max(canvas.width - width, 0)), Math.max(y1 - height, 0)];
  context.fillRect(left, top, width, height);
  context.fillStyle = "#000"; // at least 6 : 1 on every colour
  context.fillText(text, left + 4 * unit, top + height / 2);
}

function toRow({ box_xyxy, score, class_name }) {
  const row = document.createElement("tr");
  for (const text of [class_name, score.toFixed(2), box_xyxy.map(Math.round).join(", ")]) {
    row.insertCell().textContent = text;
  }
  row.style.setProperty("--class", colorOf(class_name));
  return row;
}

function colorOf(name) {
  const { colors } = model;
  if (!colors.has(name)) colors.set(name, COLORS[colors.size % COLORS.length]);
  return colors.get(name);
}

function say(text, isError = false) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("error", isError);
}

// -- events

/** Does one thing after the other, in the order in which they were asked for. */
function enqueue(task) {
  queue = queue.then(task).catch((error) => say(error.message, true));
  return queue;
}

async function open(file) {
  if (!file.name.endsWith(".tflite")) return loadPicture(file.name, file);
  return loadModel(file.name, new Uint8Array(await file.arrayBuffer()));
}

function openAll(files) {
  for (const file of files) enqueue(() => open(file));
}

/** Opens a file that lies beside the page, as in index.html?model=blood.tflite&picture=photo.jpg. */
async function openAddress(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: expected a file, got ${answer.status} ${answer.statusText}.`);
  return open(new File([await answer.blob()], address.split("/").pop()));
}

for (const id of ["model", "picture"]) {
  byId(id).addEventListener("change", ({ target }) => {
    openAll([...target.files]);
    target.value = ""; // so that a file that has changed can be chosen again
  });
}
byId("camera").addEventListener("click", () => enqueue(() => (camera ? stopCamera() : startCamera())));
threshold.addEventListener("input", show);

const mark = (dropping) => byId("stage").classList.toggle("dropping", dropping);
document.addEventListener("dragleave", ({ relatedTarget }) => mark(Boolean(relatedTarget)));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  mark(true);
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  mark(false);
  openAll(event.dataTransfer.files);
});

enqueue(async () => {
  await library;
  refresh();
});
for (const [name, address] of new URLSearchParams(location.search)) {
  if (name === "model" || name === "picture") enqueue(() => openAddress(address));
}
