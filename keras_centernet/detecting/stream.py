"""From a source to `Detections`, one by one: threads read and prepare the next images while the network works."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_centernet.camera import calibration_or_default
from keras_centernet.data.counting import warn_counted
from keras_centernet.detecting.ahead import map_ahead
from keras_centernet.detecting.detections import Detections
from keras_centernet.detecting.graphs.compiling import to_arrays
from keras_centernet.detecting.kinds import Item, list_items
from keras_centernet.detecting.thresholds import lowest_scores
from keras_centernet.detecting.tracking import check_tracking, lowest_asked, track_items
from keras_centernet.errors import UserError
from keras_centernet.geometry import clip_to_size, letterbox, to_image_frame, warp
from keras_centernet.limits import COUNT, SHARE

BATCHES_AHEAD = 2  # batches that are read while one is in the network


class Prepared(NamedTuple):
    """An image ready for the network: itself, its camera, the network's input and the transform from image to input."""

    image: np.ndarray
    camera: np.ndarray | None
    input: np.ndarray
    image_to_input: np.ndarray


def detect(
    model,
    detect_batch: Callable,
    source: object,
    calibration: np.ndarray | Sequence[np.ndarray] | None,
    threshold: float | None,
    batch_size: int,
    stream: bool,
    track: bool,
) -> list[Detections] | Iterator[Detections]:
    """Returns the `Detections` of each image of a source: a list, or with `stream` a generator; see `detect_in`.

    Raises:
        UserError: `threshold` or `batch_size` is not a valid number, or the packages that `track` needs are missing.
    """
    if track:
        check_tracking()
    batch_size = COUNT.check("batch_size", batch_size)
    threshold = None if threshold is None else SHARE.check("threshold", threshold)
    found = detect_in(model, detect_batch, source, calibration, threshold, batch_size, track)
    return found if stream else list(found)


def detect_in(
    model,
    detect_batch: Callable,
    source: object,
    calibration: np.ndarray | Sequence[np.ndarray] | None,
    threshold: float | None,
    batch_size: int,
    track: bool = False,
) -> Iterator:
    """Yields the `Detections` of each image of a source, see `CenterNet.detect`.

    Args:
        model: its classes, task, input_size and thresholds are used.
        detect_batch: function of inputs (B, H, W, 3) uint8 -> {name: (B, K, ...)}, positions in input pixels.
        source, calibration, threshold, batch_size, track: see `CenterNet.detect`.
    """
    items = _with_cameras(source, calibration)
    unreadable, count = [], 0
    found = detect_items(model, detect_batch, items, lowest_asked(model, threshold, track), batch_size)
    found = track_items(found, lowest_scores(model, threshold)) if track else found
    with contextlib.closing(found):
        for _, one in found:
            if isinstance(one, UserError):
                unreadable.append(one)
            else:
                count += 1
                yield one
    if unreadable and not count:
        raise unreadable[0]
    warn_counted([str(error) for error in unreadable], "images skipped")


def detect_items(
    model, detect_batch: Callable, items: Iterable[tuple], threshold: float | None, batch_size: int
) -> Iterator[tuple]:
    """Yields (item, its `Detections`) in order; threads read and prepare the next images while the network works.

    Args:
        model, detect_batch, threshold: see `detect_in`.
        items: (`Item`, its camera or None). If one that `is_one_of_many` cannot be read, its UserError is yielded
            in place of `Detections`.
        batch_size: images that go through the network together; live ones go one by one.
    """
    ready = map_ahead(functools.partial(_prepare, model.input_size), items, BATCHES_AHEAD * batch_size)
    with contextlib.closing(_in_batches(ready, batch_size)) as batches:
        for batch in batches:
            readable = [one.input for _, one in batch if isinstance(one, Prepared)]
            outputs = to_arrays(detect_batch(np.stack(readable))) if readable else {}
            row = 0
            for item, one in batch:
                if isinstance(one, UserError):
                    yield item, one
                    continue
                rows = {name: values[row] for name, values in outputs.items()}
                row += 1
                yield item, to_detections(model, rows, one.image, item.path, one.image_to_input, threshold, one.camera)


def _in_batches(ready: Iterator[tuple], batch_size: int) -> Iterator[list[tuple]]:
    """Yields lists with at most `batch_size` images that could be read; a live image ends its list."""
    with contextlib.closing(ready):
        batch, readable = [], 0
        for item, one in ready:
            batch.append((item, one))
            readable += isinstance(one, Prepared)
            if readable in (0, batch_size) or item.is_live:
                yield batch
                batch, readable = [], 0
        if batch:
            yield batch


def _prepare(input_hw: tuple[int, int], pair: tuple[Item, np.ndarray | None]) -> tuple[Item, Prepared | UserError]:
    item, camera = pair
    try:
        image = item.load()
    except UserError as error:
        if item.is_one_of_many:
            return item, error
        raise
    matrix = letterbox(image.shape[:2], input_hw)
    return item, Prepared(image, camera, warp(image, matrix, input_hw), matrix)


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


def to_detections(
    model,
    rows: dict,
    image: np.ndarray,
    path: str | None,
    image_to_input: np.ndarray,
    threshold: float | None,
    calibration: np.ndarray | None = None,
) -> Detections:
    """Returns the detections of one image whose scores reach the threshold, with boxes clipped to the image.

    Boxes without area inside the image are dropped.

    Args:
        model: `CenterNet`.
        rows: what `detect_batch` found in this image, positions in input pixels.
        image: (H, W, 3) uint8.
        path: of the file, or None.
        image_to_input: (2, 3) transform that made the input.
        threshold: lowest score that is kept; None: the model's `thresholds`.
        calibration: see `calibration_or_default`.
    """
    rows = to_image_frame(rows, image_to_input)
    boxes_xyxy, has_area = clip_to_size(rows["boxes_xyxy"].astype(np.float32), image.shape[:2])
    lowest = lowest_scores(model, threshold)[rows["classes"].astype(np.int64)]
    keep = np.flatnonzero((rows["scores"] >= lowest) & has_area)
    keep = keep[np.argsort(-rows["scores"][keep], kind="stable")]  # the last bit of a runtime's sigmoid can swap two
    kept = {key: value[keep] for key, value in rows.items()}
    calibration = calibration_or_default(calibration) if model.task.needs_camera else None
    extras = {name: _in_float32(values) for name, values in model.task.postprocess(kept, calibration).items()}
    if model.task.needs_camera:
        extras["calibration"] = np.broadcast_to(np.float32(calibration), (len(keep), 3, 4))
    indices = kept["classes"].astype(np.int32)
    return Detections(
        boxes_xyxy=boxes_xyxy[keep].astype(np.float32),
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
