"""From a source to `Detections`, one by one: reading and preparing go on in threads while the network works."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from keras_centernet.camera import calibration_or_default
from keras_centernet.compiling import to_arrays
from keras_centernet.data.counting import warn_counted
from keras_centernet.detecting.ahead import map_ahead
from keras_centernet.detecting.detections import Detections
from keras_centernet.detecting.kinds import Item, list_items
from keras_centernet.detecting.thresholds import lowest_scores
from keras_centernet.errors import UserError
from keras_centernet.geometry import letterbox, to_image_frame, warp

BATCHES_AHEAD = 2  # that are read while one is in the network


@dataclasses.dataclass(eq=False)
class Prepared:
    """An image that is ready for the network: itself, where it is from, its input and the transform to that."""

    image: np.ndarray
    path: str | None
    camera: np.ndarray | None
    is_live: bool
    input: np.ndarray
    image_to_input: np.ndarray


def detect_in(model, detect_batch: Callable, source, calibration, threshold: float, batch_size: int) -> Iterator:
    """Yields the `Detections` of each image of a source, see `CenterNet.detect`.

    Args:
        model: its classes, task and input_size count.
        detect_batch: function of inputs (B, H, W, 3) uint8 -> {name: (B, K, ...)}, positions in input pixels.
        source, calibration, threshold, batch_size: see `CenterNet.detect`.
    """
    with contextlib.closing(prepared_images(source, calibration, model.input_size, batch_size)) as batches:
        for batch in batches:
            outputs = to_arrays(detect_batch(np.stack([one.input for one in batch])))
            for i, one in enumerate(batch):
                rows = {name: values[i] for name, values in outputs.items()}
                yield to_detections(model, rows, one.image, one.path, one.image_to_input, threshold, one.camera)


def prepared_images(source, calibration, input_hw: tuple[int, int], batch_size: int) -> Iterator[list[Prepared]]:
    """Yields batches of at most `batch_size` images of a source, which are read ahead.

    Those of a folder or glob that cannot be read are left out and counted in a `DataWarning`, unless nothing else came.

    Args:
        source: see `CenterNet.detect`.
        calibration: None, one for all, or one per entry of a list.
        input_hw: (H, W) of the network.
        batch_size: images in a batch; live ones come one by one.
    """
    items = _with_cameras(source, calibration)
    ready = map_ahead(functools.partial(_prepare, input_hw), items, BATCHES_AHEAD * batch_size)
    unreadable, count, batch = [], 0, []
    with contextlib.closing(ready):
        for one in ready:
            if isinstance(one, UserError):
                unreadable.append(one)
                continue
            batch.append(one)
            count += 1
            if len(batch) == batch_size or one.is_live:
                yield batch
                batch = []
        if batch:
            yield batch
    if unreadable and not count:
        raise unreadable[0]
    warn_counted([str(error) for error in unreadable], "images skipped")


def _prepare(input_hw: tuple[int, int], pair: tuple[Item, np.ndarray | None]) -> Prepared | UserError:
    item, camera = pair
    try:
        image = item.load()
    except UserError as error:
        if item.is_one_of_many:
            return error
        raise
    matrix = letterbox(image.shape[:2], input_hw)
    return Prepared(image, item.path, camera, item.is_live, warp(image, matrix, input_hw), matrix)


def _with_cameras(source, calibration) -> Iterator[tuple[Item, np.ndarray | None]]:
    if calibration is None or np.ndim(calibration) == 2:
        return ((item, calibration) for item in list_items(source))
    is_batch = isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4
    entries = source if is_batch else [source]
    if len(calibration) != len(entries):
        count = f"one per image ({len(entries)})"
        raise UserError(f"calibration: expected one matrix, or {count}, got {len(calibration)}.")
    pairs = zip(entries, calibration, strict=True)
    return ((item, camera) for entry, camera in pairs for item in list_items(entry))


def to_detections(model, rows: dict, image, path, image_to_input, threshold, calibration=None) -> Detections:
    """Returns the detections of one image whose scores suffice, boxes clipped to the image.

    Boxes without area inside the image are dropped too.

    Args:
        model: `CenterNet`.
        rows: what `detect_batch` found in this image, positions in input pixels.
        image: (H, W, 3) uint8.
        path: of the file, or None.
        image_to_input: (2, 3) transform that made the input.
        threshold: lowest score that is kept; None: those of the model.
        calibration: see `calibration_or_default`.
    """
    height, width = image.shape[:2]
    rows = to_image_frame(rows, image_to_input)
    boxes_xyxy = np.clip(rows["boxes_xyxy"], 0, [width, height, width, height]).astype(np.float32)
    has_area = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    lowest = lowest_scores(model, threshold)[rows["classes"].astype(np.int64)]
    keep = np.flatnonzero((rows["scores"] >= lowest) & has_area)
    keep = keep[np.argsort(-rows["scores"][keep], kind="stable")]  # a runtime's sigmoid may swap two by their last bit
    kept = {key: value[keep] for key, value in rows.items()}
    calibration = calibration_or_default(calibration) if model.task.needs_camera else None
    extras = {name: _in_float32(values) for name, values in model.task.postprocess(kept, calibration).items()}
    if model.task.needs_camera:
        extras["calibration"] = np.broadcast_to(np.float32(calibration), (len(keep), 3, 4))
    indices = kept["classes"].astype(np.int32)
    return Detections(
        boxes_xyxy=boxes_xyxy[keep],
        scores=kept["scores"].astype(np.float32),
        classes=indices,
        class_names=tuple(model.classes[i] for i in indices),
        image=image,
        path=path,
        extras=extras,
        paint=model.task.paint,
    )


def _in_float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.kind == "f" else values
