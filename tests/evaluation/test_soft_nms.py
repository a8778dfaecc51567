"""Soft-NMS against the published, compiled one, and by hand."""

import numpy as np
import pytest

from keras_centernet.evaluation.soft_nms import soft_nms

GAUSSIAN = 2  # the method that is implemented; the fixture also holds linear and hard ones
CASES = {"few": 0, "many": 1, "one": 2, "none": 3, "poses": 6, "many poses": 7}


@pytest.mark.parametrize("name", CASES)
def test_rows_scores_and_leftovers_equal_the_published_ones(fixture, name):
    arrays = {key: value for key, value in fixture("nms_merge").items() if key.startswith(f"soft{CASES[name]}_")}
    given, expected, kept, method = arrays.values()
    assert method == GAUSSIAN
    box_rows, more_rows, scores = soft_nms(given[:, :4], given[:, 4])
    ours = np.concatenate([given[box_rows, :4], scores[:, None], given[more_rows, 5:]], axis=1)
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    corrected = soft_nms(given[:, :4], given[:, 4], as_published=False)
    assert len(corrected[0]) == kept
    np.testing.assert_array_equal(corrected[2], scores[:kept])


def test_by_hand():
    """Two boxes of 10 x 10 pixels share 5 x 10: IoU 1/3; the third is far away and keeps its score."""
    boxes = [[0, 0, 9, 9], [5, 0, 14, 9], [100, 100, 109, 109]]
    rows, _, scores = soft_nms(np.float32(boxes), np.float32([0.5, 0.8, 0.3]))
    np.testing.assert_array_equal(rows, [1, 0, 2])
    np.testing.assert_allclose(scores, [0.8, 0.5 * np.exp(-(1 / 9) / 0.5), 0.3], rtol=1e-6)


def test_dropped_boxes_are_gone_when_corrected():
    boxes = np.float32([[0, 0, 9, 9], [0, 0, 9, 9], [50, 0, 59, 9]])
    scores = np.float32([0.9, 0.002, 0.5])
    assert list(soft_nms(boxes, scores, as_published=False)[0]) == [0, 2]
    rows, more_rows, published = soft_nms(boxes, scores)
    np.testing.assert_array_equal(rows, [0, 2, 2])  # the last box is listed twice, as published
    np.testing.assert_array_equal(more_rows, [0, 2, 1])
    np.testing.assert_allclose(published, [0.9, 0.5, 0.5])
