"""Models and weights that this package wrote."""

import os
import zipfile

import keras

from keras_centernet.errors import UserError


def read_model_file(path: str | os.PathLike) -> keras.Model:
    """Returns the model that `model.save(path)` wrote, compiled as it was.

    Raises:
        UserError: the file is missing, damaged, or holds another kind of model.
    """
    path = os.fspath(path)
    _check_file(path)
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # Keras raises many kinds for damaged or foreign files
        raise UserError(f"{path}: expected a .keras file of this package, could not be read: {_line(error)}") from error
    if not hasattr(model, "task"):
        raise UserError(f"{path}: expected a CenterNet, got a {type(model).__name__}.")
    return model


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Fills a model from another model's file; nothing changes when something does not fit.

    A `.keras` file may have other classes: everything but the heatmap's last layer is then taken,
    and a line says so. A `.weights.h5` file must fit exactly.

    Args:
        model: `CenterNet` to fill.
        path: `.keras` or `.weights.h5`.

    Raises:
        UserError: the file is missing or damaged, or a tensor has another shape (it is named).
    """
    path = os.fspath(path)
    if path.endswith(".h5"):
        if not os.path.isfile(path):
            raise UserError(f"{path}: expected a weights file, but it does not exist.")
        try:
            model.load_weights(path)
        except Exception as error:
            raise UserError(f"{path}: expected weights of this network: {_line(error)}") from error
        return
    source = read_model_file(path)
    theirs = {_key(variable): variable for variable in source.network.variables}
    ours = {_key(variable): variable for variable in model.network.variables}
    if theirs.keys() != ours.keys():
        name = sorted(theirs.keys() ^ ours.keys())[0]
        raise UserError(
            f"{path} holds a {source.network.name}: expected the tensors of {model.network.name}; {name} is in "
            "only one of them."
        )
    other_shape = [name for name, variable in ours.items() if theirs[name].shape != variable.shape]
    heatmap = model.task.center_heatmap.name
    other_classes = source.classes != model.classes
    allowed = [name for name in ours if other_classes and name.split("/")[0].endswith(heatmap)]
    wrong = [name for name in other_shape if name not in allowed]
    if wrong:
        raise UserError(
            f"{path}: {wrong[0]} has shape {tuple(theirs[wrong[0]].shape)}, expected {tuple(ours[wrong[0]].shape)}."
        )
    if allowed:
        print(f"{path} has other classes: the last layer of {heatmap} starts anew, all else is taken.")
    for name, variable in ours.items():
        if name not in allowed:
            variable.assign(theirs[name])


def _key(variable) -> str:
    """The variable's path without the network's own name."""
    return variable.path


def _check_file(path: str) -> None:
    if not os.path.isfile(path):
        raise UserError(f"{path}: expected a .keras file, but it does not exist.")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: expected a .keras file, but it is damaged or of another format.")


def _line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
