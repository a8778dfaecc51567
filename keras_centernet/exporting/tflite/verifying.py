"""How far an exported file is from the model that it was made from, on the same pictures."""

import os
import time

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_centernet.data import load_dataset
from keras_centernet.errors import UserError, look_up
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.detector import TFLiteDetector
from keras_centernet.exporting.tflite.precisions import PRECISIONS

SAME_OBJECT = 0.5  # overlap; boxes without area are the same object within SAME_PIXELS
SAME_PIXELS = 2.0
COMPARED = 0.1  # lowest score of a detection that counts
TIMED_RUNS = 10
END_OF_LIST = 0.005  # scores; detections that close to the file's last one may have fallen off its list


def verify_tflite(
    model: keras.Model, path: str | os.PathLike | bytes, images: np.ndarray, precision: str, threshold: float = COMPARED
) -> dict:
    """Returns {"size_bytes", "operators": {name: count}, "agreement": `agreement_report`, "latency_ms"} of a file.

    Args:
        model: `CenterNet` that the file was made from.
        path: TFLite file, or its content.
        images: (B, H, W, 3) uint8 inputs, real pictures.
        precision: key of `PRECISIONS`: how much the file may differ.
        threshold: lowest score of the model's detections that are compared.

    Raises:
        UserError: it differs by more.
    """
    content = path if isinstance(path, bytes) else flatbuffer.read_content(path)
    report = {
        "size_bytes": len(content),
        "operators": flatbuffer.count_operators(flatbuffer.read_flatbuffer(content)),
        "agreement": agreement_report(model, content, images, threshold),
        "latency_ms": measure_latency(content, images[0]),
    }
    check_tolerance(report["agreement"], precision)
    return report


def drawn_images(input_hw: tuple[int, int]) -> np.ndarray:
    """Returns (2, H, W, 3) uint8 pictures of the built-in data set, where there are no better ones."""
    return np.asarray(next(iter(load_dataset("shapes", "val", input_size=input_hw, batch_size=2)))[0])


def measure_latency(path: str | os.PathLike | bytes, image: np.ndarray, threads: int = 2) -> float:
    """Returns the median milliseconds of one image in LiteRT on this machine, decoding included."""
    detector = TFLiteDetector(path, threads)
    detector.run(image)
    durations = []
    for _ in range(TIMED_RUNS):
        start = time.perf_counter()
        detector.run(image)
        durations.append(time.perf_counter() - start)
    return round(1000 * float(np.median(durations)), 2)


def check_tolerance(found: dict, precision: str) -> None:
    """Raises a UserError where an agreement is worse than the row of `PRECISIONS` allows.

    A limit of a name that begins with "least_" is a lower one; one of "correlation" holds for every head.
    """
    figures = found | {"least_correlation": min(found["heads"].values(), default=1.0), "least_iou": found["mean_iou"]}
    figures["missed"] = found["missed"] / max(found["detections"], 1)
    for name, limit in look_up(PRECISIONS, precision, "precision").tolerance.items():
        value = figures[name]
        if value < limit if name.startswith("least_") else value > limit:
            what = name.removeprefix("least_")
            raise UserError(
                f"TFLite {precision}: expected {what} of {'at least' if what != name else 'at most'} {limit} against "
                f"Keras on {found['images']} image(s), got {value:.4g}: the file would not detect what the model does."
            )


def agreement_report(
    model: keras.Model, path: str | os.PathLike | bytes, images: np.ndarray, threshold: float = COMPARED
) -> dict:
    """Returns `agreement` and "heads": {head: correlation of its raw map with the model's} over all cells.

    Args:
        model: `CenterNet` that the file was made from.
        path: TFLite file, or its content, of any precision; with or without decoding.
        images: (B, H, W, 3) uint8 inputs.
        threshold: lowest score of the model's detections that are compared.
    """
    content = path if isinstance(path, bytes) else flatbuffer.read_content(path)
    return agreement(model, content, images, threshold) | {"heads": head_correlations(model, content, images)}


def head_correlations(model: keras.Model, content: bytes, images: np.ndarray) -> dict[str, float]:
    """Returns {head: correlation of the file's raw maps with the model's}; the maps lie inside the graph."""
    graph = flatbuffer.read_flatbuffer(content)
    places = {tensor.name.decode(): i for i, tensor in enumerate(graph.subgraphs[0].tensors)}
    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # they hide what is inside
    )
    detector = TFLiteDetector(content, interpreter=interpreter)
    theirs = {head.name: [] for head in model.task.heads}
    for image in images:
        detector.run(image)
        for name, maps in theirs.items():
            maps.append(detector.tensor(places[name])[0])
    ours = {name: np.asarray(values) for name, values in model(images, training=False).items()}
    return {name: _correlation(np.stack(maps), ours[name]) for name, maps in theirs.items()}


def agreement(
    model: keras.Model, path: str | os.PathLike | bytes, images: np.ndarray, threshold: float = COMPARED
) -> dict:
    """Returns how far a TFLite file's detections are from the model's on the same inputs.

    Each detection of the model is compared with the closest of the file that has the same class.

    Args:
        model: `CenterNet` that the file was made from.
        path: `.tflite` file, or its content.
        images: (B, H, W, 3) uint8 inputs.
        threshold: lowest score of the model's detections that are compared.

    Returns:
        "images"; "detections" of the model that are compared, "missed" of them in the file; of the others
        "mean_iou", "box_pixels" and "score": the largest absolute differences, and the largest difference of what
        else the task decodes; "box_pixels_p98": what 98 % of the boxes stay below, because where two cells of an
        object have the same logit but for rounding, either may be its peak; "same_classes": whether none is missed.
    """
    detector = TFLiteDetector(path)
    worst = {"images": len(images), "detections": 0, "missed": 0, "mean_iou": 1.0, "box_pixels": 0.0, "score": 0.0}
    overlaps, box_pixels = [], []
    for image in images:
        theirs = detector(image)
        found = model.detect_batch(image[None], top_k=len(theirs["scores"]))
        kept = np.asarray(found["scores"])[0] >= threshold
        ours = {key: np.asarray(value)[0][kept] for key, value in found.items()}
        ours["boxes_xyxy"], theirs["boxes_xyxy"] = (_clip(d["boxes_xyxy"], detector.input_hw) for d in (ours, theirs))
        pairs, ious = _match(ours, theirs)
        overlaps.extend(ious)
        box_pixels.extend(np.abs(ours["boxes_xyxy"][pairs[:, 0]] - theirs["boxes_xyxy"][pairs[:, 1]]).max(axis=-1))
        worst["detections"] += len(ours["scores"])
        unmatched = np.delete(ours["scores"], pairs[:, 0])
        worst["missed"] += int(np.sum(unmatched > theirs["scores"].min() + END_OF_LIST))
        for key, name in ({key: key for key in ours} | {"boxes_xyxy": "box_pixels", "scores": "score"}).items():
            difference = np.abs(ours[key][pairs[:, 0]] - theirs[key][pairs[:, 1]])
            worst[name] = max(worst.get(name, 0.0), float(difference.max(initial=0.0)))
    del worst["classes"]  # equal by the matching
    worst["mean_iou"] = float(np.mean(overlaps)) if overlaps else 1.0
    worst["box_pixels_p98"] = float(np.quantile(box_pixels, 0.98)) if box_pixels else 0.0
    return worst | {"same_classes": not worst["missed"]}


def _match(ours: dict, theirs: dict) -> tuple[np.ndarray, list]:
    """Returns ((P, 2) indices of the same object in both, its overlaps)."""
    pairs, overlaps = [], []
    for i, box in enumerate(ours["boxes_xyxy"]):
        distances = np.abs(theirs["boxes_xyxy"] - box).max(axis=-1)
        distances = np.where(theirs["classes"] == ours["classes"][i], distances, np.inf)
        j = int(distances.argmin())
        overlap = _overlap(box, theirs["boxes_xyxy"][j])
        if distances[j] <= SAME_PIXELS or (overlap >= SAME_OBJECT and np.isfinite(distances[j])):
            pairs.append((i, j))
            if overlap:
                overlaps.append(overlap)
    return np.reshape(pairs, (-1, 2)).astype(int), overlaps


def _overlap(a, b) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    union = sum(np.prod(np.maximum(box[2:] - box[:2], 0)) for box in (a, b)) - np.prod(sides)
    return float(np.prod(sides) / union) if union > 0 else 0.0


def _clip(boxes_xyxy, input_hw):
    height, width = input_hw
    return np.clip(boxes_xyxy, 0, [width, height, width, height])


def _correlation(a, b) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    if a.std() == 0 or b.std() == 0:
        return float(np.allclose(a, b))
    return float(np.corrcoef(a, b)[0, 1])
