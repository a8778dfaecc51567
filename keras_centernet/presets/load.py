"""The name of a model -> the model."""

import inspect
import os
import warnings
from collections.abc import Mapping

import keras

from keras_centernet.about import About
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import to_path
from keras_centernet.model import CenterNet
from keras_centernet.presets.importing import import_weights
from keras_centernet.tasks.table import OPTIONS_OF_ALL
from keras_centernet.weights.checkpoint import READERS
from keras_centernet.weights.download import fetch_preset, recorded_sha256
from keras_centernet.weights.load import read_model_file, take_weights
from keras_centernet.weights.preset_folder import read_preset_folder
from keras_centernet.weights.presets import PRESETS, preset_name
from keras_centernet.weights.resolve import find

_DIGITS = 12  # of a checksum, in a file's name
_SHOWN = 5  # names
_PERCENT = 100


def load_named(name: str | os.PathLike, custom_objects: dict | None = None) -> CenterNet:
    """Returns the model that a name stands for; see `weights.resolve.find`.

    A preset is downloaded and converted once, and kept as a .keras file in the cache. Checkpoints of the authors are
    imported, their network, task and classes recognised.

    Raises:
        UserError: there is no such model, it could not be downloaded, or is damaged.
    """
    if preset := preset_name(name):
        return _load_preset(preset)
    path = find(name)
    if path.endswith(tuple(READERS)):
        return _import(path)
    if to_path(path).suffix != ".keras" and to_path(path).is_dir():
        with keras.saving.custom_object_scope(custom_objects or {}):
            return read_preset_folder(path, CenterNet)
    return read_model_file(path, custom_objects)


def with_overrides(model: CenterNet, overrides: dict) -> CenterNet:
    """Returns a model with other arguments and the same weights, as far as they fit; a line says what starts anew.

    Args:
        model: returned itself if there are no overrides.
        overrides: arguments of `CenterNet`, such as {"input_size": 384, "classes": ["cat"]}. "task_options" are added
            to those of the model; for another task only those that every task has ("nms") are kept.

    Raises:
        UserError: an unknown argument, or another backbone.
    """
    if not overrides:
        return model
    known = {*inspect.signature(CenterNet).parameters, "dtype"} - {"backbone", "weights", "backbone_weights", "kwargs"}
    strangers = sorted(set(overrides) - known)
    if strangers:
        raise UserError(f"{strangers[0]}: expected one of {', '.join(sorted(known))} beside the name of a preset.")
    config = model.get_config()
    if "num_classes" in overrides or "task" in overrides:
        config.pop("classes")
    if "task" in overrides:
        of_all = {key: value for key, value in model.task_options.items() if key in OPTIONS_OF_ALL}
        config = {**config, "task_options": of_all, "head_losses": None, "loss_weights": None}
    if overrides.get("task_options"):
        overrides = overrides | {"task_options": (config["task_options"] or {}) | overrides["task_options"]}
    changed = CenterNet.from_config(config | overrides)
    take_weights(changed, model, model.name)
    changed.about = About(model.about.licence)  # its metrics are of the unchanged model
    return changed


def _load_preset(name: str) -> CenterNet:
    row = PRESETS[name]
    file = fetch_preset(row)
    kept = file.with_name(f"{name}-{recorded_sha256(file)[:_DIGITS]}.keras")
    if not kept.exists():
        write_whole(
            kept, _import(str(file), row.backbone, row.task, row.classes, row.input_size, row.normalization).save
        )
    model = read_model_file(kept)
    model.about = About(row.licence, _published(row.metrics))
    return model


def _published(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns {"AP, published, flip": fraction} from the percentages that the authors measured."""
    rows = ((name, how, value) for name, values in metrics.items() for how, value in values.items())
    return {f"{name}, published, {how}": round(value / _PERCENT, 4) for name, how, value in rows}


def _import(path: str, *what) -> CenterNet:
    model, unused = import_weights(path, *what)
    if unused:
        told = ", ".join(unused[:_SHOWN]) + (", ..." if len(unused) > _SHOWN else "")
        warnings.warn(
            f"{path}: {len(unused)} tensors have no place and are left out: {told}", DataWarning, stacklevel=3
        )
    return model
