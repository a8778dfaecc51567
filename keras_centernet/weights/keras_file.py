"""`.keras` files, checked before Keras reads them: what they would build, run, unpack and open."""

import io
import json
import pathlib
import zipfile
from collections.abc import Callable

import keras

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.archive import DAMAGES, check_archive, read_member
from keras_centernet.weights.h5_file import check_h5

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_MOST_CONFIG_BYTES = 1 << 24
_MOST_DEPTH = 100
_CODE = "__lambda__"  # Keras' class name of code in a file


def check_keras_file(local: pathlib.Path, path: str) -> None:
    """Raises a UserError if a file holds no model, would run code of its own, or unpacks to far more than its size.

    Args:
        local: the file.
        path: of the file, for messages.
    """

    def check(archive):
        _read_config(archive, path)
        weights = read_member(archive, WEIGHTS, path)
        check_h5(io.BytesIO(weights), len(weights), path)

    _in_archive(local, path, check)


def read_config(local: pathlib.Path, path: str) -> dict:
    """Returns what `CenterNet.get_config` gave when a file was written, building nothing; raises as the check does."""
    return _in_archive(local, path, lambda archive: _read_config(archive, path)["config"])


def _in_archive(local: pathlib.Path, path: str, function: Callable):
    try:
        archive = zipfile.ZipFile(local)
    except DAMAGES:
        raise UserError(f"{path}: expected a .keras file, but it is damaged or of another format.") from None
    with archive:
        check_archive(archive, local, path)
        return function(archive)


def _read_config(archive: zipfile.ZipFile, path: str) -> dict:
    """Returns the checked configuration of a model of this package."""
    text = read_member(archive, CONFIG, path, _MOST_CONFIG_BYTES)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected {CONFIG} in it to be JSON: {first_line(error)}.") from None
    if not (isinstance(config, dict) and isinstance(config.get("config"), dict)):
        raise UserError(f"{path}: expected a CenterNet in {CONFIG}, got {shown(config)}.")
    check_config(config, path)
    name = config.get("registered_name") or config.get("class_name")
    is_of_keras = str(config.get("module")).partition(".")[0] == "keras"
    if is_of_keras and keras.saving.get_registered_object(str(name)) is None:
        raise UserError(f"{path}: expected a CenterNet, got a {config.get('class_name')!s:.80}.")
    return config


def check_config(config: dict, path: str) -> None:
    """Raises a UserError if values are nested too deeply for Keras, or are code."""
    level = [config]
    for _ in range(_MOST_DEPTH):
        objects = [value for value in level if isinstance(value, dict)]
        for one in objects:
            if one.get("class_name") == _CODE:
                raise UserError(f"{path}: expected a model without code, got a lambda; do not use it.")
        level = [inner for value in level if isinstance(value, list) for inner in value]
        level += [inner for one in objects for inner in one.values()]
    if any(isinstance(value, dict | list) for value in level):
        raise UserError(f"{path}: expected a model in {CONFIG}, got JSON that is nested too deeply.")
