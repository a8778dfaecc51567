"""Random hue, saturation and value against the standard library's conversion, pixel by pixel."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.data.changes.colors import change_hsv, random_hsv
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.errors import UserError


def slow_change(image, draws):
    changed = np.zeros_like(image)
    for y, x in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*image[y, x] / 255)
        hue, saturation, value = (hue + draws[0]) % 1, saturation * (1 + draws[1]), value * (1 + draws[2])
        changed[y, x] = np.round(255 * np.array(colorsys.hsv_to_rgb(hue, min(saturation, 1), min(value, 1))))
    return changed


@pytest.mark.parametrize(
    "draws", [(0, 0, 0), (0.1, 0, 0), (-0.4, 0, 0), (0, 0.7, 0), (0, -0.7, 0.4), (0.01, 0.3, -0.4)]
)
def test_colours_change_as_in_the_standard_library(draws, rng):
    image = rng.integers(0, 256, (16, 16, 3), np.uint8)
    difference = np.abs(change_hsv(image, np.float32(draws)).astype(int) - slow_change(image, draws))
    assert difference.max() <= 14  # hue and saturation are rounded to 256 steps
    assert difference.mean() < 2


def example_of(image, seed):
    return {"image": tf.constant(image), "seed": tf.constant([3, 20 * seed], tf.int64)}


@pytest.mark.parametrize("gains", [(0.0, 0.0, 0.0), (0.5, 0.7, 0.4), (0.015, 0.7, 0.4)])
def test_tensorflow_differs_only_by_the_rounding_to_8_bits(gains, rng):
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)
    for seed in range(5):
        ours, theirs = (random_hsv(example_of(image, seed), gains, pure)["image"].numpy() for pure in (True, False))
        assert np.abs(ours.astype(int) - theirs).mean() < 2
        if not any(gains):
            np.testing.assert_array_equal(ours, image)


@pytest.mark.parametrize("is_tensor", [False, True])
def test_gains_are_limits_on_both_sides(is_tensor):
    """With a gain of 0.4, a value of 100 becomes 60 to 140. Grey stays grey, and black stays black."""
    image = np.array([[[100, 50, 50], [90, 90, 90], [0, 0, 0]]], np.uint8)
    found = np.array([random_hsv(example_of(image, seed), (0, 0, 0.4), is_tensor)["image"] for seed in range(200)])
    values = found[:, 0, 0].max(axis=-1)
    assert (values >= 60).all()
    assert (values <= 140).all()
    assert values.min() < 64
    assert values.max() > 136
    assert np.mean(values) == pytest.approx(100, abs=5)
    assert np.ptp(found[:, 0, 1:], axis=-1).max() == 0
    assert not found[:, 0, 2].any()


@pytest.mark.slow
def test_the_same_seed_has_the_same_colours():
    options = {"input_size": 64, "batch_size": 4, "augmentation": "none", "flip": 0.0, "seed": 4}
    source = build_shapes(size=8, image_size=64)
    dataset = load_dataset(source, "train", **options, hsv=(0.1, 0.7, 0.4))
    images = np.concatenate([images for images, _ in dataset.for_epochs(0, 2)]).astype(int)
    plain = load_dataset(source, "train", **options, hsv=(0, 0, 0)).for_epochs(0, 2)
    changes = np.abs(images - np.concatenate([images for images, _ in plain])).mean(axis=(1, 2, 3))
    assert (changes > 1).sum() > 12
    assert len(np.unique(changes.round(3))) == 16
    again = np.concatenate([images for images, _ in dataset.for_epochs(1, 2)])
    np.testing.assert_array_equal(again, images[8:])


@pytest.mark.parametrize("hsv", [(0.1, 0.2), (0.015, 0.7, 1.4), (-0.1, 0, 0)])
def test_invalid_gains_are_refused(hsv):
    with pytest.raises(UserError, match=r"hsv: expected .* 0 .* 1, got"):
        load_dataset(build_shapes(size=2), "train", hsv=hsv)
