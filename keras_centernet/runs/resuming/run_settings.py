"""The settings that a run has in its folder; imports no Keras, as they say which backend it is to run on."""

import os

from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path
from keras_centernet.runs.folder import CONFIG, CONFIG_FILE
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings

OF_ONE_START = ("output", "resume", "overwrite")  # options that a run does not hand on
DEVICES = ("tpu", "gpus", "multi_worker")  # at most one of them
CHOSEN = "chosen_classes"  # key of config.json: the option, where "classes" are those of the model


def read_settings(folder: str | os.PathLike, given: dict) -> dict:
    """Returns {option: value} of the run in a folder, for `TrainSettings(**read_settings(folder, given) | given)`.

    Args:
        folder: of the run; without config.json the result is empty.
        given: options that count instead: devices among them replace all those of the run.

    Raises:
        UserError: config.json is damaged, or has a value that its option does not take.
    """
    path = to_path(folder) / CONFIG
    if not path.exists():
        return {}
    config = with_older_values(CONFIG_FILE.read(path))
    left_out = {*OF_ONE_START} | ({*DEVICES} if {*DEVICES} & {*given} else set())
    rows = {name: row for name, row in options_of(TrainSettings).items() if name in config and name not in left_out}
    config["classes"] = config.get(CHOSEN, config.get("classes"))
    return {name: row.check(config[name], f"{path}: {name}") for name, row in rows.items()}


def with_older_values(config: dict) -> dict:
    """Returns the content of a config.json with the values of then of options that came later."""
    of_then = {name: row.of_older_runs for name, row in options_of(TrainSettings).items()}
    return {name: value for name, value in of_then.items() if value is not None} | config


def settings_of_run(folder: str | os.PathLike, **changes) -> TrainSettings:
    """Returns the settings with which `train` goes on with the run in a folder.

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
        advice = "Name its folder, the --output of then."
        raise UserError(f"--resume: expected the folder of a run, got {os.fspath(folder)} without {CONFIG}. {advice}")
