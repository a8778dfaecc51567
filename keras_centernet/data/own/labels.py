"""The user's labels of images -> arrays of padded rows, all NumPy.

Labels are a dict, or a list of one such dict per image:

| key | content |
|---|---|
| boxes | (B, M, 4) numbers in the given `bounding_box_format` |
| labels, or classes | (B, M) class indices |
| a field of the task, such as keypoints_xyv | (B, M, ...) as in `data.source`, positions in image pixels |

Arrays are padded with -1, or with rows of zeros as by `padded_batch`; lists of arrays and RaggedTensors can be ragged.
The dict can be the value of "bounding_boxes" in another dict, as in Keras' own layers.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_centernet.errors import UserError, refuse_path
from keras_centernet.method.specs import FieldSpec

PADDING = -1
_FAR = 2**31 - 1  # largest int32
IMAGES, BOXES, LABELS = "images", "boxes", ("labels", "classes")
_NESTED = "bounding_boxes"
_OURS = ("boxes_xyxy", "center_index")  # padded objects as `load_dataset` yields them, or targets
_KEYS = f'{{"{BOXES}", "{LABELS[0]}"}}'
_OF_LABELS = "labels are indices into the class names, from 0 on"


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labels of B images.

    Attributes:
        boxes: (B, M, 4) float32, in the user's format.
        classes: (B, M) int32; padded rows are -1.
        fields: {name: (B, M, ...), or (B, ...) for a field of the image}.
        key: the user's key of the classes, "labels" or "classes".
        unused: keys that nothing reads.
    """

    boxes: np.ndarray
    classes: np.ndarray
    fields: dict[str, np.ndarray]
    key: str
    unused: tuple[str, ...] = ()


def is_ours(labels: object) -> bool:
    """Returns whether labels are already ours: padded objects, or targets."""
    return isinstance(labels, Mapping) and any(key in labels for key in _OURS)


def check_not_path(data: object, where: str) -> None:
    """Raises a UserError if the data are a path; the message says which call makes batches of it."""
    split = "" if where == "fit" else ', "val"'
    advice = f"pass keras_centernet.load_dataset({{path}}{split})"
    refuse_path(data, where, f"(images, {_KEYS}) or batches of them", advice)


def unpack(batch: object, where: str) -> tuple:
    """Returns (images, labels) of an element of a data set; labels are a dict of tensors, arrays or lists.

    Raises:
        UserError: there are no images or no labels; the message begins with `where`, such as "fit".
    """
    images, labels = batch, None
    if isinstance(batch, Mapping):
        images, labels = batch.get(IMAGES), {key: value for key, value in batch.items() if key != IMAGES}
    elif isinstance(batch, tuple | list) and len(batch) >= 2:
        images, labels = batch[0], batch[1]
        if any(part is not None for part in batch[2:]):
            raise UserError(f"{where}: expected (images, labels), got {len(batch)} parts; remove the sample weights.")
    if isinstance(labels, tuple | list) and labels and all(isinstance(one, Mapping) for one in labels):
        labels = {key: [one.get(key) for one in labels] for key in labels[0]}
    if isinstance(labels, Mapping) and isinstance(labels.get(_NESTED), Mapping):
        labels = labels[_NESTED]
    if images is None or isinstance(images, Mapping) or not isinstance(labels, Mapping):
        raise UserError(f"{where}: expected (images, {_KEYS}), got {show(batch)}.")
    return images, labels


def keys_of(labels: Mapping, fields: Mapping[str, FieldSpec], where: str) -> tuple[str, ...]:
    """Returns the keys that are read: those of the boxes, the classes and the task's fields.

    Raises:
        UserError: a key is missing.
    """
    label_key = next((key for key in LABELS if key in labels), LABELS[0])
    keys = (BOXES, label_key, *fields)
    missing = [key for key in keys if labels.get(key) is None]
    if missing:
        received = ", ".join(map(repr, labels)) or "none"
        wanted = ", ".join(map(repr, missing))
        raise UserError(f"{where}: expected {wanted} beside the images, got the keys {received}; rename or add them.")
    return keys


def read_labels(labels: Mapping, fields: Mapping[str, FieldSpec], where: str) -> Labels:
    """Returns labels as padded arrays.

    Raises:
        UserError: a key is missing, or its values have another shape or are not numbers.
    """
    keys = keys_of(labels, fields, where)
    boxes = _padded(labels[BOXES], (4,), f"{where}: {BOXES}")
    classes = _padded(labels[keys[1]], (), f"{where}: {keys[1]}", _OF_LABELS)
    known = {}
    for name, spec in fields.items():
        read = _stacked if spec.of_image else _padded
        known[name] = read(labels[name], spec.shape, f"{where}: {name}").astype(spec.dtype)
    of_objects = {keys[1]: classes} | {name: known[name] for name, spec in fields.items() if not spec.of_image}
    for name, values in of_objects.items():
        if values.shape[:2] != boxes.shape[:2]:
            raise UserError(f"{where}: {name}: expected {_counts(boxes)}, as boxes, got {_counts(values)}.")
    others = classes[~np.isfinite(classes) | (classes != np.round(classes))]
    if len(others):
        raise UserError(f"{where}: {keys[1]}: expected class indices, which are whole numbers, got {others[0]:g}.")
    unused = tuple(sorted(set(labels) - set(keys)))
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
        boxes = boxes.astype(np.float32)
    return Labels(boxes, np.clip(classes, -_FAR, _FAR).astype(np.int32), known, keys[1], unused)


def is_row(labels: Labels) -> np.ndarray:
    """Returns (B, M) bool: rows that are not padding; padding has class -1, or a box of only -1 or only zeros."""
    is_padding = np.all(labels.boxes == PADDING, axis=-1) | np.all(labels.boxes == 0, axis=-1)
    return (labels.classes != PADDING) & ~is_padding


def to_array(values: object) -> np.ndarray:
    """Returns any framework's array or tensor, on any device, as a NumPy array; RaggedTensors are padded with -1."""
    values = to_dense(values)
    if hasattr(values, "detach"):  # PyTorch
        values = values.detach().cpu()
    return np.asarray(values)


def to_dense(values: object) -> object:
    """Returns a RaggedTensor padded with -1, and anything else unchanged."""
    if not hasattr(values, "to_tensor"):
        return values
    import tensorflow as tf

    if values.dtype == tf.string:
        return values.to_tensor()  # whoever needs numbers refuses it
    return tf.cast(values, tf.float64).to_tensor(PADDING)


def show(value: object) -> str:
    """Describes a value in a few words, for messages."""
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, value)) or 'nothing'}"
    if isinstance(value, tuple | list):
        more = ", ..." if len(value) > 2 else ""
        return f"a {type(value).__name__} of {len(value)} ({', '.join(show(part) for part in value[:2])}{more})"
    if hasattr(value, "shape"):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return repr(value)


def _counts(values: np.ndarray) -> str:
    return f"up to {values.shape[1]} rows of {values.shape[0]} images"


def _padded(values, shape: tuple[int | None, ...], what: str, advice: str = "") -> np.ndarray:
    """Returns padded or ragged values as (B, M, *shape) float64; `advice` is for values that are no numbers."""
    values = to_dense(values)
    is_ragged = isinstance(values, tuple | list) or str(getattr(values, "dtype", "")) == "object"
    if not is_ragged:
        return _numbers(values, (None, None, *shape), what, advice)
    rows = [_numbers(row, (None, *shape), f"{what} of image {i}", advice) for i, row in enumerate(values)]
    sides = next((row.shape[1:] for row in rows if len(row)), tuple(side or 0 for side in shape))
    padded = np.full((len(rows), max(map(len, rows), default=0), *sides), PADDING, np.float64)
    for i, row in enumerate(rows):
        if len(row) and row.shape[1:] != sides:
            raise UserError(f"{what} of image {i}: expected rows of shape {sides}, as before it, got {row.shape[1:]}.")
        padded[i, : len(row)] = row if len(row) else PADDING
    return padded


def _stacked(values, shape: tuple[int | None, ...], what: str) -> np.ndarray:
    """Returns one value per image as (B, *shape) float64."""
    values = [to_array(value) for value in values] if isinstance(values, tuple | list) else values
    return _numbers(values, (None, *shape), what)


def _numbers(values, shape: tuple[int | None, ...], what: str, advice: str = "") -> np.ndarray:
    """Returns a float64 array of that shape, in which None matches any side; `advice` as in `_padded`."""
    wanted = f"numbers of shape ({', '.join('any' if side is None else str(side) for side in shape)})"
    try:
        array = to_array(values).astype(np.float64)
    except (TypeError, ValueError):
        advice = advice and f"; {advice}"
        raise UserError(f"{what}: expected {wanted}, got {show(values)}{advice}.") from None
    if array.size == 0 and array.ndim <= len(shape):  # an empty list, for example, has too few axes
        known = (*array.shape, *[0] * (len(shape) - array.ndim))
        return np.zeros([k if side is None else side for k, side in zip(known, shape, strict=True)])
    if array.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, array.shape, strict=True)):
        raise UserError(f"{what}: expected {wanted}, got {array.shape}.")
    return array
