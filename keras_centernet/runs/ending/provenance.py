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
    """Returns what made the weights of a run, as JSON has it.

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
        "tensorflow": tf.__version__,  # which reads the data of every backend
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    fingerprints = {"train": fingerprint_of(data.train), "val": fingerprint_of(data.val)}
    return {"versions": versions, "seed": settings.seed, "data": fingerprints, "command": command_line()}


def command_line() -> str:
    """Returns what this process was started with, as one would type it."""
    program, *arguments = sys.orig_argv or ["python"]
    return shlex.join([pathlib.Path(program).name, *arguments])


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # of a name that differs from its module's
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))
