"""Pictures of any kind and size -> `Detections` in their original pixels."""

import os
from collections.abc import Iterator

import numpy as np

from keras_centernet.data.images import read_image
from keras_centernet.detections import Detections
from keras_centernet.errors import UserError
from keras_centernet.geometry import letterbox, to_image_frame, warp


def detect_images(model, images, threshold: float, top_k: int, batch_size: int, calibration=None) -> list[Detections]:
    """Returns one `Detections` per image; see `CenterNet.detect`."""
    if batch_size < 1:
        raise UserError(f"batch_size: expected a positive number, got {batch_size}.")
    images = images if isinstance(images, list | tuple) else [images]
    calibrations = _one_each(calibration, len(images))
    found = []
    for batch in _batched(list(zip(map(_load, images), calibrations, strict=True)), batch_size):
        transforms = [letterbox(image.shape[:2], model.input_size) for (image, _), _ in batch]
        inputs = [warp(image, m, model.input_size) for ((image, _), _), m in zip(batch, transforms, strict=True)]
        outputs = {key: np.asarray(value) for key, value in model.detect_batch(np.stack(inputs), top_k).items()}
        for i, ((image, path), camera) in enumerate(batch):
            rows = {key: value[i] for key, value in outputs.items()}
            found.append(to_detections(model, rows, image, path, transforms[i], threshold, camera))
    return found


def to_detections(model, rows: dict, image, path, image_to_input, threshold: float, calibration=None) -> Detections:
    """Returns the detections of one image whose score is at least `threshold`, boxes clipped to the image.

    Args:
        model: `CenterNet`.
        rows: what `detect_batch` found in this image, places in input pixels.
        image: (H, W, 3) uint8.
        path: of the file, or None.
        image_to_input: (2, 3) transform that made the input.
        threshold: lowest score that is kept; boxes without area inside the image are dropped too.
        calibration: of the camera, for tasks that need one.
    """
    height, width = image.shape[:2]
    rows = to_image_frame(rows, image_to_input)
    boxes_xyxy = np.clip(rows["boxes_xyxy"], 0, [width, height, width, height]).astype(np.float32)
    has_area = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    keep = (rows["scores"] >= threshold) & has_area
    kept = {key: value[keep] for key, value in rows.items()}
    indices = kept["classes"].astype(np.int32)
    return Detections(
        boxes_xyxy=boxes_xyxy[keep],
        scores=kept["scores"].astype(np.float32),
        classes=indices,
        class_names=tuple(model.classes[i] for i in indices),
        image=image,
        path=path,
        extras=model.task.finish(kept, calibration),
        paint=model.task.paint,
    )


def _one_each(calibration, count: int) -> list:
    """Returns a calibration per image from None, one for all, or one each."""
    if calibration is None or np.ndim(calibration) == 2:
        return [calibration] * count
    if len(calibration) != count:
        raise UserError(f"calibration: expected one matrix, or one per image ({count}), got {len(calibration)}.")
    return list(calibration)


def _load(image) -> tuple[np.ndarray, str | None]:
    if isinstance(image, str | os.PathLike):
        return read_image(image), os.fspath(image)
    array = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=-1)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise UserError(
            "detect: expected a path, a PIL image or a (H, W, 3) uint8 RGB array, got "
            f"{type(image).__name__} of shape {array.shape} and dtype {array.dtype}."
        )
    return array, None


def _batched(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
