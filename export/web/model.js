/** A .tflite file of this project in LiteRT: an image in, detections in its own pixels out, for every task. */

const CORE = new URL("node_modules/@litertjs/core/", import.meta.url).href;
const STORED = 0; // how files lie in the zip at the end of a model
const [ENTRY, END] = [0x02014b50, 0x06054b50]; // signatures in a zip
const [LABELS, NOTES] = ["labels.txt", "detector.json"];

/** Returns LiteRT's functions, its WebAssembly loaded. */
export async function loadRuntime() {
  try {
    const runtime = await import(`${CORE}dist/index.js`);
    await runtime.loadLiteRt(`${CORE}wasm/`);
    return runtime;
  } catch {
    throw new Error("LiteRT is missing: run npm ci in the page's folder and load the page again.");
  }
}

/** Returns a `Model`; an Error says what a file lacks. */
export async function openModel(runtime, name, bytes) {
  let compiled;
  try {
    const files = readFiles(bytes);
    if (!files.has(LABELS)) throw new Error("it has no names of classes");
    compiled = await runtime.loadAndCompile(bytes, { accelerator: "wasm" });
    return new Model(runtime, compiled, name, files);
  } catch (error) {
    compiled?.delete();
    throw new Error(`${name}: expected a .tflite detector with its decoding and labels (${error.message ?? error}).`);
  }
}

/** Returns {name: text} of the files in the zip at the end of a model. */
function readFiles(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files = new Map();
  const number = (place, size) => (size === 2 ? view.getUint16(place, true) : view.getUint32(place, true));
  const text = (start, size) => new TextDecoder().decode(bytes.subarray(start, start + size));
  let end = bytes.length - 22;
  while (end >= 0 && number(end, 4) !== END) end -= 1;
  if (end < 0) return files;
  const zip = end - number(end + 12, 4) - number(end + 16, 4); // where its offsets count from
  let place = zip + number(end + 16, 4);
  for (let i = number(end + 10, 2); i > 0 && number(place, 4) === ENTRY; i -= 1) {
    const [nameSize, more] = [number(place + 28, 2), number(place + 30, 2) + number(place + 32, 2)];
    const local = zip + number(place + 42, 4);
    const start = local + 30 + number(local + 26, 2) + number(local + 28, 2);
    if (number(place + 10, 2) === STORED) files.set(text(place + 46, nameSize), text(start, number(place + 20, 4)));
    place += 46 + nameSize + more;
  }
  return files;
}

/** Attributes: name, width and height of the input, task, classes, limbs of the skeleton. */
class Model {
  #runtime;
  #compiled;
  #input;

  constructor(runtime, compiled, name, files) {
    const [input] = compiled.getInputDetails();
    const outputs = compiled.getOutputDetails().map((output) => output.name);
    if (!outputs.includes("location")) throw new Error("it has raw heads");
    const facts = files.has(NOTES) ? JSON.parse(files.get(NOTES)) : {};
    [this.#runtime, this.#compiled, this.#input, this.name] = [runtime, compiled, input, name];
    [this.height, this.width] = [input.shape[1], input.shape[2]];
    this.classes = files.get(LABELS).split("\n");
    this.hasKeypoints = outputs.includes("keypoints_xy");
    this.hasDepths = outputs.includes("depths");
    this.limbs = facts.task_options?.skeleton?.limbs; // undefined: those of COCO's persons
  }

  close() {
    this.#compiled.delete();
  }

  /** Returns all detections in {source, width, height}, best first; `camera` is {fx, fy, cx, cy, p} of 3D boxes. */
  async detect(image, camera) {
    const { pixels, zoom, left, top } = letterbox(image, this);
    const outputs = await this.#run(pixels);
    const toX = (share) => (share * this.width - left) / zoom;
    const toY = (share) => (share * this.height - top) / zoom;
    const toPoints = (values) => pairs(values).map(([x, y]) => [toX(x), toY(y)]);
    const count = outputs.score.length;
    const rows = Array.from({ length: count }, (_, i) => {
      const of = (name) => part(outputs[name], i, count);
      const [top, left, bottom, right] = of("location");
      const [x1, x2] = [left, right].map((x) => clip(toX(x), image.width));
      const [y1, y2] = [top, bottom].map((y) => clip(toY(y), image.height));
      const row = { box_xyxy: [x1, y1, x2, y2], score: outputs.score[i], class_index: outputs.category[i] };
      row.class_name = this.classes[row.class_index] ?? String(row.class_index);
      if (this.hasKeypoints) {
        Object.assign(row, { keypoints_xy: toPoints(of("keypoints_xy")), keypoint_scores: of("keypoint_scores") });
      }
      if (this.hasDepths) {
        const [point] = toPoints(of("points_xy"));
        Object.assign(row, locate(point, outputs.depths[i], of("dimensions_hwl"), outputs.alphas[i], camera));
      }
      return row;
    });
    return rows.filter(({ box_xyxy: [x1, y1, x2, y2] }) => x2 > x1 && y2 > y1);
  }

  /** Returns {name of an output: its numbers} of RGBA pixels. */
  async #run(pixels) {
    const Kind = this.#input.dtype === "float32" ? Float32Array : Uint8Array;
    const rgb = new Kind(this.width * this.height * 3);
    for (let i = 0, j = 0; i < pixels.length; i += 4, j += 3) {
      [rgb[j], rgb[j + 1], rgb[j + 2]] = [pixels[i], pixels[i + 1], pixels[i + 2]];
    }
    const input = this.#runtime.Tensor.fromTypedArray(rgb, [1, this.height, this.width, 3]);
    const outputs = await this.#compiled.run({ [this.#input.name]: input });
    input.delete();
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => {
        const values = Array.from(tensor.toTypedArray());
        tensor.delete();
        return [name, values];
      }),
    );
  }
}

/**
 * Returns {pixels, zoom, left, top}: the image on a black canvas of the input's size, as in training, and where it
 * lies there. Large images are halved before, as bilinear sampling alone would skip most of their pixels.
 */
function letterbox({ source, width, height }, input) {
  const zoom = Math.min(input.width / width, input.height / height);
  const [left, top] = [(input.width - width * zoom) / 2, (input.height - height * zoom) / 2];
  let [shown, scale, w, h] = [source, zoom, width, height];
  while (scale <= 0.5 && Math.min(w, h) >= 2) {
    [w, h] = [w >> 1, h >> 1];
    const half = new OffscreenCanvas(w, h);
    half.getContext("2d").drawImage(shown, 0, 0, 2 * w, 2 * h, 0, 0, w, h);
    [shown, scale] = [half, scale * 2];
  }
  const context = new OffscreenCanvas(input.width, input.height).getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, input.width, input.height);
  context.imageSmoothingQuality = "low"; // bilinear
  const half = (1 - zoom) / 2; // on a canvas the first pixel's centre is 0.5, not 0
  context.setTransform(scale, 0, 0, scale, left + half, top + half);
  context.drawImage(shown, 0, 0);
  return { pixels: context.getImageData(0, 0, input.width, input.height).data, zoom, left, top };
}

/** Returns where a 3D box is: the centre of its bottom face in metres, in the camera's frame, as `camera.locate`. */
function locate([x, y], depth, dimensions, alpha, { fx, fy, cx, cy, p }) {
  const z = depth - p[2];
  const location = [(x * depth - p[0] - cx * z) / fx, (y * depth - p[1] - cy * z) / fy + dimensions[0] / 2, z];
  let rotation_y = alpha + Math.atan2(x - cx, fx);
  if (rotation_y > Math.PI) rotation_y -= 2 * Math.PI;
  if (rotation_y < -Math.PI) rotation_y += 2 * Math.PI;
  const calibration = [[fx, 0, cx, p[0]], [0, fy, cy, p[1]], [0, 0, 1, p[2]]]; // prettier-ignore
  return { locations: location, dimensions, rotation_y, alpha, calibration };
}

export function clip(value, end) {
  return Math.min(Math.max(value, 0), end);
}

function part(values, index, count) {
  const size = values.length / count;
  return values.slice(index * size, (index + 1) * size);
}

function pairs(values) {
  return Array.from({ length: values.length / 2 }, (_, i) => values.slice(2 * i, 2 * i + 2));
}
