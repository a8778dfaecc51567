"""Named arrays -> variables, all of them or none."""

from collections.abc import Mapping

import keras
import numpy as np

from keras_centernet.errors import UserError


def fill(variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray], path: str) -> None:
    """Assigns to each variable the array of its name, in its layout; changes nothing unless everything fits.

    Args:
        variables: each needs an array.
        arrays: ones without a variable are ignored.
        path: of the file that the arrays come from, for messages.

    Raises:
        UserError: an array is missing, has another shape or holds numbers that are not finite; it is named.
    """
    for name, variable in variables.items():
        if name not in arrays:
            raise UserError(f"{path}: expected a tensor {name} of shape {tuple(variable.shape)}, it is missing.")
        shape, expected = tuple(arrays[name].shape), tuple(variable.shape)
        if shape != expected:
            raise UserError(f"{path}: {name} has shape {shape}, expected {expected} (in Keras' order of axes).")
        if not np.all(np.isfinite(arrays[name])):
            raise UserError(f"{path}: {name} holds NaN or infinity, expected finite numbers; the file is damaged.")
    for name, variable in variables.items():
        variable.assign(arrays[name])
