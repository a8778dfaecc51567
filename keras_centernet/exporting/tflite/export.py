"""TFLite files of every precision: the network, its decoding, names and labels in one."""

import functools
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from keras_centernet.errors import UserError, look_up
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import append_decode, dequantize, find_heads, finish, take_bytes
from keras_centernet.exporting.tflite.calibration import calibration_images
from keras_centernet.exporting.tflite.conversion import convert
from keras_centernet.exporting.tflite.precisions import DEFAULT, INT8, PRECISIONS, Precision

RAW_HEADS = (False, True, INT8)


def write_tflite(
    model: keras.Model,
    path: pathlib.Path,
    precision: str = DEFAULT,
    calibration=None,
    top_k: int = 100,
    raw_heads: bool | str = False,
) -> None:
    """Writes a TFLite file without comparing it with the model; see `exporting.export_tflite`."""
    row = look_up(PRECISIONS, precision, "precision")
    if raw_heads not in RAW_HEADS or (raw_heads == INT8 and not row.calibrated):
        raise UserError(f"raw_heads of {precision}: expected True, False or, calibrated, {INT8!r}; got {raw_heads!r}.")
    images = calibration_images(calibration, model.input_size) if row.calibrated else None
    path.write_bytes(_build(model, row, images, top_k, raw_heads))


def _build(model, row: Precision, images: np.ndarray | None, top_k: int, raw_heads: bool | str) -> bytes:
    network = _convert_network(model, row, images)
    if not raw_heads:
        return append_decode(network, model, top_k)
    graph = flatbuffer.read_flatbuffer(network)
    heads = find_heads(graph, model)
    if raw_heads != INT8:
        take_bytes(graph)
        heads = {name: dequantize(graph, name, index) for name, index in heads.items()}
    return finish(graph, heads, model)


def _convert_network(model, row: Precision, images: np.ndarray | None) -> bytes:
    """Returns the file from an image to raw heads."""
    return convert(
        functools.partial(model, training=False),
        {"images": (1, *model.input_size, 3)},
        configure=functools.partial(row.configure, images=_feed(images)),
        backbone=model.backbone_name,
    )


def _feed(images: np.ndarray | None) -> Callable:
    """Returns the function that the converter calls for one input after another."""
    return lambda: ([image[None].astype(np.float32)] for image in images)
