/** A .tflite file of this project in LiteRT, an image, a canvas; the result is `window.detections`. */

import { colorOf, drawAll } from "./draw.js";
import { loadRuntime, openModel } from "./model.js";

// KITTI's usual camera, as `model.detect` assumes it: focal lengths, middle, last column of the projection.
const KITTI = { fx: 707.0493, fy: 707.0493, cx: 604.0814, cy: 180.5066, p: [45.75831, -0.3454157, 0.004981016] };

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const threshold = byId("threshold");
const runtime = loadRuntime();

let model = null; // of model.js
let image = null; // {path, null of the camera, source, width, height}
let found = []; // all detections in the image, best first
let camera = null; // MediaStream
let failure = null; // {what: "model", "image" or "camera", text}; shown until that is opened
let queue = Promise.resolve();

window.detections = null; // until there are some; then what `Detections.to_json` writes, a new object each time

// -- model

async function loadModel(name, bytes) {
  say(`Loading ${name}\u2026`);
  const opened = await openModel(await runtime, name, bytes);
  model?.close();
  model = opened;
  byId("lens").hidden = !model.hasDepths;
  clearFailure("model");
  await refresh();
}

// -- images

async function loadImage(name, blob) {
  let source;
  try {
    source = await createImageBitmap(blob); // upright, as its EXIF says
  } catch {
    throw new Error(`${name}: expected an image that this browser can show.`);
  }
  stopCamera();
  clearFailure("image");
  await setImage(name, source);
}

async function setImage(path, source) {
  image?.source.close();
  image = { path, source, width: source.width, height: source.height };
  byId("hint").hidden = true;
  canvas.hidden = false;
  Object.assign(canvas, { width: source.width, height: source.height });
  canvas.getContext("2d").drawImage(source, 0, 0);
  await refresh();
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
  clearFailure("camera");
  const detectFrame = async () => camera === stream && setImage(null, await createImageBitmap(video));
  const next = () => camera === stream && video.requestVideoFrameCallback(() => enqueue("camera", detectFrame).then(next));
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
async function refresh() {
  sayState();
  if (!model || !image) return;
  const start = performance.now();
  found = await model.detect(image, lensOf(image));
  byId("time").textContent = `${Math.round(performance.now() - start)} ms`;
  show();
}

/** Returns the camera that 3D boxes are seen by: KITTI's, or one of the focal length in the field. */
function lensOf({ width, height }) {
  const focal = byId("focal").valueAsNumber;
  return focal > 0 ? { fx: focal, fy: focal, cx: width / 2, cy: height / 2, p: [0, 0, 0] } : KITTI;
}

// -- result

/** Draws and lists the detections from the slider's score on. */
function show() {
  byId("lowest").value = Number(threshold.value).toFixed(2);
  if (!model || !image) return;
  const kept = found.filter(({ score }) => score >= threshold.value);
  canvas.getContext("2d").drawImage(image.source, 0, 0);
  drawAll(canvas, kept, model, lensOf(image));
  byId("rows").replaceChildren(...kept.map(toRow));
  const objects = `${kept.length || "No"} object${kept.length === 1 ? "" : "s"}`;
  byId("count").textContent = canvas.ariaLabel = `${objects} in ${image.path ?? "the camera's image"}`;
  const image_size = { width: image.width, height: image.height };
  window.detections = { path: image.path, image_size, detections: kept };
}

function toRow({ box_xyxy, score, class_index, class_name }) {
  const row = document.createElement("tr");
  for (const text of [class_name, score.toFixed(2), box_xyxy.map(Math.round).join(", ")]) {
    row.insertCell().textContent = text;
  }
  row.style.setProperty("--class", colorOf(class_index));
  return row;
}

/** Says what is missing or what was opened; a failure stays until what failed is opened. */
function sayState() {
  if (failure) return say(failure.text, true);
  if (!model) return say("Open a .tflite model.");
  const lens = model.hasDepths && lensOf({}) === KITTI ? " KITTI's usual camera is assumed." : "";
  say(`${model.name}: input ${model.width} \u00d7 ${model.height}.${lens}${image ? "" : " Open an image."}`);
}

function say(text, isError = false) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("error", isError);
}

function clearFailure(what) {
  if (failure?.what === what || (model && image)) failure = null;
}

// -- events

/** Does one thing after the other, in the order in which they were asked for; `what` is of `failure`. */
function enqueue(what, task) {
  queue = queue.then(task).catch((error) => {
    failure = { what, text: error.message };
    sayState();
  });
  return queue;
}

function whatIs(name) {
  return name.endsWith(".tflite") ? "model" : "image";
}

async function open(file) {
  if (whatIs(file.name) === "image") return loadImage(file.name, file);
  return loadModel(file.name, new Uint8Array(await file.arrayBuffer()));
}

function openAll(files) {
  for (const file of files) enqueue(whatIs(file.name), () => open(file));
}

/** Opens a file that lies beside the page, as in index.html?model=blood.tflite&image=photo.jpg. */
async function openAddress(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: expected a file, got ${answer.status} ${answer.statusText}.`);
  return open(new File([await answer.blob()], address.split("/").pop()));
}

for (const id of ["model", "image"]) {
  byId(id).addEventListener("change", ({ target }) => {
    openAll([...target.files]);
    target.value = ""; // so that a file that has changed can be chosen again
  });
}
byId("camera").addEventListener("click", () => enqueue("camera", () => (camera ? stopCamera() : startCamera())));
threshold.addEventListener("input", show);
byId("focal").addEventListener("input", () => enqueue("image", refresh));
addEventListener("resize", show); // labels keep their size on the screen

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

enqueue("model", async () => {
  await runtime;
  sayState();
});
for (const [name, address] of new URLSearchParams(location.search)) {
  if (name === "model" || name === "image") enqueue(name, () => openAddress(address));
}
