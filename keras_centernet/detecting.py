"""Pictures of any kind and size -> `Detections` in their original pixels."""

import os
from collections.abc import Iterator

import numpy as np

from keras_centernet.data.images import read_image
from keras_centernet.detections import Detections
from keras_centernet.errors import UserError
from keras_centernet.geometry import invert_affine, letterbox, transform_boxes, warp


def detect_images(model, images, threshold: float, top_k: int, batch_size: int) -> list[Detections]:
    """Returns one `Detections` per image; see `CenterNet.detect`."""
    if batch_size < 1:
        raise UserError(f"batch_size: expected a positive number, got {batch_size}.")
    images = images if isinstance(images, list | tuple) else [images]
    found = []
    for batch in _batched([_load(image) for image in images], batch_size):
        transforms = [letterbox(image.shape[:2], model.input_size) for image, _ in batch]
        inputs = [warp(image, m, model.input_size) for (image, _), m in zip(batch, transforms, strict=True)]
        outputs = {key: np.asarray(value) for key, value in model.detect_batch(np.stack(inputs), top_k).items()}
        for i, (image, path) in enumerate(batch):
            rows = {key: value[i] for key, value in outputs.items()}
            found.append(to_detections(rows, image, path, transforms[i], threshold, model.classes))
    return found


def to_detections(rows: dict, image, path, image_to_input, threshold: float, classes) -> Detections:
    """Returns the detections of one image whose score is at least `threshold`, clipped to the image.

    Args:
        rows: "boxes_xyxy" (K, 4) input pixels, "scores" (K,), "classes" (K,).
        image: (H, W, 3) uint8.
        path: of the file, or None.
        image_to_input: (2, 3) transform that made the input.
        threshold: lowest score that is kept; boxes without area inside the image are dropped too.
        classes: all class names.
    """
    height, width = image.shape[:2]
    boxes_xyxy = transform_boxes(rows["boxes_xyxy"], invert_affine(image_to_input))
    boxes_xyxy = np.clip(boxes_xyxy, 0, [width, height, width, height]).astype(np.float32)
    has_area = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    keep = (rows["scores"] >= threshold) & has_area
    indices = rows["classes"][keep].astype(np.int32)
    return Detections(
        boxes_xyxy=boxes_xyxy[keep],
        scores=rows["scores"][keep].astype(np.float32),
        classes=indices,
        class_names=tuple(classes[i] for i in indices),
        image=image,
        path=path,
    )


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
