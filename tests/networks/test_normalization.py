"""Colours: normalisation, and the augmentation folded into one matrix, against the published steps."""

import numpy as np
import pytest

from keras_centernet.networks import normalization as preprocessing


def published_color_steps(image_bgr, factors, order, axes):
    """The published code's steps, one by one, on a float BGR image in 0..1."""
    gray = image_bgr @ np.array([0.114, 0.587, 0.299])
    gray_mean = gray.mean()
    image = image_bgr.copy()
    for kind in order:
        factor = factors[kind]
        if kind == 0:
            image = image * factor
        elif kind == 1:
            image = image * factor + (1 - factor) * gray_mean
        else:
            image = image * factor + (1 - factor) * gray[..., None]
    values = np.array([0.2141788, 0.01817699, 0.00341571])
    vectors = np.array(
        [
            [-0.58752847, -0.69563484, 0.41340352],
            [-0.5832747, 0.00994535, -0.81221408],
            [-0.56089297, 0.71832671, 0.41158938],
        ]
    )
    return image + vectors @ (values * axes)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_one_matrix_does_what_the_published_steps_do(rng, order):
    image = rng.random((5, 6, 3))
    factors, axes = rng.uniform(0.6, 1.4, 3), rng.normal(0, 0.1, 3)
    gray_mean = (image @ np.array(preprocessing.GRAY_RGB)).mean()
    matrix, bias = preprocessing.compose_colors(
        *(np.asarray(a, t)[None] for a, t in ((factors, "float32"), (order, "int32"), (axes, "float32"))),
        np.float32([gray_mean]),
    )
    ours = image @ np.asarray(matrix)[0].T + np.asarray(bias)[0]
    expected = published_color_steps(image[..., ::-1], factors, order, axes)[..., ::-1]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_published_normalisation_is_bgr(fixture):
    arrays = fixture("affine")
    image_bgr = arrays["img"][None, :8, :9]
    ours = preprocessing.normalize(image_bgr[..., ::-1], "published")
    mean, deviation = [0.40789654, 0.44719302, 0.47026115], [0.28863828, 0.27408164, 0.27809835]
    np.testing.assert_allclose(ours, (image_bgr / 255 - mean) / deviation, atol=1e-5)


def test_bytes_and_floats_are_the_same(rng):
    image = rng.integers(0, 256, (1, 4, 4, 3), np.uint8)
    for name in preprocessing.NORMALIZATIONS:
        np.testing.assert_array_equal(
            preprocessing.normalize(image, name), preprocessing.normalize(image.astype("float32"), name)
        )


def test_minus_one_to_one():
    ends = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=-1)
    np.testing.assert_allclose(np.asarray(preprocessing.normalize(ends, "minus_one_to_one"))[0, 0, :, 0], [-1, 1])


def test_augmentation_differs_by_image_and_its_mean_is_the_plain_image(rng):
    image = rng.integers(0, 256, (1, 8, 8, 3), np.uint8).repeat(400, axis=0)
    numbers = rng.random((400, preprocessing.RANDOM_NUMBERS)).astype("float32")
    augmented = np.asarray(preprocessing.augment_and_normalize(image, "minus_one_to_one", numbers))
    assert augmented.std(axis=0).mean() > 0.1
    plain = np.asarray(preprocessing.normalize(image[:1], "minus_one_to_one"))[0]
    assert np.abs(augmented.mean(axis=0) - plain).max() < 0.1
