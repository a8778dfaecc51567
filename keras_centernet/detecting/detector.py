"""The methods of a model that detect objects; they differ in their input and in the form of their result."""

import functools
import types

from keras import ops

from keras_centernet.detecting.thresholds import USUAL_THRESHOLD, check_thresholds
from keras_centernet.errors import refuse_path
from keras_centernet.geometry import STRIDE, to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import Task

PREDICTED = 100  # rows of `predict`
PREDICT_THRESHOLD = USUAL_THRESHOLD
NO_ROW = -1  # what Keras' detectors put into unused rows
# What Keras calls it -> our name.
KERAS_NAMES = {"boxes": "boxes_xyxy", "labels": "classes", "confidence": "scores"}


class Detector:
    """Mixin that adds detection to a Keras model with `task`, `classes` and `input_size` that outputs raw head maps."""

    @functools.cached_property
    def predictor(self):
        """The `Predictor` that detects with this model."""
        from keras_centernet.detecting.predictor import Predictor

        return Predictor(self)

    @property
    def thresholds(self) -> dict[str, float]:
        """{class name: lowest score that `detect` keeps}, saved with the model; 0.3 for classes without an entry.

        `train` sets each to the score of the best F1 on the validation split; `model.thresholds = {...}` replaces them.
        """
        kept = self.__dict__.get("_thresholds")
        return dict(kept.by_class) if kept else {}

    @thresholds.setter
    def thresholds(self, thresholds):
        # Not stored as a dict: Keras would look for layers in it.
        self.__dict__["_thresholds"] = types.SimpleNamespace(by_class=check_thresholds(thresholds))

    def detect(self, source, calibration=None, threshold=None, top_k=100, batch_size=8, stream=False, track=False):
        """Returns one `Detections` per image, in its original pixels: a list, or with `stream` a generator of them.

        Threads read the next images while the network works. A generator keeps only a few batches in memory.

        Args:
            source: a path, folder or glob of images and videos; an address (http, https, rtsp); the number of a webcam;
                a (H, W, 3) or (H, W) uint8 RGB array, tensor or PIL image of any size; a batch (B, H, W, 3); or a list,
                generator or other iterable of all these.
            calibration: for 3D: (3, 4) projection or (3, 3) intrinsics of the camera, or a list with one for
                each entry of `source`.
            threshold: lowest score that is kept; None: the model's `thresholds`, one for each class.
            top_k: how many peaks are read from the heatmap.
            batch_size: how many images go through the network together; those of cameras go one by one.
            stream: whether to return a generator, which cameras need because they never end.
            track: whether objects are tracked over the frames of each video, or over the images in order. `track_ids`
                holds the number of each object from its second appearance on, and -1 before. Needs the extra [track].

        Examples:
            >>> import numpy as np
            >>> from keras_centernet import CenterNet
            >>> model = CenterNet("mobilenet_v2", num_classes=2, input_size=64)
            >>> len(model.detect([np.zeros((40, 60, 3), "uint8")], threshold=0.99)[0])
            0
        """
        return self.predictor.detect(source, calibration, threshold, top_k, batch_size, stream, track)

    def detect_batch(self, images, top_k: int = 100, flip: bool = False) -> dict:
        """Returns the decoded detections of images that already have the input's size, by compiled graphs.

        Args:
            images: (B, H, W, 3) uint8 or float RGB in 0..255.
            top_k: K.
            flip: whether the maps are averaged with those of the mirrored images, which adds one to two points
                of AP and doubles the cost.

        Returns:
            "boxes_xyxy" (B, K, 4) in input pixels, "scores" (B, K), "classes" (B, K) and what else the
            task decodes, as tensors.
        """
        return self.predictor.detect_batch(images, top_k, flip)

    def decoded(self, images, top_k: int = 100) -> dict:
        """Returns the detections of a batch, positions in input pixels, by operations that are not compiled here."""
        return to_input_frame(decode(self.task, self(images, training=False), top_k))

    def predict_step(self, *state_and_data):
        """Returns what `predict` returns for one batch; on JAX, as in Keras, together with the state."""
        found = super().predict_step(*state_and_data)
        if isinstance(found, tuple):
            return predicted(self.task, found[0]), *found[1:]
        return predicted(self.task, found)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None) -> dict:
        """Returns decoded detections in arrays of fixed shapes, as Keras' own detectors do.

        Args:
            x: images (B, H, W, 3) of the input's size, RGB in 0..255, or batches of them, in any form that
                `keras.Model.predict` takes.
            batch_size, verbose, steps, callbacks: of `keras.Model.predict`.

        Returns:
            {"boxes": (B, 100, 4) float32 x1, y1, x2, y2 in input pixels, within the image,
             "labels": (B, 100) int32 class indices,
             "confidence": (B, 100) float32, best first,
             "num_detections": (B,) int32, how many rows have a score of at least 0.3; all further ones hold -1}
            and, as (B, 100, ...), what else the task decodes. `model(images)` gives the raw maps.

        Raises:
            UserError: x is a path, which is for `detect`.
        """
        expected = "images (B, H, W, 3) of the input's size, or batches of them"
        refuse_path(x, "predict", expected, "detect takes paths and images of any size")
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)


def predicted(task: Task, maps: dict) -> dict:
    """Returns the dict of `Detector.predict` as tensors, from the head maps of a batch."""
    found = to_input_frame(decode(task, maps, PREDICTED))
    height, width = (STRIDE * side for side in maps[task.center_heatmap.name].shape[1:3])
    found["boxes_xyxy"] = ops.clip(found["boxes_xyxy"], 0.0, ops.cast([width, height, width, height], "float32"))
    found["classes"] = ops.cast(found["classes"], "int32")
    is_found = found["scores"] >= PREDICT_THRESHOLD
    ours = {name: theirs for theirs, name in KERAS_NAMES.items()}
    rows = {ours.get(name, name): _filled(values, is_found) for name, values in found.items()}
    return rows | {"num_detections": ops.sum(ops.cast(is_found, "int32"), axis=1)}


def _filled(values, is_found):
    """Returns (B, K, ...) values with `NO_ROW` where nothing was found."""
    shape = (-1, is_found.shape[1], *[1] * (len(values.shape) - 2))
    return ops.where(ops.reshape(is_found, shape), values, ops.cast(NO_ROW, values.dtype))
