"""The user's own change of each training image, in image pixels, before the image is placed in the input.

The change is a function from an example (see `source.py`) to a dict of the values that it changes, in TensorFlow, or in
NumPy with `in_numpy`. Keys that it does not return stay unchanged. If it returns KEPT, the (n,) integer indices of the
objects that remain, the per-object keys that it does not return keep only those rows, in that order.
"""

import re
import textwrap
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_centernet.data.annotations import has_extent, meets
from keras_centernet.data.fields import object_keys
from keras_centernet.data.in_graph import keep_objects
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError

KEPT = "kept"
_LONGEST_LINE = 300
_CALLS_TO_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
# Parts of an exception's message to cut off: colours, and where it was raised.
_BEFORE = r"\x1b\[\d*m|^\{\{.*?\}\} |Error in user-defined function .*? with iterator: \S+ "
_BEHIND = r"\n\s*Traceback|\n\s*Arguments received|\]?\s*\[\[\{\{"


def in_numpy(change: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """Returns a function for `load_dataset(augment=...)` made from one of NumPy arrays, such as Albumentations'.

    Args:
        change: function from an example, a dict of copied arrays that it can modify in place, to a dict of the values
            that it changes, see `changes.own`. It can return lists instead of arrays. The example's "seed" (2,) int64
            suits `np.random.default_rng`. Several threads call the function.

    Examples:
        >>> @in_numpy
        ... def darken(example):
        ...     return {"image": example["image"] // 2}
        >>> int(darken({"image": tf.fill((2, 2, 3), tf.constant(90, tf.uint8))})["image"][0, 0, 0])
        45
    """

    def change_tensors(example: dict) -> dict:
        keys = sorted(example)
        # Values with one row per object have an unknown first side.
        of_objects = {key for key in keys if key != "image" and example[key].shape[:1] == [None]}
        sides = {key: tuple(example[key].shape[1:]) for key in keys}

        def call(*arrays):
            given = dict(zip(keys, arrays, strict=True))
            changed = change({key: np.array(values) for key, values in given.items()})
            _check_keys(changed, keys)
            kept = changed.get(KEPT)
            if kept is not None:
                kept = np.asarray(kept, np.int64)
                given |= {key: given[key][kept] for key in of_objects}
            return [_to_array(key, changed.get(key, given[key]), given[key], sides[key]) for key in keys]

        values = tf.numpy_function(call, [example[key] for key in keys], [example[key].dtype for key in keys])
        values = tf.nest.flatten(values)  # a single value comes without a list
        return {key: tf.ensure_shape(v, example[key].shape) for key, v in zip(keys, values, strict=True)}

    return change_tensors


def build_own(change: Callable[[dict], dict], source: Source, is_tensor: bool = False) -> Callable[[dict], dict]:
    """Returns a function for tf.data that changes an example and checks the result.

    Objects whose boxes are empty or outside the image afterwards are dropped. The user's function is traced, and tried
    on the first example.

    Args:
        change: the user's function.
        source: source of the examples.
        is_tensor: whether the function must consist of TensorFlow operations alone.

    Raises:
        UserError: the user's function cannot be called, fails, or returns an unknown key or a wrong dtype or shape;
            the message names the key.
    """
    if not callable(change):
        raise UserError(f"augment: expected a function of an example, got {change!r}.")
    examples, keys = source.examples(limit=1), object_keys(source.fields)
    spec = {**examples.element_spec, "image": tf.TensorSpec((None, None, 3), tf.uint8)}
    spec |= {key: tf.TensorSpec((None, *spec[key].shape[1:]), spec[key].dtype) for key in keys}
    spec["seed"] = tf.TensorSpec((2,), tf.int64)
    traced = _trace(change, spec)
    if is_tensor and _operations_of(traced) & _CALLS_TO_PYTHON:
        raise UserError("augment: expected TensorFlow alone with data_service, got a function of NumPy.")

    def to_changed(example: dict) -> dict:
        # A seed far from those of all other choices, and not negative, because NumPy's generators require that.
        seed = tf.random.stateless_uniform((2,), example["seed"] - [1, 0], 0, tf.int64.max, tf.int64)
        changed = dict(traced({**example, "seed": seed}))
        kept = changed.pop(KEPT, None)
        rest = example if kept is None else keep_objects(example, kept, source.fields)
        shaped = {key: tf.ensure_shape(value, spec[key].shape) for key, value in changed.items()}
        changed = {**rest, **shaped, "seed": example["seed"]}
        boxes_xyxy = changed["boxes_xyxy"]
        counts = tf.stack([tf.shape(changed[key])[0] for key in keys])
        message = f"augment: expected the same number of rows in {', '.join(keys)}, got {{}}; return all, or {KEPT}."
        tf.debugging.Assert(tf.reduce_all(counts == counts[0]), [tf.strings.format(message, counts, summarize=-1)])
        height, width = tf.unstack(tf.cast(tf.shape(changed["image"])[:2], tf.float32))
        is_seen = has_extent(boxes_xyxy) & meets(boxes_xyxy, height, width)
        return keep_objects(changed, tf.where(is_seen)[:, 0], source.fields)

    _try(to_changed, examples)
    return to_changed


def _trace(change: Callable, spec: dict) -> Callable:
    """Returns the user's function as a graph whose results have been checked."""

    def to_tensors(example):
        changed = change(example)
        _check_keys(changed, spec)
        hints = {key: tensor.dtype for key, tensor in example.items()}
        return {key: tf.convert_to_tensor(value, dtype_hint=hints.get(key)) for key, value in changed.items()}

    try:
        traced = tf.function(to_tensors).get_concrete_function(spec)
    except Exception as error:  # whatever the user's code raises
        raise _user_error(error, "of an example's tensors") from error
    for key, value in traced.structured_outputs.items():
        if key == KEPT:
            wanted, is_right = "(n,) integers", value.dtype.is_integer and value.shape.rank in (1, None)
        else:
            wanted = f"{spec[key].dtype.name} of shape {_show(spec[key].shape)}"
            is_right = value.dtype == spec[key].dtype and value.shape.is_compatible_with(spec[key].shape)
        if not is_right:
            raise UserError(f"augment: expected {key!r} as {wanted}, got {value.dtype.name} of shape {value.shape}.")
    return traced


def _operations_of(traced: Callable) -> set[str]:
    graph = traced.graph.as_graph_def()
    nodes = (*graph.node, *(node for function in graph.library.function for node in function.node_def))
    return {node.op for node in nodes}


def _check_keys(changed, known) -> None:
    if not isinstance(changed, dict):
        raise UserError(f"augment: expected a dict of what has changed, got {type(changed).__name__}.")
    for key in changed:
        if key not in known and key != KEPT:
            raise UserError(f"augment: expected some of the keys {', '.join(known)} or {KEPT}, got {key!r}.")


def _to_array(key: str, value, before: np.ndarray, sides: tuple) -> np.ndarray:
    """Returns the value that a NumPy function returned under a key, as an array of the dtype that the key had before.

    `sides` holds the expected shape without its first side; None allows any number.
    """
    array = np.asarray(value)
    if array.size == 0 and sides and None not in sides:
        array = array.reshape(0, *sides)  # an empty list of boxes
    has_shape = array.ndim == before.ndim and all(s in (None, n) for s, n in zip(sides, array.shape[1:], strict=True))
    is_number = array.dtype.kind in "biuf" or before.dtype.kind not in "biuf"
    if not has_shape or not is_number or (key == "image" and array.dtype != np.uint8):
        wanted = f"{before.dtype} of shape {_show((None, *sides)[: before.ndim])}"
        raise UserError(f"augment: expected {key!r} as {wanted}, got {array.dtype} of shape {array.shape}.")
    return array.astype(before.dtype)


def _show(shape: tuple) -> str:
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"


def _try(to_changed: Callable, examples: tf.data.Dataset) -> None:
    try:
        next(iter(examples.map(lambda example: to_changed({**example, "seed": tf.constant([0, 0], tf.int64)}))))
    except tf.errors.OpError as error:
        raise _user_error(error, "that takes the first example") from error


def _user_error(error: Exception, what: str) -> UserError:
    """Returns the error that a user's function raised as a `UserError` of one line.

    TensorFlow adds code locations before or after the message, and Keras adds the arguments; both are cut off.
    """
    text = re.split(_BEHIND, re.sub(_BEFORE, "", str(getattr(error, "message", error))))[0]
    if checked := re.findall(r"augment: expected .+", text):
        return UserError(checked[-1])  # quoted lines of code can precede it
    raised = re.search(r"(?:^|\s)(\w+(?:Error|Exception)): (.+)", text, re.DOTALL)
    kind, line = raised.groups() if raised else (type(error).__name__, text)
    return UserError(f"augment: expected a function {what}, got {kind}: {textwrap.shorten(line, _LONGEST_LINE)}")
