"""TFLite files of every precision: the network, its decoding, names and labels in one."""

import functools
import os
import pathlib
from collections.abc import Iterable

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
    calibration: str | os.PathLike | Iterable | None = None,
    top_k: int = 100,
    raw_heads: bool | str = False,
) -> None:
    """Writes a TFLite file without comparing it with the model; see `exporting.export_tflite`."""
    row = look_up(PRECISIONS, precision, "precision")
    if raw_heads not in RAW_HEADS or (raw_heads == INT8 and not row.calibrated):
        raise UserError(f"raw_heads of {precision}: expected True, False or, calibrated, {INT8!r}; got {raw_heads!r}.")
    network = _convert_network(model, row, calibration)
    path.write_bytes(_expose_heads(network, model, raw_heads) if raw_heads else append_decode(network, model, top_k))


def _expose_heads(network: bytes, model, raw_heads: bool | str) -> bytes:
    graph = flatbuffer.read_flatbuffer(network)
    heads = find_heads(graph, model)
    if raw_heads != INT8:
        take_bytes(graph)
        heads = {name: dequantize(graph, name, index) for name, index in heads.items()}
    return finish(graph, heads, model)


def _convert_network(model, row: Precision, calibration) -> bytes:
    """Returns the TFLite file of the network: an image in, raw heads out."""
    images = calibration_images(calibration, model.input_size) if row.calibrated else ()

    def feed():  # one input after another
        return ([image[None].astype(np.float32)] for image in images)

    call, shape = functools.partial(model, training=False), (1, *model.input_size, 3)
    configure, finish = (functools.partial(step, images=feed) for step in (row.configure, row.finish))
    return convert(call, {"images": shape}, configure, model.backbone_name, finish)
