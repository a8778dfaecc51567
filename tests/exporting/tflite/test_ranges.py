"""Ranges of a tensor's values, measured in one pass, compared with the sorted values."""

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.exporting.tflite.ranges import BINS, Histogram

PARTS = {
    "normal": lambda rng: [rng.normal(0, 2, (30, 40)) for _ in range(5)],
    "growing": lambda rng: [rng.normal(0, 0.01 * 4**i, 1000) for i in range(8)],
    "shrinking": lambda rng: [rng.normal(0, 0.01 * 4**i, 1000) for i in reversed(range(8))],
    "positive": lambda rng: [rng.uniform(0, 6, (1, 8, 8, 4)) for _ in range(3)],
    "negative": lambda rng: [rng.uniform(-9, -2, 300)],
    "nothing but zeros": lambda rng: [np.zeros((1, 4, 4, 2))],
    "denormal": lambda rng: [np.float32([1e-42, -1e-42, 0])],
    "powers of two": lambda rng: [np.float32([-2, 2]), np.float32([4, 0]), np.float32([-4])],
}


@pytest.mark.parametrize("outliers", [0.0, 1e-3, 0.02])
@pytest.mark.parametrize("name", PARTS)
def test_a_range_covers_all_values_but_the_outermost(rng, name, outliers):
    histogram, parts = Histogram(), [part.astype(np.float32) for part in PARTS[name](rng)]
    for part in parts:
        histogram.add(part)
    values = np.sort(np.concatenate([part.ravel() for part in parts]))
    cut = int(outliers * len(values))
    expected = values[cut], values[-1 - cut]
    width = 4 * np.abs(values).max() / BINS  # the bins extend to less than twice the largest value
    np.testing.assert_allclose(histogram.range(outliers), expected, atol=width if outliers else 0)
    assert (histogram.lowest, histogram.highest) == (values[0], values[-1])


def test_one_outlier_of_a_million_does_not_spread_the_range(rng):
    histogram = Histogram()
    histogram.add(rng.normal(0, 1, 1_000_000).astype(np.float32))
    histogram.add(np.float32([500, -300]))
    lowest, highest = histogram.range(1e-5)
    assert -5 < lowest < -3.5
    assert 3.5 < highest < 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(UserError, match="calibration: expected finite values inside the network, got NaN or infinity"):
        Histogram().add(np.float32([1, value, 2]))
