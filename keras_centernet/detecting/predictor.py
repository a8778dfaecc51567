"""Images of any kind and size -> `Detections`, by compiled graphs of a model that are traced once and kept."""

import os

import keras
import numpy as np
from keras import ops

from keras_centernet.camera import calibration_or_default
from keras_centernet.compiling import compile_function, to_arrays
from keras_centernet.data.images import read_image
from keras_centernet.detecting.detections import Detections
from keras_centernet.errors import UserError
from keras_centernet.geometry import STRIDE, letterbox, to_image_frame, to_input_frame, warp
from keras_centernet.limits import COUNT, SHARE
from keras_centernet.method.decode import decode
from keras_centernet.method.flip_test import average_mirrored, with_mirrored
from keras_centernet.method.specs import Tensor

# Input shapes that get a graph of their own, in which every size is known. Images at their own resolution have a
# hundred shapes; compiling each would take longer than running it.
COMPILED_SHAPES = 8


class Predictor:
    """Detects with a model: network and decoding are graphs that are traced once and kept.

    The first `COMPILED_SHAPES` shapes of a batch have graphs of their own; any further shape runs in one graph of open
    sizes, a little slower and with the same result, and is decoded op by op.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._shapes, self._graphs = set(), {}

    @property
    def graphs(self) -> dict:
        """The graphs so far by what they compute, for whom and of which shapes."""
        return dict(self._graphs)

    def detect(self, images, calibration=None, threshold: float = 0.3, top_k: int = 100, batch_size: int = 8) -> list:
        """Returns one `Detections` per image; see `CenterNet.detect`."""
        batch_size, top_k = COUNT.check("batch_size", batch_size), COUNT.check("top_k", top_k)
        threshold = SHARE.check("threshold", threshold)
        images = images if isinstance(images, list | tuple) else [images]
        calibrations = _one_each(calibration, len(images))
        input_hw, found = self._model.input_size, []
        loaded = list(zip(map(_load, images), calibrations, strict=True))
        for start in range(0, len(loaded), batch_size):
            batch = loaded[start : start + batch_size]
            transforms = [letterbox(image.shape[:2], input_hw) for (image, _), _ in batch]
            inputs = [warp(image, m, input_hw) for ((image, _), _), m in zip(batch, transforms, strict=True)]
            outputs = to_arrays(self.detect_batch(np.stack(inputs), top_k))
            for i, ((image, path), camera) in enumerate(batch):
                rows = {key: value[i] for key, value in outputs.items()}
                found.append(to_detections(self._model, rows, image, path, transforms[i], threshold, camera))
        return found

    def detect_batch(self, images, top_k: int = 100, flip: bool = False) -> dict:
        """Returns the decoded detections of inputs; see `CenterNet.detect_batch`."""
        return self.decoded(self.maps(images, flip), COUNT.check("top_k", top_k))

    def maps(self, images: Tensor, flip: bool = False) -> dict:
        """Returns the head maps of a batch, (B, Hf, Wf, channels) by name; see `CenterNet.detect_batch`.

        Raises:
            UserError: `flip` for a task where it makes no sense.
        """
        if flip and not self._model.task.flip_and_scale:
            raise UserError(f"flip: expected False for task {self._model.task.name}, which has no flip test; got True.")
        images = ops.convert_to_tensor(images if keras.ops.is_tensor(images) else np.asarray(images))
        shape = tuple(images.shape)
        if len(self._shapes) < COMPILED_SHAPES:
            self._shapes.add(shape)
        if shape not in self._shapes:
            shape = (None, None, None, 3)
        key = ("maps", shape, keras.backend.standardize_dtype(images.dtype), flip)

        def to_maps(images):
            model = self._model
            if flip:
                return average_mirrored(model.task, model(with_mirrored(images), training=False))
            return model(images, training=False)

        return self._kept(key, to_maps, shape, images.dtype)(images)

    def decoded(self, maps: dict, top_k: int) -> dict:
        """Returns the K best detections that the maps hold, positions in input pixels; see `decode`."""

        def decode_maps(maps):
            return to_input_frame(decode(self._model.task, maps, top_k))

        batch, height, width, _ = maps[self._model.task.center_heatmap.name].shape
        if (batch, height * STRIDE, width * STRIDE, 3) not in self._shapes:
            return decode_maps(maps)
        return self._kept(("decoded", batch, height, width, top_k), decode_maps)(maps)

    def _kept(self, key: tuple, function, shape: tuple | None = None, dtype=None):
        """Returns the graph of that key, made of the function where it is the first time."""
        if key not in self._graphs:
            self._graphs[key] = compile_function(self._model, function, shape, dtype)
        return self._graphs[key]


def to_detections(model, rows: dict, image, path, image_to_input, threshold: float, calibration=None) -> Detections:
    """Returns the detections of one image whose score is at least `threshold`, boxes clipped to the image.

    Boxes without area inside the image are dropped too.

    Args:
        model: `CenterNet`.
        rows: what `detect_batch` found in this image, positions in input pixels.
        image: (H, W, 3) uint8.
        path: of the file, or None.
        image_to_input: (2, 3) transform that made the input.
        threshold: lowest score that is kept.
        calibration: see `calibration_or_default`.
    """
    height, width = image.shape[:2]
    rows = to_image_frame(rows, image_to_input)
    boxes_xyxy = np.clip(rows["boxes_xyxy"], 0, [width, height, width, height]).astype(np.float32)
    has_area = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    keep = (rows["scores"] >= threshold) & has_area
    kept = {key: value[keep] for key, value in rows.items()}
    calibration = calibration_or_default(calibration) if model.task.needs_camera else None
    extras = {name: _in_float32(values) for name, values in model.task.postprocess(kept, calibration).items()}
    if model.task.needs_camera:
        extras["calibration"] = np.broadcast_to(np.float32(calibration), (keep.sum(), 3, 4))
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
