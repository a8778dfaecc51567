"""CenterNet ("Objects as Points") for Keras 3: an object is the centre point of its box."""

import importlib
import sys

_HOMES = {
    "AveragePrecision": "evaluation",
    "BACKBONES": "networks.table",
    "CenterNet": "model",
    "DeformableConv2D": "networks.layers",
    "Detections": "detecting.detections",
    "HeadSpec": "method.specs",
    "TASKS": "tasks",
    "Skeleton": "tasks.skeletons",
    "Task": "method.specs",
    "UserError": "errors",
    "decode": "method.decode",
    "encode_targets": "method.targets",
    "evaluate": "evaluation",
    "import_weights": "presets.importing",
    "inspect": "inspection",
    "load_dataset": "data",
    "load_detector": "loading",
    "load_model": "model",
    "upload_preset": "presets",
}

__version__ = "0.1.0"
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Imports a public name from its home on first use, so that `import keras_centernet` is cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'keras_centernet' has no attribute {name!r}; public: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"keras_centernet.{_HOMES[name]}"), name)


def __dir__():
    return __all__


if "keras" in sys.modules:  # registers the model, so that keras.models.load_model knows it
    importlib.import_module("keras_centernet.model")
