"""Which backend Keras runs on: chosen before anything imports Keras, and kept."""

import os
import sys

from keras_centernet.errors import UserError
from keras_centernet.packages import check_installed
from keras_centernet.runs.devices.table import BACKENDS, DEFAULT, ON_TPU, Backend
from keras_centernet.runs.settings import TrainSettings

VARIABLE = "KERAS_BACKEND"


def choose_backend(given: str | None = None, tpu: bool = False) -> str:
    """Returns the key of `BACKENDS` that an option, the environment or the kind of device asks for, in this order.

    Raises:
        UserError: there is no such backend, or it is not installed.
    """
    wanted = given or os.environ.get(VARIABLE)
    if wanted and wanted not in BACKENDS:
        source = "--backend" if given else VARIABLE
        raise UserError(f"{source}: expected one of {', '.join(BACKENDS)}, got {wanted!r}.")
    name = wanted or (ON_TPU if tpu else DEFAULT)
    check_installed(f"--backend {name}", BACKENDS[name].package)
    return name


def use_backend(name: str) -> None:
    """Makes Keras run on a backend.

    Raises:
        UserError: Keras has been imported and runs on another one.
    """
    if "keras" not in sys.modules:
        os.environ[VARIABLE] = name
    elif (running := running_backend()) != name:
        advice = f"Set {VARIABLE}={name} before Keras is imported."
        raise UserError(f"--backend {name}: expected Keras on {BACKENDS[name].title}, it runs on {running}. {advice}")


def running_backend() -> str:
    """Returns the backend that Keras runs on; imports Keras."""
    import keras

    return keras.backend.backend()


def check_options(settings: TrainSettings, backend: str) -> None:
    """Raises a UserError if an option has a value that the backend does not support."""
    for option, values in BACKENDS[backend].only.items():
        value = getattr(settings, option)
        if value not in values:
            able = [name for name, row in BACKENDS.items() if _takes(row, option, value)]
            flag = "--" + option.replace("_", "-") + ("" if value is True else f" {value}")
            advice = f"Choose it with --backend or {VARIABLE}, or remove {flag}."
            raise UserError(f"{flag}: expected {' or '.join(able)} as the backend, got {backend}. {advice}")


def _takes(row: Backend, option: str, value) -> bool:
    return option not in row.only or value in row.only[option]
