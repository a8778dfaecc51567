"""Loading models that this package wrote, and weights from them or from published checkpoints."""

import os
import pathlib
import re
import warnings

import keras
import numpy as np

from keras_centernet.errors import DataWarning, UserError, first_line
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import to_path
from keras_centernet.weights.checkpoint import check_there, read_checkpoint
from keras_centernet.weights.fill import fill
from keras_centernet.weights.h5_file import check_h5
from keras_centernet.weights.keras_file import check_keras_file
from keras_centernet.weights.preset_folder import read_preset_folder
from keras_centernet.weights.published import fill_from_published
from keras_centernet.weights.resolve import find

# What Keras says of functions and classes that it does not know.
_UNREGISTERED = re.compile(r"Could not locate (?:function|class) '([^']+)'")


def read_model_file(path: str | os.PathLike, custom_objects: dict | None = None) -> keras.Model:
    """Returns the model that `model.save(path)` wrote, compiled as it was.

    Raises:
        UserError: the file is missing, damaged, or holds another kind of model.
    """
    path = os.fspath(path)
    check_there(path, "a .keras file")
    with local_copy(path) as local:
        check_keras_file(local, path)
        model = _read_keras(local, path, custom_objects)
    if not hasattr(model, "task"):
        raise UserError(f"{path}: expected a CenterNet, got a {type(model).__name__}.")
    _warn_of_nan(model, path)
    return model


def _read_keras(local: pathlib.Path, path: str, custom_objects: dict | None) -> keras.Model:
    try:
        return keras.saving.load_model(local, custom_objects)
    except UserError as error:
        raise UserError(f"{path}: {first_line(error)}") from None
    except Exception as error:  # Keras raises many kinds for damaged or foreign files
        if unknown := _UNREGISTERED.search(str(error)):
            raise UserError(
                f"{path}: holds {unknown[1]!r}, which is not registered here. Import the module that registers it "
                "(commands: --import MODULE)."
            ) from error
        raise UserError(
            f"{path}: expected a .keras file of this package, could not be read: {first_line(error)}"
        ) from error


def _warn_of_nan(model: keras.Model, path: str) -> None:
    variables = model.network.variables
    wrong = [one.path for one in variables if not np.all(np.isfinite(keras.ops.convert_to_numpy(one)))]
    if wrong:
        found = f"{len(wrong)} of its {len(variables)} tensors hold NaN or infinity, first {wrong[0]}"
        warnings.warn(f"{path}: {found}: it finds nothing. Take an earlier file.", DataWarning, stacklevel=5)


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Fills a `CenterNet` from a file of this package or a published checkpoint (suffixes: `LOADERS`), or a preset.

    `path` may be whatever `resolve.find` knows: the name of a preset, an address, a folder.

    A file with other classes fills everything but the last layer of the heatmap; one of another task, everything but
    the heads that only one of the tasks has. A printed line says so. If something else does not fit, nothing changes.

    Raises:
        UserError: the file is missing or damaged, of another network, or a tensor does not fit (it is named).
    """
    path = find(path, model.backbone_name)
    for suffix, load in LOADERS.items():
        if path.endswith(suffix):
            load(model, path)
            return
    if to_path(path).is_dir():
        take_weights(model, read_preset_folder(path, type(model)), path)
        return
    raise UserError(f"{path}: expected a file of weights that ends in {', '.join(LOADERS)}.")


def _load_h5(model, path: str) -> None:
    check_there(path, "a weights file")
    try:
        with local_copy(path) as local:
            check_h5(local, local.stat().st_size, path)
            model.load_weights(local)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: expected weights of this network: {first_line(error)}") from error


def _load_keras(model, path: str) -> None:
    take_weights(model, read_model_file(path), path)


def take_weights(model: keras.Model, source: keras.Model, path: str) -> None:
    """Fills a `CenterNet` from another, as far as classes and heads are the same; a line says what starts anew.

    Args:
        model: to fill; nothing changes if something does not fit.
        source: to take from.
        path: of the source, for messages.

    Raises:
        UserError: the networks differ.
    """
    theirs, ours = common_variables(source, model), common_variables(model, source)
    if theirs.keys() != ours.keys():
        name = sorted(theirs.keys() ^ ours.keys())[0]
        raise UserError(
            f"{path} holds a {source.network.name}: expected the tensors of {model.network.name}; {name} is in "
            "only one of them."
        )
    lacking = [head.name for head in model.task.heads if head.name not in _head_names(source)]
    if lacking:
        print(f"{path} has no {', '.join(lacking)}: starts anew.")
    if source.classes != model.classes:
        heatmap = model.task.center_heatmap.name
        anew = [name for name in ours if name.split("/")[0].endswith(heatmap)]
        ours = {name: variable for name, variable in ours.items() if name not in anew}
        print(
            f"{path} has other classes: the last layer of {heatmap} starts anew ({', '.join(anew)}), the other "
            f"{len(ours)} tensors are taken."
        )
    fill(ours, {name: keras.ops.convert_to_numpy(variable) for name, variable in theirs.items()}, path)


def common_variables(model: keras.Model, other: keras.Model) -> dict[str, keras.Variable]:
    """Returns a model's variables by path, without those of the heads that the other's task lacks."""
    own = _head_names(model) - _head_names(other)
    is_own = re.compile(rf"(stack\d+_)?({'|'.join(own)})(_hidden)?/").match if own else lambda path: None
    return {variable.path: variable for variable in model.network.variables if not is_own(variable.path)}


def _head_names(model) -> set[str]:
    return {head.name for head in model.task.heads}


def _load_checkpoint(model, path: str) -> None:
    unused = fill_from_published(model, read_checkpoint(path), path, heads_may_lack=True)
    if unused:
        print(f"{path}: {len(unused)} unused tensors left out: {', '.join(unused)}.")


LOADERS = {
    ".h5": _load_h5,
    ".keras": _load_keras,
    ".pth": _load_checkpoint,
    ".pt": _load_checkpoint,
    ".tar": _load_checkpoint,
    ".safetensors": _load_checkpoint,
}
