"""Reads what a model's file says about itself, in any format, without building or running anything."""

import os

from keras_centernet.errors import UserError
from keras_centernet.exporting.facts import check_facts
from keras_centernet.exporting.table import FORMATS, find_format
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import AnyPath, exists, to_path
from keras_centernet.weights.keras_file import read_config
from keras_centernet.weights.preset_folder import CONFIG, read_folder_config

KERAS = ".keras"
# {key of a configuration: its name among the facts}
_TAKEN = {
    "backbone": "backbone",
    "task": "task",
    "task_options": "task_options",
    "input_size": "input_hw",
    "thresholds": "thresholds",
}
_DICTIONARIES = ("task_options", "thresholds")


def facts_of(path: str | os.PathLike) -> dict:
    """Returns what a file says about itself: {key of `facts.FACTS`: value}, without those that it lacks.

    Args:
        path: a `.keras` file, a folder of `save_to_preset`, or a file or folder of any of the `FORMATS`.

    Returns:
        {"keras_centernet": version of this package that wrote it, "backbone", "task", "task_options", "classes": names,
        "input_hw": [height, width], "thresholds": {class name: lowest score that counts}, "boxes": their frame and
        order, "licence", "metrics": {name: number}}.

    Raises:
        UserError: there is no such file, it is damaged or of another kind, or says nothing about itself.

    Examples:
        >>> facts_of("runs/pets/best.keras")["metrics"]  # doctest: +SKIP
        {'AP': 0.412, 'AP50': 0.634, 'AP75': 0.45}
    """
    path = to_path(path)
    if not exists(path):
        raise UserError(f"{path}: expected a file of a model, got none.")
    facts = check_facts(_read(path), path)
    if not facts:
        raise UserError(f"{path}: expected a file that this package wrote, got one that says nothing about itself.")
    return facts


def _read(path: AnyPath) -> dict:
    if path.suffix == KERAS:
        with local_copy(path) as local:
            return _of_config(read_config(local, str(path)), path)
    if (path / CONFIG).is_file():
        return _of_config(read_folder_config(path), path)
    row = FORMATS[find_format(path, None)]
    if row.facts is None:
        raise UserError(f"{path}: expected a format that says what it is, got {find_format(path, None)}.")
    if row.is_folder:
        return row.facts(path)
    with local_copy(path) as local:
        return row.facts(local)


def _of_config(config: dict, path: AnyPath) -> dict:
    """Returns the facts in a model's configuration, without custom backbones and tasks, which have no name there."""
    about = config.get("about", {})
    if not isinstance(about, dict):
        raise UserError(f"{path}: expected licence and metrics by name, got {type(about).__name__}.")
    taken = {fact: config.get(name) for name, fact in _TAKEN.items()}
    taken = {fact: value for fact, value in taken.items() if not isinstance(value, dict) or fact in _DICTIONARIES}
    return about | taken | {"classes": config.get("classes")}
