"""The table of formats: how each is written, and how what was written is run again and compared with the model."""

import dataclasses
import inspect
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from keras_centernet.errors import UserError, look_up
from keras_centernet.exporting.edgetpu.export import PRECISION, EdgeTPUExport, export_edgetpu
from keras_centernet.exporting.onnx import export_onnx, verify_onnx
from keras_centernet.exporting.saved_model import export_saved_model, verify_saved_model
from keras_centernet.exporting.tflite.detector import TFLiteDetector
from keras_centernet.exporting.tflite.export import export_tflite
from keras_centernet.exporting.tflite.verifying import COMPARED, verify_tflite
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.geometry import letterbox, warp


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        export: function (model, path, **options) that writes one; what it returns goes to `verify`.
        verify: function (model, what was written, images as they are, options) -> {file name: figures}; runs the
            files in their runtime and raises a UserError where they disagree with the model.
        ending: of the names of its files.
        more_endings: of further files that it writes beside, unless it goes on from a compiled one.
        suffix: by which `model.export` knows it.
        keras_name: what `keras.Model.export` calls it.
        takes_precision: whether there is one file per precision.
        is_calibrated: whether it is quantised whatever the precision.
        detector: function of what was written -> what `evaluate` takes; None: its average precision is not measured.
    """

    export: Callable
    verify: Callable
    ending: str
    more_endings: tuple[str, ...] = ()
    suffix: str | None = None
    keras_name: str | None = None
    takes_precision: bool = False
    is_calibrated: bool = False
    detector: Callable | None = None

    @property
    def options(self) -> set[str]:
        """Names of what `export` can be told beside model and path."""
        return set(inspect.signature(self.export).parameters) - {"model", "path"}


def export_model(model: keras.Model, path: str | os.PathLike, format: str | None = None, **options):
    """Writes a model in one of the `FORMATS`; returns what the format's function returns: a path in most cases.

    Args:
        model: `CenterNet`.
        path: file, or folder of a SavedModel.
        format: key of `FORMATS` or Keras' name of it; None: by the suffix of `path`.
        **options: of the format's function, such as `precision` and `calibration`.

    Raises:
        UserError: an unknown format or suffix, an option that the format does not have, and what its function raises.
    """
    row = FORMATS[_format_of(to_path(path), format)]
    strangers = ", ".join(sorted(set(options) - row.options))
    if strangers:
        known = ", ".join(sorted(row.options))
        raise UserError(f"export to {row.export.__name__.removeprefix('export_')}: expected {known}; got {strangers}.")
    return row.export(model, path, **options)


def letterboxed(model: keras.Model, images: list) -> np.ndarray:
    """Returns (B, H, W, 3) uint8 inputs of (h, w, 3) pictures, as `model.detect` makes them."""
    size_hw = model.input_size
    return np.stack([warp(image, letterbox(image.shape[:2], size_hw), size_hw) for image in images])


def _format_of(path: AnyPath, format: str | None) -> str:
    if format is not None:
        names = {row.keras_name: name for name, row in FORMATS.items() if row.keras_name}
        name = names.get(format, format)
        look_up(FORMATS, name, "format")
        return name
    suffixes = {row.suffix: name for name, row in FORMATS.items() if row.suffix is not None}
    if path.suffix not in suffixes:
        known = ", ".join(f"{suffix or 'none'} ({name})" for suffix, name in suffixes.items())
        raise UserError(f"{path}: expected one of these suffixes: {known}; got {path.suffix!r}. Or name a format.")
    return suffixes[path.suffix]


def _verify_tflite(model, path: pathlib.Path, images: list, options: dict) -> dict:
    return {path.name: verify_tflite(model, path, letterboxed(model, images), options["precision"])}


def _verify_saved_model(model, path: pathlib.Path, images: list, options: dict) -> dict:
    return {path.name: verify_saved_model(model, path, images, _threshold(model, images))}


def _verify_onnx(model, path: pathlib.Path, images: list, options: dict) -> dict:
    return {path.name: verify_onnx(model, path, images, _threshold(model, images))}


def _verify_edgetpu(model, made: EdgeTPUExport, images: list, options: dict) -> dict:
    """The network before compilation runs on any CPU; what was compiled does not, and nothing is said of it."""
    found = {"edge_tpu": made.check.to_dict(), "next_steps": made.next_steps}
    if made.log:
        found["compiler"] = made.log.to_dict()
    reports = {}
    if made.raw:
        reports[made.raw.name] = verify_tflite(model, made.raw, letterboxed(model, images), PRECISION) | found
    if made.path:
        reports[made.path.name] = {"size_bytes": made.path.stat().st_size, **found}
    return reports


def _threshold(model, images: list) -> float:
    """Returns the lowest score to compare: the usual one, or zero where the model finds nothing so good."""
    scores = np.asarray(model.detect_batch(letterboxed(model, images), top_k=1)["scores"])
    return COMPARED if scores.max() > COMPARED else 0.0


FORMATS = {
    "tflite": Format(
        export_tflite,
        _verify_tflite,
        ".tflite",
        suffix=".tflite",
        keras_name="litert",
        takes_precision=True,
        detector=TFLiteDetector,
    ),
    "saved_model": Format(
        export_saved_model, _verify_saved_model, "_saved_model", suffix="", keras_name="tf_saved_model"
    ),
    "onnx": Format(export_onnx, _verify_onnx, ".onnx", suffix=".onnx", keras_name="onnx"),
    "edgetpu": Format(
        export_edgetpu, _verify_edgetpu, "_edgetpu.tflite", more_endings=("_edgetpu_raw.tflite",), is_calibrated=True
    ),
}
