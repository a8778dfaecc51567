"""TFLite files of every precision: the network, its decoding, names and labels in one."""

import functools
import os
from collections.abc import Callable

import keras
import numpy as np

from keras_centernet.errors import UserError, look_up
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import append_decode, dequantize, find_heads, finish, take_bytes
from keras_centernet.exporting.tflite.calibration import calibration_images
from keras_centernet.exporting.tflite.conversion import convert
from keras_centernet.exporting.tflite.precisions import PRECISIONS, Precision
from keras_centernet.exporting.tflite.verifying import drawn_images, verify_tflite
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import AnyPath

INTEGERS = "int8"
RAW_HEADS = (False, True, INTEGERS)
CHECKED_IMAGES = 4


def export_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    precision: str = "float32",
    calibration=None,
    top_k: int = 100,
    raw_heads: bool | str = False,
    images: np.ndarray | None = None,
) -> AnyPath:
    """Writes a TFLite detector for one image at a time, once it has shown to detect what the model does; its path.

    Input "images": (1, H, W, 3) RGB in 0..255, letterboxed to the model's input size; float32, or uint8 from
    a precision that is calibrated. Outputs: what `exporting.serving.serve` gives, in its order, float32. Names of
    classes and what mobile clients want to know are in the file too. MediaPipe's ObjectDetector takes the four outputs
    of 2D detection only; files of other tasks, which have more, are run by LiteRT itself.

    Args:
        model: `CenterNet`.
        path: file to write; replaced only once the new one is complete.
        precision: key of `PRECISIONS`.
        calibration: pictures like those that the detector will see, for precisions that are calibrated: a folder,
            a data set of `load_dataset`, or uint8 images (see `calibration.calibration_images`).
        top_k: number of detections in the output.
        raw_heads: True: without the decoding, one float output per head, for accelerators that take no sorting;
            `host_decode.decode_maps` does the rest. "int8": the same of a calibrated precision with int8 input and
            outputs, what edgetpu_compiler takes; `append_decode` completes what it made of that.
        images: (B, H, W, 3) uint8 inputs on which the file is compared with the model, see `verify_tflite`. None:
            some of `calibration`, or drawn ones.

    Raises:
        UserError: an unknown precision, a model in mixed precision, no usable calibration, an operator that
            runtimes lack, a file that differs from the model by more than its precision may, or one that cannot be
            written.
    """
    row = look_up(PRECISIONS, precision, "precision")
    if raw_heads not in RAW_HEADS or (raw_heads == INTEGERS and not row.calibrated):
        raise UserError(
            f"raw_heads of {precision}: expected True, False or, calibrated, {INTEGERS!r}; got {raw_heads!r}."
        )
    _check_dtype(model)
    ranges = calibration_images(calibration, model.input_size) if row.calibrated else None
    content = _build(model, row, ranges, top_k, raw_heads)
    if images is None:
        images = drawn_images(model.input_size) if ranges is None else ranges[:CHECKED_IMAGES]
    verify_tflite(model, content, images, precision)
    return write_whole(path, lambda beside: beside.write_bytes(content))


def _check_dtype(model) -> None:
    dtypes = {layer.compute_dtype for layer in model.network._flatten_layers(include_self=False)}
    dtypes |= {keras.config.dtype_policy().compute_dtype}  # of the normalisation
    if dtypes != {"float32"}:
        raise UserError(
            f"TFLite: expected a model that computes in float32, got {', '.join(sorted(dtypes))}: save it, and load it "
            'after keras.config.set_dtype_policy("float32").'
        )


def _build(model, row: Precision, images: np.ndarray | None, top_k: int, raw_heads: bool | str) -> bytes:
    network = _convert_network(model, row, images)
    if not raw_heads:
        return append_decode(network, model, top_k)
    graph = flatbuffer.read_flatbuffer(network)
    heads = find_heads(graph, model)
    if raw_heads != INTEGERS:
        take_bytes(graph)
        heads = {name: dequantize(graph, name, index) for name, index in heads.items()}
    return finish(graph, heads, model)


def _convert_network(model, row: Precision, images: np.ndarray | None) -> bytes:
    """Returns the file from an image to raw heads."""
    return convert(
        functools.partial(model, training=False),
        {"images": (1, *model.input_size, 3)},
        configure=functools.partial(row.configure, images=_feed(images)),
        backbone=model.get_config()["backbone"],
    )


def _feed(images: np.ndarray | None) -> Callable:
    """Returns the function that the converter calls for one input after another."""
    return lambda: ([image[None].astype(np.float32)] for image in images)
