"""The table of formats: how each is written, and how what was written is run again to be compared with the model."""

import dataclasses
from collections.abc import Callable

from keras_centernet.errors import UserError, look_up
from keras_centernet.exporting.edgetpu.export import RAW, open_edgetpu, write_edgetpu
from keras_centernet.exporting.onnx import check_onnx_packages, load_onnx, open_onnx, read_onnx_facts, write_onnx
from keras_centernet.exporting.saved_model import (
    load_saved_model,
    open_saved_model,
    read_saved_model_facts,
    write_saved_model,
)
from keras_centernet.exporting.tflite.detector import TFLiteDetector, load_tflite, open_tflite
from keras_centernet.exporting.tflite.export import write_tflite
from keras_centernet.exporting.tflite.metadata import read_tflite_facts
from keras_centernet.exporting.tflite.precisions import DEFAULT, INT8, PRECISIONS
from keras_centernet.exporting.verifying import FLOAT32, Tolerance
from keras_centernet.files.paths import AnyPath


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    `more_endings`, `tolerance` and `is_calibrated` get the options that `write` gets.

    Attributes:
        write: function (model, path, **options) that writes the file or folder `path`, and further files beside it,
            into a folder that is empty. An object that it returns reaches the caller instead of the path; its
            `to_report()`, a dict, is part of the report on every file.
        open: function (path, model) -> `Opened` of a file that was written, or None if the file does not run here.
        ending: of the names of its files.
        more_endings: function of options -> endings of the files beside it.
        options: names of the options of `write`.
        suffix: of paths, by which `model.export` recognises the format; None: only by its name.
        keras_name: what `keras.Model.export` calls it.
        is_folder: whether it is a folder; an existing one is replaced only if `overwrite` says so.
        tolerance: function of options -> how far a file may be from the model.
        is_calibrated: function of options -> whether it needs images to measure ranges on.
        check_packages: function that raises a UserError if packages that `write` needs are missing.
        load: function of a path -> `ExportedDetector`; None: it does not run here.
        recognizes: function of a path -> whether `load` is for it.
        detector: function of the path -> what `evaluate` takes; None: its average precision is not measured.
        facts: function of the path -> what a file says about itself, see `facts.FACTS`; None: it says nothing.
    """

    write: Callable
    open: Callable
    ending: str
    more_endings: Callable[[dict], tuple[str, ...]] = lambda options: ()
    options: tuple[str, ...] = ("top_k",)
    suffix: str | None = None
    keras_name: str | None = None
    is_folder: bool = False
    tolerance: Callable[[dict], Tolerance] = lambda options: FLOAT32
    is_calibrated: Callable[[dict], bool] = lambda options: False
    check_packages: Callable[[], None] = lambda: None
    load: Callable | None = None
    recognizes: Callable[[AnyPath], bool] = lambda path: False
    detector: Callable | None = None
    facts: Callable | None = None


def find_format(path: AnyPath, format: str | None) -> str:
    """Returns the key of `FORMATS` for a format's name, ours or Keras'; for None, by the path's suffix.

    Raises a UserError that lists the formats if there is no such one.
    """
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


def find_loadable(path: AnyPath) -> Format | None:
    """Returns the row that recognises a path, by its name or by what is in the folder; None: no exported file."""
    return next((row for row in FORMATS.values() if row.recognizes(path)), None)


def _precision(options: dict):
    return look_up(PRECISIONS, options.get("precision", DEFAULT), "precision")


FORMATS = {
    "tflite": Format(
        write_tflite,
        open_tflite,
        ".tflite",
        options=("calibration", "precision", "raw_heads", "top_k"),
        suffix=".tflite",
        keras_name="litert",
        tolerance=lambda options: _precision(options).tolerance,
        is_calibrated=lambda options: _precision(options).calibrated,
        load=load_tflite,
        recognizes=lambda path: path.suffix == ".tflite",
        detector=TFLiteDetector,
        facts=read_tflite_facts,
    ),
    "saved_model": Format(
        write_saved_model,
        open_saved_model,
        "_saved_model",
        options=("top_k", "xla"),
        suffix="",
        keras_name="tf_saved_model",
        is_folder=True,
        load=load_saved_model,
        recognizes=lambda path: (path / "saved_model.pb").exists(),
        facts=read_saved_model_facts,
    ),
    "onnx": Format(
        write_onnx,
        open_onnx,
        ".onnx",
        suffix=".onnx",
        keras_name="onnx",
        check_packages=check_onnx_packages,
        load=load_onnx,
        recognizes=lambda path: path.suffix == ".onnx",
        facts=read_onnx_facts,
    ),
    "edgetpu": Format(
        write_edgetpu,
        open_edgetpu,
        "_edgetpu.tflite",
        more_endings=lambda options: () if options.get("compiled") else (f"_edgetpu{RAW}.tflite",),
        options=("calibration", "compiled", "top_k"),
        tolerance=lambda options: PRECISIONS[INT8].tolerance,
        is_calibrated=lambda options: not options.get("compiled"),
        facts=read_tflite_facts,
    ),
}


@dataclasses.dataclass(frozen=True)
class Export:
    """One row of the table of what networks are exported to.

    Attributes:
        format: key of `FORMATS`.
        options: that its `write` gets, besides calibration images.
        is_calibrated: whether it needs images to measure ranges on.
    """

    format: str
    options: dict = dataclasses.field(default_factory=dict)
    is_calibrated: bool = False


# What `Backbone.exports` names.
EXPORTS = {
    "float32": Export("tflite", {"precision": "float32"}),
    "float16": Export("tflite", {"precision": "float16"}),
    "dynamic": Export("tflite", {"precision": "dynamic"}),
    "int8": Export("tflite", {"precision": "int8"}, is_calibrated=True),
    "saved_model": Export("saved_model"),
    "onnx": Export("onnx"),
    "edgetpu": Export("edgetpu", is_calibrated=True),
}
