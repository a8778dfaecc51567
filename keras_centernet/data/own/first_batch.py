"""Checks that a detector can learn from the user's first batch; each error is one line that names the key."""

import warnings
from collections.abc import Sequence

import numpy as np

from keras_centernet.data.own.box_formats import BOX_FORMATS, is_relative, to_xyxy
from keras_centernet.data.own.labels import BOXES, IMAGES, Labels, is_row, to_array
from keras_centernet.errors import DataWarning, UserError, refuse_path
from keras_centernet.method.specs import Tensor

_LOOKED_AT = 32  # images
_OF_PATHS = "read it, or label the files in a format that load_dataset knows"
_CHANNELS = 3
_LARGEST_VALUE = 255
_SHARE = 0.25  # of boxes that may contradict the format: labels contain mistakes, but a wrong format affects all boxes
_BORDER = 0.1  # share of the image's side by which a box may reach over the border
_FRACTION = 1.5  # largest number that is taken for a fraction


def check_labels(
    labels: Labels, images: Tensor | list | tuple, box_format: str, classes: Sequence[str] | None, where: str
) -> None:
    """Raises unless labels are as `fit` and `load_dataset` need them; warns of keys that nothing reads.

    Args:
        labels: labels of B images.
        images: (B, H, W, 3), or a list of (H, W, 3) of any sizes.
        box_format: the format that the user stated.
        classes: names; None if they are not known yet.
        where: how messages begin, such as "fit".

    Raises:
        UserError: a value is wrong; the message names its key.
    """
    if len(images) != len(labels.classes):
        raise UserError(f"{where}: {BOXES}: expected those of {len(images)} images, got {len(labels.classes)}.")
    check_classes(labels, classes, where)
    sides_wh = np.float32([image.shape[1::-1] for image in images[:_LOOKED_AT]])[:, None]
    check_boxes(labels, sides_wh, box_format, where)
    if labels.unused:
        unused = ", ".join(map(repr, labels.unused))
        warnings.warn(DataWarning(f"{where}: the keys {unused} of the labels are not read."), stacklevel=4)


def check_images(images: Tensor | list | tuple, where: str) -> None:
    """Raises unless all images, an array or a list, are (H, W, 3) and the first ones have values from 0 to 255."""
    images = images if isinstance(images, tuple | list) else to_array(images)
    what, each = f"{where}: {IMAGES}", f"(H, W, {_CHANNELS}) each"
    if not len(images):
        raise UserError(f"{what}: expected at least one, got none.")
    for image in images:
        refuse_path(image, what, each, _OF_PATHS)
        shape = tuple(image.shape)
        if len(shape) != 3 or shape[2] != _CHANNELS:
            advice = "; move the channels to the end." if shape[:1] == (_CHANNELS,) else "."
            raise UserError(f"{what}: expected {each}, got {shape}{advice}")
    images = [to_array(image) for image in images[:_LOOKED_AT]]
    strange = next((image.dtype for image in images if image.dtype.kind not in "uif"), None)
    if strange is not None:
        raise UserError(f"{what}: expected uint8 or float, got {strange}.")
    low, high = (float(pick([pick(image) for image in images])) for pick in (np.min, np.max))
    expected = f"{what}: expected RGB values of 0 to {_LARGEST_VALUE}"
    if low >= 0 and 0 < high <= 1:
        raise UserError(f"{expected}, got {low:g} to {high:g}; multiply by {_LARGEST_VALUE}.")
    if not 0 <= low <= high <= _LARGEST_VALUE:  # also NaN
        raise UserError(f"{expected}, got {low:g} to {high:g}; leave normalisation to the model.")


def check_classes(labels: Labels, classes: Sequence[str] | None, where: str) -> None:
    """Raises unless the classes of all objects are indices into the names."""
    found = labels.classes[is_row(labels)]
    last = int(found.max(initial=0)) if classes is None else len(classes) - 1
    outside = found[(found < 0) | (found > last)]
    if not len(outside):
        return
    advice = "give the model and the data the same classes"
    if found.min() == 1 and found.max() == last + 1:
        advice = "they seem to count from 1: subtract 1 where they are not padding"
    expected = f"expected class indices of 0 to {last}, of {last + 1} classes, or -1 for padding"
    raise UserError(f"{where}: {labels.key}: {expected}, got {outside[np.argmax(np.abs(outside))]}; {advice}.")


def check_boxes(labels: Labels, sides_wh: np.ndarray, box_format: str, where: str) -> None:
    """Raises unless the boxes of the first n images, with sides (n, 1, 2), are written in that format."""
    count = len(sides_wh)
    rows = is_row(labels)[:count]
    boxes, sides_wh = labels.boxes[:count][rows], np.broadcast_to(sides_wh, (*rows.shape, 2))[rows]
    if not len(boxes):
        return
    if not np.all(np.isfinite(boxes)):
        bad = boxes[~np.isfinite(boxes).all(axis=1)]
        raise UserError(f"{where}: {BOXES}: expected finite numbers, got {_show(bad[0])}.")
    at_odds = _at_odds(boxes, sides_wh, box_format)
    if at_odds.mean() <= _SHARE:
        return
    shares = {name: _at_odds(boxes, sides_wh, name).mean() for name in BOX_FORMATS}
    fitting = [repr(name) for name, share in shares.items() if share <= _SHARE and share == min(shares.values())]
    advice = f"they would fit bounding_box_format={' or '.join(fitting)}" if fitting else "no format fits them"
    unit = "fractions" if is_relative(box_format) else "pixels"
    expected = f"expected {box_format} in {unit}, x1 < x2 and y1 < y2, inside the image"
    got = f"{at_odds.sum()} of {len(boxes)} that are not, such as {_show(boxes[np.argmax(at_odds)])}"
    raise UserError(f"{where}: {BOXES}: {expected}, got {got}; {advice}.")


def _at_odds(boxes: np.ndarray, sides_wh: np.ndarray, box_format: str) -> np.ndarray:
    """Returns (n,) bool: boxes that, read in that format, are inverted, far outside the image or in another unit."""
    is_other_unit = np.all(np.abs(boxes) <= _FRACTION, axis=1) != is_relative(box_format)
    corners = to_xyxy(boxes[:, None], box_format, sides_wh[:, None])[:, 0].reshape(-1, 2, 2)
    is_inverted = np.any(corners[:, 1] <= corners[:, 0], axis=1)
    outside = np.maximum(-corners, corners - sides_wh[:, None])
    return is_other_unit | is_inverted | np.any(outside > _BORDER * sides_wh[:, None], axis=(1, 2))


def _show(box: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in box) + "]"
