"""The settings in a run's folder. This module must not import Keras, because they choose its backend."""

import os

from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path
from keras_centernet.runs.folder import CONFIG, CONFIG_FILE
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings

CHOSEN = "chosen_classes"  # key of config.json for the option `classes`; its key "classes" has those of the model


def read_settings(folder: str | os.PathLike, given: dict) -> dict:
    """Returns {option: value} of the run in a folder, for `TrainSettings(**read_settings(folder, given) | given)`.

    Args:
        folder: of the run; without config.json the result is empty.
        given: options that override the run's; one of a group replaces all of the group in the run.

    Raises:
        UserError: config.json is damaged, or has a value that its option does not allow.
    """
    path = to_path(folder) / CONFIG
    if not path.exists():
        return {}
    config = with_older_values(CONFIG_FILE.read(path))
    rows = options_of(TrainSettings)
    groups = {rows[name].group for name in given if name in rows} - {""}
    rows = {
        name: row for name, row in rows.items() if name in config and not row.of_one_start and row.group not in groups
    }
    config["classes"] = config.get(CHOSEN, config.get("classes"))
    return {name: row.check(config[name], f"{path}: {name}") for name, row in rows.items()}


def with_older_values(config: dict) -> dict:
    """Returns config.json's content, completed with the old behaviour of options that did not exist at the time."""
    rows = options_of(TrainSettings)
    of_then = {name: row.of_older_runs for name, row in rows.items() if row.of_older_runs is not None}
    # An option that must have a value now could have none then.
    unset = {name for name, value in config.items() if value is None and name in rows and not rows[name].is_optional}
    return of_then | {name: value for name, value in config.items() if name not in unset}


def settings_of_run(folder: str | os.PathLike, **changes) -> TrainSettings:
    """Returns the settings with which `train` resumes the run in a folder.

    Args:
        folder: of the run.
        **changes: options that may change, such as epochs.

    Raises:
        UserError: there is no run, or what `read_settings` raises.

    Examples:
        >>> train(settings_of_run("runs/mine", epochs=200))  # doctest: +SKIP
    """
    check_holds_run(folder)
    return TrainSettings(**read_settings(folder, changes) | changes | {"output": os.fspath(folder), "resume": True})


def check_holds_run(folder: str | os.PathLike) -> None:
    """Raises a UserError unless a run wrote its settings into the folder."""
    if not (to_path(folder) / CONFIG).exists():
        advice = "Name the folder that was its --output."
        raise UserError(f"--resume: expected the folder of a run, got {os.fspath(folder)} without {CONFIG}. {advice}")
