"""Back from a network's normalised input to the colours of an image."""

import numpy as np
import pytest
from keras import ops

from keras_centernet.networks.normalization import NORMALIZATIONS, normalize, without_normalization


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_undoes_the_normalization(name, rng):
    images = rng.integers(0, 256, (2, 8, 8, 3), np.uint8)
    normalized = ops.convert_to_numpy(normalize(images, name))
    np.testing.assert_allclose(without_normalization(normalized, name), images, atol=1e-3)
