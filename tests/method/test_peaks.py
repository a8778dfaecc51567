"""Local maxima and the exact two-stage top-K, compared with slow NumPy."""

import numpy as np
import pytest

from keras_centernet.method.peaks import NO_PEAK, cell_xy, local_maxima, part_ties, read_at, top_peaks


def test_local_maxima_equal_the_published_mask(fixture):
    arrays = fixture("decode")
    heatmap = np.moveaxis(arrays["ct_hm"], 1, -1)
    kept = np.asarray(local_maxima(heatmap)) != NO_PEAK
    np.testing.assert_array_equal(np.moveaxis(kept, -1, 1), arrays["ct_nms"])


def test_a_plateau_keeps_all_its_cells():
    logits = np.zeros((1, 2, 2, 1), "float32")
    assert (np.asarray(local_maxima(logits)) == 0).all()


def peaks_of(logits):
    """The (y, x) of all local maxima of a map of one image and one class."""
    return np.argwhere(np.asarray(local_maxima(logits))[0, ..., 0] != NO_PEAK).tolist()


@pytest.mark.parametrize("sharpness", [0.01, 0.03, 0.1, 1.0], ids=["flat", "round", "wide", "steep"])
def test_breaking_ties_turns_the_rounded_top_of_a_peak_into_one_peak(sharpness):
    y, x = np.mgrid[:15, :21]
    exact = -sharpness * ((y - 7) ** 2 + (x - 10) ** 2).astype("float32")[None, ..., None]
    rounded = np.round(exact / 0.06) * np.float32(0.06)
    assert (len(peaks_of(rounded)) > 1) == (sharpness < 0.1)
    assert peaks_of(part_ties(rounded)) == peaks_of(exact) == [[7, 10]]


def test_breaking_ties_moves_no_logit_by_half_a_step_and_keeps_the_order(rng):
    steps = rng.integers(-128, 128, (2, 9, 12, 3))
    steps[:, :3, :3] = [-128] * 3
    steps[:, 1, 1] = 127  # the largest possible difference between a cell and its neighbours
    logits = (0.06 * steps).astype("float32")
    parted = np.asarray(part_ties(logits))
    assert np.abs(parted - logits).max() < 0.03
    by_value = np.argsort(parted, axis=None)
    assert (np.diff(steps.ravel()[by_value]) >= 0).all()


@pytest.mark.parametrize(
    ("name", "map_hw", "classes", "top_k"),
    [
        ("one class", (8, 9), 1, 10),
        ("many classes in few cells", (3, 4), 20, 12),
        ("as many as there are cells", (4, 4), 3, 16),
        ("more than there are cells", (2, 3), 2, 100),
    ],
)
def test_two_stages_find_what_sorting_everything_finds(rng, name, map_hw, classes, top_k):
    logits = rng.normal(0, 3, (2, *map_hw, classes)).astype("float32")
    scores, found_classes, index = (np.asarray(part) for part in top_peaks(logits, top_k))
    peaks = np.asarray(local_maxima(logits)).reshape(2, -1)
    order = np.argsort(-peaks, axis=1)[:, : min(top_k, map_hw[0] * map_hw[1])]
    best = np.maximum(np.take_along_axis(peaks, order, 1).astype("float64"), -100)  # NO_PEAK overflows exp
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-best)), atol=1e-6)
    real = scores > 0
    np.testing.assert_array_equal((index * classes + found_classes)[real], order[real])


def test_several_classes_may_peak_in_one_cell():
    logits = np.full((1, 3, 3, 3), -5.0, "float32")
    logits[0, 1, 1] = [3.0, 1.0, 2.0]
    scores, classes, index = top_peaks(logits, 3)
    np.testing.assert_array_equal(classes, [[0, 2, 1]])
    np.testing.assert_array_equal(index, [[4, 4, 4]])
    assert (np.diff(np.asarray(scores)[0]) < 0).all()


def test_reading_at_indices(rng):
    values = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    index = np.array([[0, 11, 5], [7, 7, 1]])
    rows = np.asarray(read_at(values, index))
    for b in range(2):
        for n in range(3):
            np.testing.assert_array_equal(rows[b, n], values[b, index[b, n] // 4, index[b, n] % 4])
    np.testing.assert_array_equal(read_at(values[:1], index[:1]), rows[:1])


def test_cell_coordinates_are_x_then_y():
    np.testing.assert_array_equal(cell_xy(np.array([[0, 5, 11]]), 4), [[[0, 0], [1, 1], [3, 2]]])
