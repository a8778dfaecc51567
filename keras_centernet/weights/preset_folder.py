"""A model as a folder: config.json, its weights, and a model card."""

import os

import keras
import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_copy, write_text, write_whole
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.weights.checkpoint import check_reader, read_checkpoint
from keras_centernet.weights.fill import fill
from keras_centernet.weights.h5_file import check_h5
from keras_centernet.weights.keras_file import check_config

CONFIG, README = "config.json", "README.md"
FORMAT = JsonFormat(
    {"model": {"?": object}},
    advice="it is no preset of this package",
    mark="keras_centernet preset",
)


def _save_h5(model: keras.Model, path: AnyPath) -> None:
    write_whole(path, model.save_weights)


def _load_h5(model: keras.Model, path: AnyPath) -> None:
    with local_copy(path) as local:
        check_h5(local, local.stat().st_size, str(path))
        model.load_weights(local)


def _save_safetensors(model: keras.Model, path: AnyPath) -> None:
    check_reader(str(path))
    from safetensors.numpy import save_file

    arrays = {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.network.variables}
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    write_whole(path, lambda temporary: save_file(arrays, temporary))


def _load_safetensors(model: keras.Model, path: AnyPath) -> None:
    fill({variable.path: variable for variable in model.network.variables}, read_checkpoint(path), str(path))


# The ways of keeping the weights: name of the file -> (how it is written, how it is read).
WEIGHTS = {
    "model.weights.h5": (_save_h5, _load_h5),
    "model.safetensors": (_save_safetensors, _load_safetensors),
}


def write_preset_folder(model: keras.Model, folder: AnyPath, weights: str) -> None:
    """Writes a `CenterNet` into an existing folder; config.json comes last, so that a folder that has it is complete.

    Args:
        model: `CenterNet`.
        folder: local or remote.
        weights: key of `WEIGHTS`.

    Raises:
        UserError: nothing can be written there.
    """
    save, _ = WEIGHTS[weights]
    save(model, folder / weights)
    write_text(folder / CONFIG, FORMAT.to_text({"model": model.get_config()}))


def read_folder_config(folder: AnyPath) -> dict:
    """Returns what `CenterNet.get_config` gave when a folder was written; raises a UserError if it is no preset."""
    config = FORMAT.read(folder / CONFIG)["model"]
    check_config(config, str(folder / CONFIG))
    return config


def read_preset_folder(folder: str | os.PathLike, cls: type) -> keras.Model:
    """Returns the model that `write_preset_folder` wrote.

    Args:
        folder: local or remote.
        cls: `CenterNet`.

    Raises:
        UserError: a file is missing, damaged, or of another network.
    """
    folder = to_path(folder)
    config = read_folder_config(folder)
    name = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if name is None:
        raise UserError(f"{folder}: expected {' or '.join(WEIGHTS)} in it, got neither.")
    model = cls.from_config(config)
    _, load = WEIGHTS[name]
    load(model, folder / name)
    return model
