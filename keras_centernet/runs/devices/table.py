"""The backends of Keras, one row each; nothing here imports any of them."""

import dataclasses
from collections.abc import Collection, Mapping

DEFAULT = "tensorflow"
ON_TPU = "jax"  # the only one with a runtime for every current TPU


@dataclasses.dataclass(frozen=True)
class Backend:
    """One row.

    Attributes:
        title: its name in texts.
        package: module that must be installed.
        home: module of this room with `build_devices(settings) -> Devices`.
        only: {option of a run: the values that this backend supports}; it supports all values of other options.
    """

    title: str
    package: str
    home: str
    only: Mapping[str, Collection] = dataclasses.field(default_factory=dict)


OF_ONE_DEVICE = {"tpu": (False,), "multi_worker": (False,), "gpus": (None, 1)}
# On PyTorch, Keras' `fit` runs single steps; batches of a service are TensorFlow's from end to end.
OF_TORCH = OF_ONE_DEVICE | {"steps_per_execution": (None, 1), "data_service": (None,)}
# One global program: its losses are means over the global batch.
OF_JAX = {"loss_mean": ("global_batch",)}

BACKENDS: dict[str, Backend] = {
    "tensorflow": Backend("TensorFlow", "tensorflow", "tensorflow", {"tpu": (False,)}),
    "jax": Backend("JAX", "jax", "jax", OF_JAX),
    "torch": Backend("PyTorch", "torch", "torch", OF_TORCH),
}
