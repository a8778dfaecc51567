/** Detections on a canvas: boxes, limbs and keypoints, or 3D boxes, with labels that can be read on any screen. */

import { clip } from "./model.js";

// Those of keras_centernet.drawing, by the index of the class; a test compares them.
const PALETTE = [
  [230, 57, 70], [29, 140, 230], [56, 176, 0], [255, 183, 3], [157, 78, 221],
  [0, 187, 187], [251, 111, 32], [240, 98, 170], [120, 85, 60], [163, 190, 40],
  [45, 70, 185], [0, 125, 95], [255, 150, 140], [125, 195, 255], [145, 20, 60],
  [205, 170, 255], [95, 95, 95], [255, 230, 90], [0, 90, 130], [120, 230, 180],
]; // prettier-ignore
const PERSON_LIMBS = [
  [15, 13], [13, 11], [16, 14], [14, 12], [11, 12], [5, 11], [6, 12], [5, 6], [5, 7], [6, 8],
  [7, 9], [8, 10], [1, 2], [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6],
]; // prettier-ignore
const PERSON_KEYPOINTS = 17;
const DRAWN_KEYPOINT = 0.05; // lowest score
const EDGES = [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]]; // prettier-ignore
const FRONT = [0, 1, 5, 4];
const NEAREST = 0.1; // metres in front of the camera
const TEXT_PIXELS = 14; // on the screen, whatever the image's size

export function colorOf(index) {
  return `rgb(${PALETTE[index % PALETTE.length].join(" ")})`;
}

/** Draws all rows, the best on top, and their labels above them all; `model` and `camera` made the rows. */
export function drawAll(canvas, rows, model, camera) {
  const context = canvas.getContext("2d");
  const unit = canvas.width / (canvas.clientWidth || canvas.width); // one pixel of the screen
  for (const row of [...rows].reverse()) {
    Object.assign(context, { lineWidth: 2 * unit, lineJoin: "round", lineCap: "round" });
    context.strokeStyle = context.fillStyle = colorOf(row.class_index);
    if (row.locations) drawBox3D(context, row, camera);
    else context.strokeRect(...toRect(row.box_xyxy));
    if (row.keypoints_xy) drawKeypoints(context, row, model.limbs, unit);
  }
  const placed = [];
  for (const row of rows) drawLabel(context, row, unit, placed);
}

function toRect([x1, y1, x2, y2]) {
  return [x1, y1, x2 - x1, y2 - y1];
}

function drawKeypoints(context, { keypoints_xy, keypoint_scores }, limbs, unit) {
  const isShown = keypoint_scores.map((score) => score >= DRAWN_KEYPOINT);
  const usual = keypoints_xy.length === PERSON_KEYPOINTS ? PERSON_LIMBS : [];
  for (const [i, [first, last]] of (limbs ?? usual).entries()) {
    if (!isShown[first] || !isShown[last]) continue;
    context.strokeStyle = colorOf(i);
    drawLine(context, [keypoints_xy[first], keypoints_xy[last]]);
  }
  Object.assign(context, { fillStyle: colorOf(0), strokeStyle: "#fff", lineWidth: unit });
  for (const [i, [x, y]] of keypoints_xy.entries()) {
    if (!isShown[i]) continue;
    context.beginPath();
    context.arc(x, y, 3 * unit, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

function drawLine(context, points, isFilled = false) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  if (isFilled) context.fill();
  else context.stroke();
}

function drawBox3D(context, row, camera) {
  const corners = cornersOf(row);
  const front = FRONT.map((i) => corners[i]);
  if (front.every(([, , z]) => z > NEAREST)) {
    context.globalAlpha = 0.35;
    drawLine(context, front.map((corner) => project(corner, camera)), true); // prettier-ignore
    context.globalAlpha = 1;
  }
  for (const [first, last] of EDGES) {
    const line = clipNear(corners[first], corners[last]);
    if (line) drawLine(context, line.map((corner) => project(corner, camera))); // prettier-ignore
  }
}

/** Returns 8 corners: the bottom face, then the top face in the same order, front left first. */
function cornersOf({ dimensions: [height, width, length], locations: [x, y, z], rotation_y }) {
  const [cosine, sine] = [Math.cos(rotation_y), Math.sin(rotation_y)];
  return [0, -height].flatMap((up) =>
    [[1, 1], [1, -1], [-1, -1], [-1, 1]].map(([signX, signZ]) => {
      const [along, across] = [(length / 2) * signX, (width / 2) * signZ];
      return [x + cosine * along + sine * across, y + up, z - sine * along + cosine * across];
    }),
  ); // prettier-ignore
}

/** Returns the part of a line in front of the camera, null where there is none. */
function clipNear(first, last) {
  if (first[2] < NEAREST && last[2] < NEAREST) return null;
  const cut = (behind, ahead) => {
    const share = (NEAREST - behind[2]) / (ahead[2] - behind[2]);
    return behind.map((value, i) => value + share * (ahead[i] - value));
  };
  return [first[2] < NEAREST ? cut(first, last) : first, last[2] < NEAREST ? cut(last, first) : last];
}

function project([x, y, z], { fx, fy, cx, cy, p }) {
  const depth = z + p[2];
  return [(fx * x + cx * z + p[0]) / depth, (fy * y + cy * z + p[1]) / depth];
}

/** Writes above, inside or below a box, where no label is yet; a label without room is left to the list. */
function drawLabel(context, row, unit, placed) {
  const text = labelOf(row);
  Object.assign(context, { font: `600 ${TEXT_PIXELS * unit}px system-ui, sans-serif`, textBaseline: "middle" });
  const [width, height] = [context.measureText(text).width + 8 * unit, 1.4 * TEXT_PIXELS * unit];
  const [x1, y1, , y2] = row.box_xyxy;
  const left = clip(x1 - unit, Math.max(context.canvas.width - width, 0));
  const tops = [y1 - height, y1, y2].map((y) => clip(y, context.canvas.height - height));
  const isFree = (y) => placed.every(([l, t, w]) => left >= l + w || l >= left + width || Math.abs(t - y) >= height);
  const top = tops.find(isFree);
  if (top === undefined) return;
  placed.push([left, top, width]);
  context.fillStyle = colorOf(row.class_index);
  context.fillRect(left, top, width, height);
  context.fillStyle = inkOn(PALETTE[row.class_index % PALETTE.length]);
  context.fillText(text, left + 4 * unit, top + height / 2);
}

export function labelOf({ class_name, score, locations }) {
  return locations ? `${class_name} ${locations[2].toFixed(1)} m` : `${class_name} ${score.toFixed(2)}`;
}

/** Black or white, whichever is easier to read on a colour. */
function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}
