"""How much float32 rounding changes what a network computes: measured with weights changed by a few roundings."""

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-6


def shake(values: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Returns arrays with every float a little larger or smaller."""
    random = np.random.default_rng(seed)
    return [
        (value * (1 + ROUNDING * random.choice([-1, 1], value.shape))).astype(value.dtype)
        if value.dtype.kind == "f"
        else value
        for value in map(np.asarray, values)
    ]
