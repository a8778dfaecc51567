"""Labelled images of any origin -> batches of padded objects, all in tf.data.

A reader in `formats` finds the images and labels and returns them as a `Source`. `load_dataset` shuffles, decodes,
augments, warps, pads and batches its examples. Read `source.py` first: it defines the example.
"""

import importlib

_HOMES = {
    "DataRequest": "formats.request",
    "Source": "source",
    "in_numpy": "changes.own",
    "load_dataset": "pipeline",
    "source_of": "origin",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Imports a public name on first use, so that `--help` can read the table of formats without loading TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
