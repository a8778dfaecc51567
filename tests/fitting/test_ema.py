"""The running average of weights, compared with a slow loop."""

import keras
import numpy as np
import pytest

from keras_centernet.fitting.ema import WeightAverage


def test_average_equals_the_loop(rng):
    variable = keras.Variable(np.zeros(3, "float32"))
    average = WeightAverage([variable], decay=0.9)
    expected = np.zeros(3)
    for n in range(1, 200):
        value = rng.normal(size=3).astype("float32")
        variable.assign(value)
        average.update()
        keep = min(0.9, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * value
    np.testing.assert_allclose(average.averages[0], expected, atol=1e-5)


def test_swapping_is_undone_also_after_an_error():
    variable = keras.Variable([1.0])
    average = WeightAverage([variable], decay=0.9)
    average.update()
    variable.assign([3.0])
    seen = []

    def look_and_fail():
        with average.swapped():
            seen.append(float(variable[0]))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        look_and_fail()
    assert (seen, float(variable[0])) == ([1.0], 3.0)


def test_before_the_first_step_there_is_no_average():
    variable = keras.Variable([1.0])
    average = WeightAverage([variable], decay=0.9)
    variable.assign([3.0])  # as loading a file after `compile` does
    with average.swapped():
        assert float(variable[0]) == 3.0
    average.start()
    assert float(average.averages[0][0]) == 3.0


def test_state_survives():
    variable = keras.Variable([1.0, 2.0])
    average, other = WeightAverage([variable], decay=0.9), WeightAverage([variable], decay=0.9)
    variable.assign([5.0, 7.0])
    average.update()
    other.restore(average.state())
    np.testing.assert_array_equal(other.averages[0], average.averages[0])
    assert int(other.steps) == 1


def test_integers_are_left_alone():
    assert WeightAverage([keras.Variable(3, dtype="int32")], decay=0.9).averages == []
