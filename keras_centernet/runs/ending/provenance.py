"""What made the weights of a run: versions, seed, data, command."""

import importlib.metadata
import pathlib
import platform
import shlex
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_centernet import __version__
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.devices.table import BACKENDS
from keras_centernet.runs.resuming.fingerprint import fingerprint_of
from keras_centernet.runs.settings import TrainSettings


def provenance_of(settings: TrainSettings, data: Datasets) -> dict:
    """Returns what made the weights of a run, as JSON can hold it.

    Returns:
        {"versions": {package: version}, the backend's among them, "seed", "data": {"train", "val": `fingerprint_of`},
        "command": of this process}.
    """
    package = BACKENDS[keras.backend.backend()].package
    versions = {
        "keras_centernet": __version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        package: _version_of(package),
        "tensorflow": tf.__version__,  # it reads the data on every backend
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    fingerprints = {"train": fingerprint_of(data.train), "val": fingerprint_of(data.val)}
    return {"versions": versions, "seed": settings.seed, "data": fingerprints, "command": command_line()}


def command_line() -> str:
    """Returns the command that started this process, quoted for a shell."""
    program, *arguments = sys.orig_argv or ["python"]
    return shlex.join([pathlib.Path(program).name, *arguments])


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # its name differs from its module's
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))
