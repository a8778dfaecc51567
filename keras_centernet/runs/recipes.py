"""Recipes: settings of published trainings and our own, each a TOML file with the metrics that it reached.

A new run uses the recipe with the name of its task if neither a recipe nor weights are given.

A file has a table [train], whose keys are fields of `TrainSettings`, and may have [published] (metrics) and
[commands]. The recipes of the package are in `keras_centernet/recipes/`.
"""

import dataclasses
import difflib
import os
import pathlib
import tomllib

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.texts import read_text
from keras_centernet.runs.options import UNSET, options_of
from keras_centernet.runs.settings import TrainSettings

FOLDER = pathlib.Path(__file__).parents[1] / "recipes"
SUFFIX = ".toml"
TABLES = ("train", "published", "commands")
_MOST_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One file.

    Attributes:
        settings: {field of `TrainSettings`: value}.
        published: {"AP": {"none": 36.3, ...}, ...} in percent, "hours", "gpus" and "retrained_here".
        commands: {"train": ..., "evaluate": ..., ...} as typed in the folder of the repository.
    """

    name: str
    settings: dict
    published: dict
    commands: dict

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The published metrics alone: {metric: {condition: percent}}."""
        return {name: value for name, value in self.published.items() if isinstance(value, dict)}


def recipe_names() -> list[str]:
    """Returns the sorted names of the package's recipes."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load_recipe(name: str | os.PathLike) -> Recipe:
    """Returns the package's recipe of that name, or that of a .toml file, with settings that `TrainSettings` accepts.

    Raises a UserError that names the file and the wrong key, or lists the recipes.
    """
    path = to_path(name)
    if path.suffix != SUFFIX:
        known = recipe_names()
        if str(name) not in known:
            expected = f"one of {', '.join(known)}, {UNSET}, or the path of a {SUFFIX} file"
            raise UserError(f"--recipe: expected {expected}, got {str(name)!r}.")
        path = FOLDER / f"{name}{SUFFIX}"
    tables = _read_tables(path)
    return Recipe(path.stem, _read_settings(tables["train"], path), tables["published"], tables["commands"])


def _read_tables(path: AnyPath) -> dict[str, dict]:
    try:
        content = tomllib.loads(read_text(path, _MOST_BYTES))
    except RecursionError:
        raise UserError(f"{path}: expected a recipe in TOML, got one that is nested too deeply.") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected a recipe in TOML, got other text: {first_line(error)}.") from None
    for name, table in content.items():
        if name not in TABLES or not isinstance(table, dict):
            raise UserError(f"{path}: expected the tables [{'], ['.join(TABLES)}], got {shown(name)}.")
    if "train" not in content:
        raise UserError(f"{path}: expected a table [train] of settings, it is missing.")
    return {name: content.get(name, {}) for name in TABLES}


def _read_settings(table: dict, path: AnyPath) -> dict:
    rows = {name: row for name, row in options_of(TrainSettings).items() if row.in_recipes}
    for key, value in table.items():
        if key not in rows:
            close = ", ".join(difflib.get_close_matches(key, rows, 3) or [*list(rows)[:3], "..."])
            raise UserError(f"{path}: unknown key {shown(key)} in [train], expected options such as {close}.")
        rows[key].check(value, f"{path}: {key} in [train]")
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        TrainSettings(data="", **settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return settings
