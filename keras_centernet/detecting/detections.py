"""The detections of one image, validated, in its original pixels: what a user gets."""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from keras_centernet.detecting import conversions
from keras_centernet.detecting.selecting import in_classes, in_region
from keras_centernet.detecting.viewing import encode_png, show_image
from keras_centernet.drawing import check_rgb, paint_boxes, write_image
from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_text


@dataclass(eq=False, repr=False)
class Detections:
    """The objects that were found in one image, best first; there may be none.

    Indexing (`found[0]`, `found[:5]`, `found[found.scores > 0.5]`) and iterating give `Detections`
    again, sorted by score whatever the order of the indices.

    Attributes:
        boxes_xyxy: (N, 4) float32, original image pixels.
        scores: (N,) float32, descending.
        classes: (N,) int32, index of the class.
        class_names: N names, one per detection.
        image: (H, W, 3) uint8 RGB, where they were found; None if it was not kept.
        path: file that the image came from, or None.
        extras: {name: (N, ...) array} of what a task adds to a box, such as `keypoints_xy` (N, K, 2) in pixels or
            `locations` (N, 3) in metres; see the task's `postprocess`. Indexing selects their rows with the boxes,
            `to_json` writes them, and each can be read as an attribute: `found.keypoints_xy`.
        paint: function (image, detections, **options) -> drawing; None: `drawing.paint_boxes`.

    Raises:
        UserError: a shape, a length or a value contradicts the above.

    Examples:
        >>> found = Detections([[10, 20, 50, 80]], [0.9], [2], ["car"], path="street.jpg")
        >>> found
        Detections(street.jpg: 1 car)
        >>> found.filter(0.95)
        Detections(street.jpg: nothing)
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    class_names: Sequence[str]
    image: np.ndarray | None = None
    path: str | None = None
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    paint: Callable | None = None

    def __post_init__(self):
        self.boxes_xyxy = _as_array("boxes_xyxy", self.boxes_xyxy, np.float32, (4,))
        count = len(self.boxes_xyxy)
        self.scores = _as_array("scores", self.scores, np.float32, (), count)
        self.classes = _as_array("classes", self.classes, np.int32, (), count)
        self.class_names = tuple(str(name) for name in self.class_names)
        self.extras = {name: np.asarray(rows) for name, rows in self.extras.items()}
        for name, rows in {"class_names": self.class_names, **self.extras}.items():
            if len(rows) != count:
                raise UserError(f"Detections: {name} needs one row per box, {count}; got {len(rows)}.")
        if np.any(np.diff(self.scores) > 0):
            raise UserError("Detections: scores must descend, best first; sort the rows first.")
        if self.image is not None:
            check_rgb(self.image, "Detections")

    def __getattr__(self, name: str) -> np.ndarray:
        extras = self.__dict__.get("extras", {})
        if name not in extras:
            raise AttributeError(f"Detections have no {name!r}; this task adds {', '.join(extras) or 'nothing'}.")
        return extras[name]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index) -> "Detections":
        rows = np.sort(np.atleast_1d(np.arange(len(self))[index]))
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[rows],
            scores=self.scores[rows],
            classes=self.classes[rows],
            class_names=tuple(self.class_names[i] for i in rows),
            extras={name: values[rows] for name, values in self.extras.items()},
        )

    def __repr__(self) -> str:
        ranked = sorted(Counter(self.class_names).items(), key=lambda item: (-item[1], item[0]))
        counts = ", ".join(f"{count} {name}" for name, count in ranked) or "nothing"
        source = f"{os.path.basename(self.path)}: " if self.path else ""
        return f"Detections({source}{counts})"

    def _repr_png_(self) -> bytes | None:
        """Returns the drawing as a PNG file for a notebook to show; None without an image."""
        return None if self.image is None else encode_png(self.draw())

    def show(self, **options) -> None:
        """Shows the drawing in a notebook, or else in a window until that is closed; `options` are those of `draw`.

        Raises:
            UserError: there is no image to draw on, or neither a notebook nor a display.
        """
        show_image(self.draw(**options), repr(self))

    def filter(self, min_score: float = 0.0, classes=None, region=None) -> "Detections":
        """Returns the detections that meet all of the conditions.

        Args:
            min_score: lowest score that is kept.
            classes: name or index of a class, or several of them; None: all.
            region: (x1, y1, x2, y2), or three or more corners (x, y) of a polygon, in original image pixels, that the
                centre of a kept box lies in; None: everywhere.

        Raises:
            UserError: `region` or `classes` has another form.
        """
        kept = self.scores >= min_score
        kept &= True if classes is None else in_classes(self, classes)
        kept &= True if region is None else in_region(self, region)
        return self[kept]

    def draw(self, path: str | os.PathLike | None = None, **options) -> np.ndarray:
        """Returns a copy (H, W, 3) uint8 RGB of the image with the detections drawn on it, and writes it to `path`.

        Args:
            path: .jpg, .jpeg or .png file to write, or None.
            **options: those of the task's `paint`, such as line_width in pixels, font_scale (boxes) or birds_eye=True
                (3D boxes, which are then also shown from above, beside the image).

        Raises:
            UserError: there is no image to draw on, or the file cannot be written.
        """
        if self.image is None:
            raise UserError("draw: expected detections with their image, got image=None; set `.image` first.")
        canvas = (self.paint or paint_boxes)(self.image, self, **options)
        if path is not None:
            write_image(canvas, path)
        return canvas

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Returns the detections as JSON text, and writes it to `path`.

        The text is one object::

            {"path": "street.jpg" or null,
             "image_size": {"width": 640, "height": 480} or null,
             "detections": [{"box_xyxy": [x1, y1, x2, y2],   original image pixels
                             "score": 0.93, "class_index": 2, "class_name": "car",
                             and one key per entry of `extras`}]}

        Args:
            path: file to write, or None.

        Raises:
            UserError: the file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2)
        if path is not None:
            write_text(path, text + "\n")
        return text

    def to_dict(self) -> dict:
        """Returns the object that `to_json` writes, as plain Python values."""
        return conversions.to_dict(self)

    def to_coco(self, image_id: int | str, category_ids: Sequence[int | str] | None = None) -> list[dict]:
        """Returns {"image_id", "category_id", "bbox": [x, y, width, height], "score"} per detection, for COCO's files.

        Args:
            image_id: the image's id in the data set.
            category_ids: COCO's id of each class, by class index; None: class index + 1.
        """
        boxes_xyxy = self.boxes_xyxy.astype(np.float64)
        return conversions.coco_rows(image_id, boxes_xyxy, self.scores, self.classes, category_ids)

    def to_pandas(self):
        """Returns a `pandas.DataFrame` of path, x1, y1, x2, y2, score, class_index, class_name and the extras.

        Needs the extra [pandas]; a UserError says so if it is missing.
        """
        return conversions.to_pandas(self)

    def to_supervision(self):
        """Returns a `supervision.Detections`: boxes, scores, classes, "class_name" and the extras in `data`.

        `track_ids`, if present, become its `tracker_id`. Needs the extra [track]; a UserError says so if it is missing.
        """
        return conversions.to_supervision(self)

    def save_txt(self, path: str | os.PathLike) -> None:
        """Writes a line "class cx cy width height score" per detection in YOLO's format: fractions of the image's size.

        Raises:
            UserError: the image was not kept (its size is needed), or the file cannot be written.
        """
        conversions.save_yolo(self, path)

    def crops(self) -> list[np.ndarray]:
        """Returns for each box a copy (h, w, 3) uint8 RGB of the image inside it: whole pixels, at least one.

        Raises:
            UserError: the image was not kept.
        """
        return conversions.crop(self)


def _as_array(name: str, values, dtype, row_shape: tuple, count: int | None = None) -> np.ndarray:
    array = np.asarray(values, dtype)
    if array.size == 0 and array.ndim <= 1:
        array = array.reshape(0, *row_shape)
    expected = f"({'N' if count is None else count},{' 4' if row_shape else ''})"
    if array.ndim != 1 + len(row_shape) or array.shape[1:] != row_shape or count not in (None, len(array)):
        raise UserError(f"Detections: {name} must have shape {expected}, got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise UserError(f"Detections: {name} must be finite, got {np.sum(~np.isfinite(array))} numbers that are not.")
    return array
