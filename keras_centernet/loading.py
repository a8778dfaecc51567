"""Loads what detects: a model, or a file that was exported from one."""

import os
from typing import TYPE_CHECKING, Union

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import AnyPath, exists, list_names, to_path
from keras_centernet.weights.download import CHECKS
from keras_centernet.weights.preset_folder import CONFIG
from keras_centernet.weights.resolve import is_named

if TYPE_CHECKING:
    from keras_centernet.exporting.detector import ExportedDetector
    from keras_centernet.exporting.table import Format
    from keras_centernet.model import CenterNet


def load_detector(path: str | os.PathLike) -> Union["CenterNet", "ExportedDetector"]:
    """Returns the detector that a path names: a `CenterNet`, or an `ExportedDetector` for a file exported from one.

    Both have `detect`, `detect_batch`, `task`, `classes` and `input_size`, and `evaluate` takes both.

    Args:
        path: what `load_model` takes, or a file or folder that `model.export` wrote. A SavedModel computes whatever its
            graph says: load only those of people whom you trust.

    Raises:
        UserError: there is no such model or file, it is damaged or not of this package, or its runtime is missing.

    Examples:
        >>> load_detector("detector.onnx").detect("street.jpg")  # doctest: +SKIP
        [Detections(street.jpg: 2 person, 1 car)]
    """
    row = find_export(path)
    if row is None:
        from keras_centernet.model import load_model

        return load_model(path)
    if row.is_folder:
        return row.load(to_path(path))
    with local_copy(path) as local:
        try:
            return row.load(local)
        except UserError as error:
            raise UserError(str(error).replace(str(local), os.fspath(path))) from None


def find_export(path: str | os.PathLike) -> Union["Format", None]:
    """Returns the row of `exporting.FORMATS` that loads an exported file; None if the path names a model.

    The formats are imported only if the path can be an exported file: a model needs none of their runtimes.

    Raises:
        UserError: the path is a folder that holds exported files; the message names one of them.
    """
    if is_named(path) or to_path(path).suffix in CHECKS or _holds_model(to_path(path)):
        return None
    from keras_centernet.exporting.table import find_loadable

    path = to_path(path)
    row = find_loadable(path)
    if row is None and path.is_dir():
        inside = sorted(name for name in list_names(path) if find_loadable(path / name))
        if inside:
            others = f" or {len(inside) - 1} more" if inside[1:] else ""
            problem = f"expected a model or an exported file, got the folder of {inside[0]}{others}"
            raise UserError(f"{path}: {problem}; name {path / inside[0]}.")
    return row


def _holds_model(path: AnyPath) -> bool:
    """Whether a path is the folder of a run or of a preset, or is no file at all but a name without a suffix."""
    if not path.suffix and not exists(path):
        return True
    names = list_names(path) if path.is_dir() else []
    return CONFIG in names or any(name.endswith(".keras") for name in names)
