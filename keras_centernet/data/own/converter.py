"""One of the user's batches -> (images, padded objects) as in the batches of `load_dataset`, all NumPy."""

import contextlib
import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_centernet.data.annotations import has_extent
from keras_centernet.data.counting import WarningCounter
from keras_centernet.data.own.box_formats import to_xyxy
from keras_centernet.data.own.labels import IMAGES, Labels, is_ours, is_row, read_labels, to_array, unpack
from keras_centernet.errors import UserError
from keras_centernet.method.specs import FieldSpec

_WHOLE = np.eye(2, 3, dtype=np.float32)  # the user's images are already the input


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a model expects of batches, and how their boxes are written.

    Attributes:
        where: how messages begin, such as "fit".
        classes: names of the classes.
        box_format: one of `BOX_FORMATS`.
        fields: {key of the labels that the task needs besides boxes and classes: what it holds}.
        input_hw: (height, width) of all images; None: any size.
        rows: M, the number of rows that objects are padded to; if an image has more objects, the largest are kept.
            None: as many rows as the batch has.
    """

    where: str
    classes: tuple[str, ...]
    box_format: str
    fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    input_hw: tuple[int, int] | None = None
    rows: int | None = None


class Converter:
    """A function from the user's batch to one of ours; a batch that is already ours is returned unchanged.

    Objects of unknown classes or without extent are left out and counted. The stricter checks of `first_batch` are for
    the first batch only.

    Attributes:
        problem: the `UserError` that a call raised, or None; kept here because tf.data wraps it in its own error.
    """

    def __init__(self, expected: Expected):
        self.expected, self.problem = expected, None
        where, last = expected.where, len(expected.classes) - 1
        self._outside = WarningCounter(f"object(s) of {where} left out, class is not 0 to {last}")
        self._empty = WarningCounter(f"object(s) of {where} left out, box is empty or inverted")
        many = f"image(s) of {where} with more than {expected.rows} objects, only the largest are kept"
        self._many = WarningCounter(f"{many} (raise max_objects of load_dataset)")

    def __reduce__(self):
        return Converter, (self.expected,)  # counters are not copied to other processes

    def __call__(self, batch) -> tuple:
        """Returns (images as an array, objects) of a batch.

        Raises:
            UserError: this is not a batch, or its images do not have the expected size.
        """
        with self._remember():
            images, labels = unpack(batch, self.expected.where)
            if is_ours(labels):
                return images, labels
            images = self.stack(images)
            return images, self.to_objects(labels, images.shape[1:3])

    def stack(self, images) -> np.ndarray:
        """Returns an array or a list of images as one array (B, H, W, 3), after checking their size."""
        self.check_sizes(images)
        if isinstance(images, tuple | list):
            return np.stack([to_array(image) for image in images])
        return to_array(images)

    def check_sizes(self, images) -> None:
        """Raises unless all images, an array or a list, have the expected size."""
        is_list = isinstance(images, tuple | list)
        self._check_sizes({tuple(image.shape[:2]) for image in images} if is_list else {tuple(images.shape[1:3])})

    def to_objects(self, labels: Mapping, image_hw: tuple[int, int]) -> dict:
        """Returns the padded objects of images of one size, as in `data.pipeline` but without "image_id"."""
        with self._remember():
            self._check_sizes({tuple(int(side) for side in image_hw)})
            return self._pad(read_labels(labels, self.expected.fields, self.expected.where), image_hw)

    @contextlib.contextmanager
    def _remember(self):
        try:
            yield
        except UserError as error:
            self.problem = error
            raise

    def _check_sizes(self, sizes_hw: set) -> None:
        wanted = self.expected.input_hw
        if len(sizes_hw) == 1 and (wanted is None or sizes_hw == {tuple(wanted)}):
            return
        got = ", ".join(f"{height} x {width}" for height, width in sorted(sizes_hw)[:3])
        wanted = f"the model's {wanted[0]} x {wanted[1]} pixels" if wanted else "one size"
        advice = "resize them, or load_dataset((images, labels), classes=...) letterboxes them with their boxes"
        raise UserError(f"{self.expected.where}: {IMAGES}: expected {wanted}, got {got}; {advice}.")

    def _pad(self, labels: Labels, image_hw: tuple[int, int]) -> dict:
        height, width = image_hw
        with np.errstate(invalid="ignore", over="ignore"):  # infinite boxes have no extent
            boxes_xyxy = to_xyxy(labels.boxes, self.expected.box_format, np.float32([[[width, height]]]))
            mask = self._mask(labels, boxes_xyxy)
            areas = np.prod(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], axis=-1)
        fields = self.expected.fields
        of_objects = {"boxes_xyxy": boxes_xyxy, "classes": labels.classes, "mask": mask, "areas": areas}
        of_objects |= {name: values for name, values in labels.fields.items() if not fields[name].of_image}
        order = self._order(mask, areas)
        objects = {key: _take(values, mask, order) for key, values in of_objects.items()}
        return {
            **objects,
            **{name: values for name, values in labels.fields.items() if fields[name].of_image},
            **{name: np.zeros_like(objects["mask"]) for name in ("is_crowd", "is_difficult")},
            "image_hw": np.tile(np.int32([[height, width]]), (len(mask), 1)),
            "image_to_input": np.tile(_WHOLE, (len(mask), 1, 1)),
        }

    def _mask(self, labels: Labels, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Returns (B, M) bool: rows that are objects of a known class whose box has an extent; counts the others."""
        rows = is_row(labels)
        is_known = (labels.classes >= 0) & (labels.classes < len(self.expected.classes))
        is_box = has_extent(boxes_xyxy.reshape(-1, 4)).reshape(rows.shape)
        for counter, bad in ((self._outside, rows & ~is_known), (self._empty, rows & is_known & ~is_box)):
            if np.any(bad):
                image, row = np.argwhere(bad)[0]
                name = f"{labels.key} {labels.classes[image, row]} with box {labels.boxes[image, row].tolist()}"
                counter.add(name, np.count_nonzero(bad))
        return rows & is_known & is_box

    def _order(self, mask: np.ndarray, areas: np.ndarray) -> np.ndarray:
        """Returns (B, rows) indices of the rows that are kept, in their order; -1 is a new padded row."""
        rows, found = self.expected.rows, mask.shape[1]
        if rows is None or found <= rows:
            order = np.broadcast_to(np.arange(found), mask.shape)
            return np.pad(order, [(0, 0), (0, max(0, (rows or 0) - found))], constant_values=-1)
        counts = mask.sum(axis=1)
        if np.any(counts > rows):
            self._many.add(f"one with {counts.max()}", np.count_nonzero(counts > rows))
        return np.sort(np.argsort(np.where(mask, -areas, 0), axis=1, kind="stable")[:, :rows], axis=1)


def _take(values: np.ndarray, mask: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns the rows `order` (B, rows) of values (B, M, ...) as (B, rows, ...), with zeros in rows without object."""
    extra = (1,) * (values.ndim - 2)
    values = np.where(mask.reshape(*mask.shape, *extra), values, np.zeros((), values.dtype))
    padded = np.pad(values, [(0, 0), (0, 1), *[(0, 0)] * len(extra)])  # -1 is the row of zeros at the end
    return np.take_along_axis(padded, order.reshape(*order.shape, *extra), axis=1)
