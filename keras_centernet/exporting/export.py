"""`model.export`: files reach their folder only after they ran in their own runtime and agreed with the model."""

import contextlib
import functools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import keras

from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.errors import UserError
from keras_centernet.exporting.agreement import compare
from keras_centernet.exporting.other_process import export_elsewhere, must_leave
from keras_centernet.exporting.table import FORMATS, Format, find_format
from keras_centernet.exporting.tflite.calibration import read_some
from keras_centernet.exporting.verifying import verify_opened
from keras_centernet.files.atomic import folder_for, local_copy, move, write_whole, writing
from keras_centernet.files.marker import mark
from keras_centernet.files.outputs import check_outputs
from keras_centernet.files.paths import AnyPath, size_bytes, to_path
from keras_centernet.limits import COUNT

CHECKED_IMAGES = 4
FLOAT32 = "float32"


def export_model(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    images: list | None = None,
    overwrite: bool = False,
    **options,
):
    """Writes a model in one of the `FORMATS`, once the file agrees with the model; returns the path.

    TensorFlow converts the model, in a separate process if Keras runs on another backend.

    Args:
        model: `CenterNet`, trained or not. One in mixed precision is exported in float32.
        path: file, or folder for a format that is one.
        format: key of `FORMATS` or Keras' name of it; None: by the suffix of `path`.
        images: paths or (H, W, 3) uint8 RGB arrays on which the files are compared with the model; None: some of the
            option "calibration", or synthetic ones.
        overwrite: whether a folder of an earlier export may be replaced, as a file always is.
        **options: of the format, such as `precision` and `calibration`.

    Raises:
        UserError: an unknown format or suffix, an option that the format does not have or cannot meet, files
            that differ from the model by more than they may, or that cannot be written.
    """
    if must_leave():
        return export_elsewhere(model, path, format, images, options | {"overwrite": overwrite})
    made, _ = export_files(
        model, to_path(path), find_format(to_path(path), format), images, overwrite=overwrite, **options
    )
    return to_path(path) if made is None else made


def export_files(
    model: keras.Model,
    path: AnyPath,
    format: str,
    images: list | None,
    measure: Callable | None = None,
    overwrite: bool = False,
    **options,
) -> tuple[object, dict[str, dict]]:
    """Writes the files of one export, verifies each once, then moves them into place.

    Args:
        model, path, images, **options: see `export_model`; further files go beside `path`.
        format: key of `FORMATS`.
        overwrite: whether a folder of an earlier export may be replaced.
        measure: function of a local path -> further entries of the report on `path`.

    Returns:
        What the format's function returned, and {file name: {"size_bytes", "agreement", "latency_ms", ...}}.
    """
    row = FORMATS[format]
    strangers = ", ".join(sorted(set(options) - set(row.options)))
    if strangers:
        raise UserError(f"export to {format}: expected {', '.join(row.options)}; got {strangers}.")
    if "top_k" in options:
        COUNT.check("top_k", options["top_k"])
    if row.is_folder:
        check_outputs([path], overwrite)
    if images is None:
        images = _usual_images(options.get("calibration"))
    exported = _in_float32(model)
    with _folder_beside(path) as folder:
        made = row.write(exported, folder / path.name, **options)
        more = made.to_report() if made else {}
        files = sorted(folder.iterdir())
        reports = {file.name: more | _verify(row, exported, file, path, images, options) for file in files}
        if measure:
            reports[path.name] |= measure(folder / path.name)
        for file in files:
            if file.is_dir():
                mark(file)
                move(file, path.with_name(file.name))
            else:
                write_whole(path.with_name(file.name), functools.partial(shutil.move, file))
    return made, reports


def verify(model: keras.Model, path: str | os.PathLike, images: list, format: str | None = None, **options) -> dict:
    """Returns {"size_bytes", "agreement": see `agreement`, "latency_ms", ...} of an exported file.

    Args:
        model: `CenterNet` that the file was made from.
        path: file or folder.
        images: paths or (H, W, 3) uint8 RGB arrays of any sizes.
        format: key of `FORMATS`; None: by the suffix.
        **options: those that it was exported with, such as `precision`: they say how far it may be from the model. A
            UserError is raised if it is farther.
    """
    path = to_path(path)
    row = FORMATS[find_format(path, format)]
    with _local(path, row) as local:
        return _verify(row, model, local, path, images, options)


def agreement(
    model: keras.Model, path: str | os.PathLike, images: list, threshold: float | None = None, format: str | None = None
) -> dict:
    """Returns how far an exported file is from the model; see `agreement.compare`, and `verify` for `format`."""
    path = to_path(path)
    row = FORMATS[find_format(path, format)]
    with _local(path, row) as local:
        return compare(model, row.open(local, model), images, threshold)


def _usual_images(calibration) -> list:
    if calibration is None or isinstance(calibration, Iterator):  # which can be read only once
        return [example["image"].numpy() for example in build_shapes(split="test", size=CHECKED_IMAGES).examples()]
    return read_some(calibration, CHECKED_IMAGES)


def _verify(row: Format, model, file: AnyPath, path: AnyPath, images: list, options: dict) -> dict:
    opened, report = row.open(file, model), {"size_bytes": size_bytes(file)}
    if opened is None:
        return report
    return report | verify_opened(model, opened, images, row.tolerance(options), str(path.with_name(file.name)))


def _in_float32(model: keras.Model) -> keras.Model:
    """Returns the model, or a copy that computes in float32; its weights are float32 in mixed precision too."""
    layers = [model, *model.network._flatten_layers(include_self=False)]
    if {layer.compute_dtype for layer in layers} == {FLOAT32}:
        return model
    copy = type(model).from_config(model.get_config() | {"dtype": FLOAT32})
    copy.network.set_weights(model.network.get_weights())
    return copy


@contextlib.contextmanager
def _folder_beside(path: AnyPath) -> Iterator[pathlib.Path]:
    """Returns a context with a local folder to write to; its error messages name `path` and its folder instead."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with folder_for(path.parent) as folder:
            try:
                yield folder
            except UserError as error:
                raise UserError(str(error).replace(str(folder), str(path.parent))) from error


def _local(path: AnyPath, row: Format) -> contextlib.AbstractContextManager[AnyPath]:
    """Returns a context with a local copy of the file; a folder is loaded from where it is."""
    return contextlib.nullcontext(path) if row.is_folder else local_copy(path)
