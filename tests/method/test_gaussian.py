"""Heatmap peaks: radius and drawing, compared with the published arrays and a slow NumPy loop."""

import numpy as np
import pytest

from keras_centernet.method.gaussian import geometric_radius, published_radius, splat


def test_published_radius_equals_the_published_code(fixture):
    arrays = fixture("gaussian")
    sizes_wh = arrays["radius_hw"][:, ::-1]
    radii = np.asarray(published_radius(sizes_wh))
    np.testing.assert_allclose(radii, arrays["radius_ceil"], rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(np.maximum(radii, 0).astype(int), arrays["radius_ceil_int"])
    np.testing.assert_allclose(
        published_radius(sizes_wh, min_overlap=0.5), arrays["radius_ceil_ov05"], rtol=2e-5, atol=2e-5
    )


@pytest.mark.parametrize("size_wh", [(4, 4), (20, 10), (30, 100), (128, 128)])
def test_geometric_radius_keeps_the_overlap_in_the_worst_of_three_cases(size_wh):
    width, height = size_wh
    r = float(geometric_radius(np.array([size_wh]))[0])
    area = width * height
    shifted = (width - r) * (height - r)
    overlaps = [
        shifted / (2 * area - shifted),
        (width - 2 * r) * (height - 2 * r) / area,
        area / ((width + 2 * r) * (height + 2 * r)),
    ]
    assert min(overlaps) == pytest.approx(0.7, abs=1e-4)


@pytest.mark.parametrize("scene", range(4))
def test_drawn_maps_equal_the_published_ones(fixture, scene):
    arrays = fixture("gaussian")
    expected = arrays[f"draw{scene}_hm"]
    centers_xy = arrays[f"draw{scene}_centers"].astype(int)[None]
    radii = arrays[f"draw{scene}_radii"][None]
    ones = np.ones(radii.shape, bool)
    drawn = splat(centers_xy.astype("int32"), radii, np.zeros(radii.shape, int), ones, expected.shape, 1)
    np.testing.assert_allclose(np.asarray(drawn)[0, :, :, 0], expected, atol=2e-6)


def test_classes_batches_and_masks_are_kept_apart(rng):
    batch, slots, channels, map_hw = 3, 6, 4, (9, 13)
    centers = np.stack([rng.integers(0, 13, (batch, slots)), rng.integers(0, 9, (batch, slots))], -1)
    radii, classes = rng.integers(0, 5, (batch, slots)), rng.integers(0, channels, (batch, slots))
    mask = rng.random((batch, slots)) < 0.7
    expected = np.zeros((batch, *map_hw, channels))
    for b, m in np.argwhere(mask):
        (x0, y0), r, sigma = centers[b, m], radii[b, m], (2 * radii[b, m] + 1) / 6
        for y in range(map_hw[0]):
            for x in range(map_hw[1]):
                if abs(x - x0) <= r and abs(y - y0) <= r:
                    value = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))
                    cell = (b, y, x, classes[b, m])
                    expected[cell] = max(expected[cell], value)
    drawn = splat(centers.astype("int32"), radii, classes, mask, map_hw, channels)
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_no_objects_draw_nothing():
    drawn = splat(np.zeros((1, 2, 2), "int32"), np.ones((1, 2)), np.zeros((1, 2)), np.zeros((1, 2), bool), (3, 3), 2)
    assert np.asarray(drawn).max() == 0


def test_a_centre_is_exactly_one_whatever_the_radius():
    radii = np.arange(40)[None]
    centers = np.full((1, 40, 2), 20, "int32")
    drawn = splat(centers, radii, radii, np.ones((1, 40), bool), (41, 41), 40)
    assert (np.asarray(drawn)[0, 20, 20] == 1.0).all()


def test_an_invalid_channel_is_not_drawn_into_another_image():
    cells, radii = np.full((2, 3, 2), 4, "int32"), np.full((2, 3), 2)
    channels = np.array([[0, 2, -1], [1, 5, -2]])  # with two channels, 2 would be the next image's first
    drawn = np.asarray(splat(cells, radii, channels, np.ones((2, 3), bool), (9, 9), 2))
    alone = np.asarray(splat(cells, radii, channels, np.array([[True, False, False]] * 2), (9, 9), 2))
    np.testing.assert_array_equal(drawn, alone)
    np.testing.assert_array_equal(drawn.max(axis=(1, 2)), [[1, 0], [0, 1]])
