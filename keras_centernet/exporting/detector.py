"""An exported file as a detector: images of any kind and size in, `Detections` out, as `model.detect` gives them."""

from collections.abc import Callable, Mapping

import numpy as np

from keras_centernet.detecting.stream import detect
from keras_centernet.detecting.thresholds import check_thresholds
from keras_centernet.errors import UserError
from keras_centernet.exporting.facts import check_runnable
from keras_centernet.files.paths import AnyPath
from keras_centernet.tasks.table import TASKS, find_task

NEEDED = ("boxes_xyxy", "scores", "classes")


class ExportedDetector:
    """Detects with a file that `model.export` wrote, in its runtime; `load_detector` opens one.

    Args:
        name: of the file, for messages.
        facts: what the file says about itself, see `facts.describe`.
        run: function of inputs (B, H, W, 3) uint8 RGB -> {name: (B, K, ...) array} as of `CenterNet.detect_batch`.

    Attributes:
        task: `Task` that the file was made for.
        classes: names of the classes.
        input_size: (H, W) that images are letterboxed to.
        thresholds: {class name: lowest score that `detect` keeps}, those of the model; 0.3 for others.

    Raises:
        UserError: the file does not say what it is, or has a task that is not in the table.

    Examples:
        >>> load_detector("detector.tflite").detect("street.jpg")  # doctest: +SKIP
        [Detections(street.jpg: 2 person, 1 car)]
    """

    def __init__(self, name: AnyPath | str, facts: Mapping, run: Callable):
        facts = check_runnable(facts, name)
        self._name, self._run = str(name), run
        if facts["task"] not in TASKS:
            advice = "Import the module that adds its row to TASKS (--import MODULE)"
            raise UserError(f"{name}: expected one of the tasks {', '.join(TASKS)}, got {facts['task']!r}. {advice}.")
        try:
            self.task = find_task(facts["task"], facts["classes"], options=facts.get("task_options"))
            self.thresholds = check_thresholds(facts.get("thresholds"))
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        self.classes = self.task.classes
        self.input_size = tuple(facts["input_hw"])

    def detect(self, source, calibration=None, threshold=None, batch_size=8, stream=False, track=False):
        """Returns what `CenterNet.detect` returns; the file fixes how many detections an image can have.

        Args:
            source, calibration, threshold, stream, track: see `CenterNet.detect`.
            batch_size: number of images that are read at a time; a runtime that takes one image runs them one by one.
        """
        return detect(self, self.detect_batch, source, calibration, threshold, batch_size, stream, track)

    def detect_batch(self, images, top_k: int | None = None) -> dict:
        """Returns what `CenterNet.detect_batch` returns of (B, H, W, 3) RGB in 0..255, as arrays.

        Args:
            images: of the input's size.
            top_k: number of the file's best detections that are returned; None: all.

        Raises:
            UserError: images of another size, or outputs of the file that are not detections of its classes.
        """
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != (*self.input_size, 3):
            height, width = self.input_size
            problem = f"of shape (B, {height}, {width}, 3), as its input has one size; got {images.shape}"
            raise UserError(f"{self._name}: expected images {problem}.")
        found = self._run(images.astype(np.uint8, copy=False))
        if missing := [name for name in NEEDED if name not in found]:
            raise UserError(f"{self._name}: expected the outputs {', '.join(NEEDED)}, {missing[0]} is missing.")
        found = {name: np.asarray(values)[:, :top_k] for name, values in found.items()}
        classes = found["classes"]
        if classes.size and not 0 <= classes.min() <= classes.max() < len(self.classes):
            problem = f"got numbers from {classes.min()} to {classes.max()}"
            raise UserError(f"{self._name}: expected classes below {len(self.classes)}, {problem}; export it anew.")
        return found
