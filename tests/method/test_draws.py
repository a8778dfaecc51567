"""Random numbers from a seed and a row: published test vectors, independence of the batch, distributions."""

import keras
import numpy as np
import pytest

from keras_centernet.method.draws import normal, threefry, uniform

# From the authors' test vectors for 20 rounds: key, counter, output.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def to_int32(numbers):
    return np.array(numbers, np.uint32).view(np.int32)


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_known_answers(key, counter, expected):
    words = threefry(keras.ops.convert_to_tensor(to_int32(key)), tuple(to_int32([word]) for word in counter))
    assert [int(np.asarray(word).view(np.uint32)[0]) for word in words] == list(expected)


def test_a_row_does_not_depend_on_the_batch_that_it_is_drawn_in():
    seed = keras.random.SeedGenerator(5).next()
    np.testing.assert_array_equal(uniform(seed, 8, 3)[4:], uniform(seed, 4, 3, first_row=4))


def test_every_seed_and_step_draws_other_numbers():
    seeds = keras.random.SeedGenerator(5)
    drawn = [
        np.asarray(uniform(seed, 4, 3)) for seed in (seeds.next(), seeds.next(), keras.random.SeedGenerator(6).next())
    ]
    assert len(np.unique(drawn)) == 3 * 12


def test_distributions():
    numbers = uniform(keras.random.SeedGenerator(5).next(), 50_000, 2)
    values = np.asarray(numbers)
    assert 0 < values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    np.testing.assert_allclose(values.mean(0), 0.5, atol=5e-3)
    np.testing.assert_allclose(values.std(0), 12**-0.5, atol=3e-3)
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.02
    spread = np.asarray(normal(numbers))
    np.testing.assert_allclose([spread.mean(), spread.std()], [0, 1], atol=0.01)
    assert np.mean(np.abs(spread) < 1.96) == pytest.approx(0.95, abs=5e-3)
